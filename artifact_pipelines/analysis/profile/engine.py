"""The one pass over a table: map over units, merge in order."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from artifact_pipelines.analysis.profile.columns import Column, ColumnSummary, is_compared, make_column, merge_columns
from artifact_pipelines.analysis.profile.distinct import Collector, Limit, Smallest, merge_smallest
from artifact_pipelines.analysis.profile.reader import TableFile, Unit
from artifact_pipelines.analysis.profile.row_sample import taken_rows
from artifact_pipelines.tabular.random_numbers import Numbers
from artifact_pipelines.tabular.spread_positions import spread_positions

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
        sample: The columns of the row sample, in order.
        sample_rows: Rows of the sample.
    """

    schema: pa.Schema
    row_count: int
    size_bytes: int
    columns: Sequence[ColumnSummary]
    rows: Smallest | None
    sample: Sequence[pa.ChunkedArray]
    sample_rows: int

    @property
    def duplicate_rows(self) -> int | None:
        """Return how many rows repeat another one; an estimate unless `rows` are all. None: rows are not compared."""
        return None if self.rows is None else self.row_count - self.rows.distinct_of(self.row_count)


@dataclasses.dataclass(frozen=True, slots=True)
class _UnitProfile:
    columns: Sequence[ColumnSummary]
    rows: Smallest
    sample: Sequence[Sequence[pa.Array]]


class _Measure:
    """Measures units of a file."""

    def __init__(self, file: TableFile) -> None:
        self._file = file
        self._limits = [Limit() for _ in file.schema]
        self._row_limit = Limit()
        self.positions = spread_positions(file.metadata.num_rows, len(file.schema))

    def nothing(self) -> _UnitProfile:
        """Return the statistics of no rows."""
        columns = [column.finish() for column in self._columns()]
        return _UnitProfile(columns, Collector(self._row_limit, None).finish(), [])

    def unit(self, unit: Unit) -> _UnitProfile:
        """Return the statistics of a unit."""
        columns, rows, sample = self._columns(), Collector(self._row_limit, None), []
        start = unit.start
        for batch in self._file.batches(unit):
            rows.add(_measure_batch(columns, batch))
            first, stop = np.searchsorted(self.positions, [start, start + batch.num_rows])
            if stop > first:
                sample.append(taken_rows(batch, self.positions[first:stop] - start))
            start += batch.num_rows
        return _UnitProfile([column.finish() for column in columns], rows.finish(), sample)

    def _columns(self) -> list[Column]:
        return [make_column(field, limit) for field, limit in zip(self._file.schema, self._limits, strict=True)]


def profile_table(path: pathlib.Path) -> TableProfile:
    """Measure every column of a Parquet file."""
    file = TableFile(path)
    measure = _Measure(file)
    total = functools.reduce(_merged, file.map_units(measure.unit), measure.nothing())
    is_comparable = all(is_compared(field.type) for field in file.schema) and len(file.schema) > 0
    pieces = zip(*total.sample, strict=True) if total.sample else ([] for _ in file.schema)
    return TableProfile(
        schema=file.schema,
        row_count=file.metadata.num_rows,
        size_bytes=path.stat().st_size,
        columns=total.columns,
        rows=total.rows if is_comparable else None,
        sample=[pa.chunked_array(list(each), None if each else pa.null()) for each in pieces],
        sample_rows=len(measure.positions),
    )


def _merged(left: _UnitProfile, right: _UnitProfile) -> _UnitProfile:
    columns = [merge_columns(*both) for both in zip(left.columns, right.columns, strict=True)]
    return _UnitProfile(columns, merge_smallest([left.rows, right.rows]), [*left.sample, *right.sample])


def _measure_batch(columns: Sequence[Column], batch: pa.RecordBatch) -> Numbers:
    """Add a batch to the columns, and return the number of each row: equal rows have the same."""
    state = np.zeros(batch.num_rows, np.uint64)
    for column, values in zip(columns, batch.columns, strict=True):
        _absorb(state, column.add(_storage(values)), values)
    return state


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
