"""All kinds of check of a YAML file."""

from typing import Annotated

from artifact_pipelines.checks.interfaces import ICheckKind
from artifact_pipelines.checks.kinds.allowed import Allowed
from artifact_pipelines.checks.kinds.foreign_key import ForeignKey
from artifact_pipelines.checks.kinds.freshness import Freshness
from artifact_pipelines.checks.kinds.not_null import NotNull
from artifact_pipelines.checks.kinds.range import Range
from artifact_pipelines.checks.kinds.row_count import RowCount
from artifact_pipelines.checks.kinds.sql import Sql
from artifact_pipelines.checks.kinds.unique import Unique
from artifact_pipelines.declarations import OneOf

CheckKind = Annotated[ICheckKind, OneOf([NotNull, Unique, Range, Allowed, RowCount, Freshness, ForeignKey, Sql])]
