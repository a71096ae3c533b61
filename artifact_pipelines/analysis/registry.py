"""All kinds of analysis of a YAML file."""

from typing import Annotated

from artifact_pipelines.analysis.interfaces import IAnalysisKind
from artifact_pipelines.analysis.kinds.cohort import Cohort
from artifact_pipelines.analysis.kinds.crosstab import Crosstab
from artifact_pipelines.analysis.kinds.drift import Drift
from artifact_pipelines.analysis.kinds.estimate import Estimate
from artifact_pipelines.analysis.kinds.group_by import GroupBy
from artifact_pipelines.analysis.kinds.profile import Profile
from artifact_pipelines.analysis.kinds.sql import Sql
from artifact_pipelines.analysis.kinds.time_series import TimeSeries
from artifact_pipelines.declarations import OneOf

AnalysisKind = Annotated[IAnalysisKind, OneOf([Profile, Sql, GroupBy, Crosstab, TimeSeries, Cohort, Estimate, Drift])]
