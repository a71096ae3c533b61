"""The one pass over a table: map over units, merge in order."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from artifact_pipelines.analysis.profile.beginning import Beginning
from artifact_pipelines.analysis.profile.column import Column
from artifact_pipelines.analysis.profile.columns import make_column
from artifact_pipelines.analysis.profile.distinct import Collector, Limit, Smallest
from artifact_pipelines.analysis.profile.partial import PartialProfile
from artifact_pipelines.analysis.profile.reader import TableFile, Unit
from artifact_pipelines.analysis.profile.row_sample import SampleCollector, merge_samples, sample_limit
from artifact_pipelines.analysis.profile.state import TableState, merge_states
from artifact_pipelines.analysis.profile.stored_values import is_compared, numbers_of
from artifact_pipelines.analysis.profile.summary import ColumnSummary
from artifact_pipelines.tabular.arrow_memory import use_arrow_memory, use_system_memory
from artifact_pipelines.tabular.random_numbers import Numbers

COMPARED_ROWS = 65_536
"""Fewer different rows are counted, more are estimated from so many at random."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd: no bit of a number is lost
_NULL_NUMBER = np.uint64(0x6E756C6C6E756C6C)


@dataclasses.dataclass(frozen=True, slots=True)
class TableProfile:
    """Statistics of a table.

    Attributes:
        schema: Its columns.
        size_bytes: Bytes of its file.
        key: The columns that identify a row; empty if nobody declared them.
        columns: The summary of each column, in order.
        rows: The distinct rows with the smallest numbers; None if a column is nested.
        keys: The distinct keys with the smallest numbers; None without a key of comparable columns.
        sample: (sampled rows, columns) the row sample; its columns have no names.
        partial: The statistics of its first rows, for a later table that begins with them; None: it is small.
        known_rows: Rows whose statistics were known.
    """

    schema: pa.Schema
    row_count: int
    size_bytes: int
    key: Sequence[str]
    columns: Sequence[ColumnSummary]
    rows: Smallest | None
    keys: Smallest | None
    sample: pa.Table
    partial: PartialProfile | None = None
    known_rows: int = 0


def profile_table(path: pathlib.Path, key: Sequence[str] = (), before: PartialProfile | None = None) -> TableProfile:
    """Measure every column of a Parquet file, and how often rows and keys repeat.

    Args:
        before: Statistics of rows of an earlier table; used if this one begins with the same rows.
    """
    file = TableFile(path)
    if file.is_wide:
        use_arrow_memory()
    else:
        use_system_memory()
    run = _Run.planned(file, key, before)
    # A later table may have no more rows than those whose statistics are kept.
    measure = Measure(file.schema, key, run.units[-1].start if run.keeps else file.metadata.num_rows)
    total = run.start.state if run.start else measure.nothing()
    measure.lower_limits(total)
    first_rows = total
    for state in file.map_units(lambda unit: measure.unit(file, unit), run.units):
        first_rows = total if run.keeps else first_rows
        total = merge_states(total, state)
        measure.lower_limits(total)
    are_compared = [is_compared(field.type) for field in file.schema]
    return TableProfile(
        schema=file.schema,
        row_count=file.metadata.num_rows,
        size_bytes=path.stat().st_size,
        key=key,
        columns=total.columns,
        rows=total.rows if are_compared and all(are_compared) else None,
        keys=total.keys if key and all(are_compared[at] for at in measure.key) else None,
        sample=merge_samples(total.samples).rows if total.samples else file.schema.empty_table(),
        partial=PartialProfile(*run.keeps, first_rows) if run.keeps else None,
        known_rows=run.units[0].start if run.start else 0,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Run:
    """What of a table is measured.

    Attributes:
        start: Statistics of the rows before these units; None: there are none.
        keeps: Number of row groups before the last unit, and their digest, if their statistics are to be kept.
    """

    units: Sequence[Unit]
    start: PartialProfile | None
    keeps: tuple[int, str] | None

    @classmethod
    def planned(cls, file: TableFile, key: Sequence[str], before: PartialProfile | None) -> "_Run":
        units, beginning = file.units(), Beginning(file, key)
        last = units[-1].groups[0] if units else 0
        if not beginning.is_worth_keeping(last):
            return cls(units, None, None)
        counts = [before.groups] if before and before.groups <= last else []
        *known, digest = beginning.digests([*counts, last])
        if before and known == [before.digest]:
            return cls([unit for unit in units if unit.groups[0] >= before.groups], before, (last, digest))
        return cls(units, None, (last, digest))


class Measure:
    """Measures units of a file.

    Attributes:
        key: Positions of the columns of the key.
    """

    def __init__(self, schema: pa.Schema, key: Sequence[str], fewest_rows: int) -> None:
        self._schema = schema
        self.key = [schema.get_field_index(name) for name in key]
        self._limits = [Limit() for _ in schema]
        self._row_limit, self._key_limit = Limit(COMPARED_ROWS), Limit(COMPARED_ROWS)
        self._sample_limit = sample_limit(len(schema), fewest_rows)

    def nothing(self) -> TableState:
        """Return the statistics of no rows."""
        nothing = [Collector(limit, None).finish() for limit in (self._row_limit, self._key_limit)]
        return TableState([column.finish() for column in self._columns()], nothing[0], nothing[1], [])

    def lower_limits(self, known: TableState) -> None:
        """Drop at once what is not among the smallest numbers of the units so far."""
        for limit, column in zip(self._limits, known.columns, strict=True):
            if column.smallest is not None:
                limit.lower_to_last(column.smallest)
        self._row_limit.lower_to_last(known.rows)
        self._key_limit.lower_to_last(known.keys)

    def unit(self, file: TableFile, unit: Unit) -> TableState:
        """Return the statistics of a unit."""
        columns, position = self._columns(), unit.start
        rows, keys = Collector(self._row_limit, None), Collector(self._key_limit, None)
        sample = SampleCollector(self._sample_limit)
        for batch in file.batches(unit):
            numbers, key_numbers = np.zeros((2, batch.num_rows), np.uint64)
            for at, (column, values) in enumerate(zip(columns, batch.columns, strict=True)):
                found = _add(column, values)
                _absorb(numbers, found)
                if at in self.key:
                    _absorb(key_numbers, found)
            rows.add(numbers)
            if self.key:
                keys.add(key_numbers)
            positions = np.arange(position, position + batch.num_rows, dtype=np.uint64)
            sample.add(numbers_of(numbers + positions), batch)
            position += batch.num_rows
        return TableState([column.finish() for column in columns], rows.finish(), keys.finish(), sample.finish())

    def _columns(self) -> list[Column]:
        return [make_column(field, limit) for field, limit in zip(self._schema, self._limits, strict=True)]


def _add(column: Column, values: pa.Array) -> Numbers | None:
    """Add a batch to a column, and return the number of each row's value; None: values are not compared."""
    numbers = column.add(values.storage if isinstance(values.type, pa.BaseExtensionType) else values)
    if numbers is None or not values.null_count:
        return numbers
    everywhere = np.full(len(values), _NULL_NUMBER)
    everywhere[values.is_valid().to_numpy(zero_copy_only=False)] = numbers
    return everywhere


def _absorb(state: Numbers, numbers: Numbers | None) -> None:
    """Advance the number of each row by a value, in place: equal rows have equal ones."""
    if numbers is not None:
        state *= _FACTOR
        state += numbers
