"""Chooses the measure of a column by its type."""

import pyarrow as pa

from artifact_pipelines.analysis.profile.column import Column, OtherColumn
from artifact_pipelines.analysis.profile.distinct import Limit
from artifact_pipelines.analysis.profile.number_column import NumberColumn
from artifact_pipelines.analysis.profile.stored_values import is_number, is_text_like, is_time, value_type
from artifact_pipelines.analysis.profile.text_column import TextColumn


def make_column(field: pa.Field, limit: Limit) -> Column:
    """Return the measure of a column."""
    kind = value_type(field.type)
    if is_text_like(kind):
        return TextColumn(kind, limit)
    return NumberColumn(kind, limit) if is_number(kind) or is_time(kind) else OtherColumn(kind, limit)
