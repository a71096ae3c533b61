"""The one pass over a table: map over units, merge in order."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from artifact_pipelines.analysis.profile.columns import ColumnSummary, OtherColumn, make_column, merge_columns
from artifact_pipelines.analysis.profile.distinct import Collector, Limit, Smallest, merge_smallest
from artifact_pipelines.analysis.profile.reader import TableFile, Unit
from artifact_pipelines.tabular.random_numbers import Numbers

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd: no bit of a number is lost
_NULL_NUMBER = np.uint64(0x6E756C6C6E756C6C)


@dataclasses.dataclass(frozen=True, slots=True)
class TableProfile:
    """Statistics of a table.

    Attributes:
        schema: Its columns.
        size_bytes: Bytes of its file.
        columns: The summary of each column, in order.
        rows: The distinct rows with the smallest numbers; None if a column is nested.
    """

    schema: pa.Schema
    row_count: int
    size_bytes: int
    columns: Sequence[ColumnSummary]
    rows: Smallest | None


def profile_table(path: pathlib.Path) -> TableProfile:
    """Measure every column of a Parquet file."""
    file = TableFile(path)
    limits = [Limit() for _ in file.schema]
    row_limit = Limit()

    def measure(unit: Unit) -> tuple[list[ColumnSummary], Smallest]:
        columns = [make_column(field, limit) for field, limit in zip(file.schema, limits, strict=True)]
        rows = Collector(row_limit, None)
        for batch in file.batches(unit):
            state = np.zeros(batch.num_rows, np.uint64)
            for column, values in zip(columns, batch.columns, strict=True):
                _absorb(state, column.add(_storage(values)), values)
            rows.add(state)
        return [column.finish() for column in columns], rows.finish()

    summaries = [make_column(field, limit).finish() for field, limit in zip(file.schema, limits, strict=True)]
    rows = Collector(row_limit, None).finish()
    for found, of_rows in file.map_units(measure):
        summaries = [merge_columns(left, right) for left, right in zip(summaries, found, strict=True)]
        rows = merge_smallest([rows, of_rows])
    is_nested = any(isinstance(make_column(field, Limit()), OtherColumn) for field in file.schema)
    return TableProfile(
        file.schema, file.metadata.num_rows, path.stat().st_size, summaries, None if is_nested else rows
    )


def _absorb(state: Numbers, numbers: Numbers | None, values: pa.Array) -> None:
    """Advance the number of each row by a value, in place."""
    if numbers is None:
        return
    if values.null_count:
        everywhere = np.full(len(values), _NULL_NUMBER)
        everywhere[values.is_valid().to_numpy(zero_copy_only=False)] = numbers
        numbers = everywhere
    state *= _FACTOR
    state += numbers


def _storage(values: pa.Array) -> pa.Array:
    return values.storage if isinstance(values.type, pa.BaseExtensionType) else values
