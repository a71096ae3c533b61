"""A sample of rows for the statistics that need many values side by side, such as quantiles.

A table of few rows is its own sample, and its quantiles are exact.
"""

import pyarrow as pa

from artifact_pipelines.analysis.profile.distinct import shortened
from artifact_pipelines.analysis.profile.texts import as_binary
from artifact_pipelines.tabular.spread_positions import Positions


def taken_rows(batch: pa.RecordBatch, positions: Positions) -> list[pa.Array]:
    """Return the columns of some rows of a batch; texts as binaries, long ones cut; nested columns as nulls."""
    everywhere = len(positions) == batch.num_rows
    taken = pa.array(positions)
    return [_plain(column if everywhere else column.take(taken)) for column in batch.columns]


def _plain(column: pa.Array) -> pa.Array:
    column = column.storage if isinstance(column.type, pa.BaseExtensionType) else column
    types = pa.types
    if types.is_nested(column.type):
        return pa.nulls(len(column))
    if types.is_dictionary(column.type):
        short = _plain(column.dictionary)
        return short.take(column.indices)
    is_plain = types.is_primitive(column.type) or types.is_decimal(column.type) or types.is_null(column.type)
    return column if is_plain else shortened(as_binary(column)[0])
