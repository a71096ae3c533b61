"""A sample of rows for the statistics that need many values side by side, such as quantiles.

The one idea: every row draws a number from its values and its position, and the rows with the smallest numbers are the
sample. So samples merge, and row groups do not show. A table of few rows is its own sample, with exact quantiles.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from artifact_pipelines.analysis.profile.distinct import Limit, shortened
from artifact_pipelines.analysis.profile.texts import as_binary
from artifact_pipelines.tabular.random_numbers import Numbers

SAMPLE_ROWS = 65_536
"""The standard error of a share of the sample is then 0.2 percentage points at most."""

_SAMPLE_VALUES = 2 << 20
_FEWEST_ROWS = 1024
_MOST_HELD = 4  # times the rows of the sample: to merge takes longer than to hold them


@dataclasses.dataclass(frozen=True, slots=True)
class RowSample:
    """The rows with the smallest numbers.

    Attributes:
        numbers: (n,) in ascending order, once merged.
        most: How many are kept.
        rows: (n, columns) texts as binaries, long ones cut; nested columns as nulls.
    """

    numbers: Numbers
    most: int
    rows: pa.Table


def sample_size(column_count: int) -> int:
    """Return the most rows of a sample: fewer for wide tables, to bound memory."""
    return max(_FEWEST_ROWS, min(SAMPLE_ROWS, _SAMPLE_VALUES // max(1, column_count)))


def sample_limit(column_count: int, row_count: int) -> Limit:
    """Return the limit of the numbers of a table's sample.

    Numbers are uniform, so most rows are known from the beginning to be too large: that fewer than wanted are below the
    limit is six standard deviations away. Then the sample is some rows smaller.
    """
    limit = Limit(sample_size(column_count))
    share = (limit.most + 6 * math.sqrt(limit.most)) / max(1, row_count)
    if share < 1:
        limit.lower_to(np.uint64(int(share * 2**64)))
    return limit


class SampleCollector:
    """Collects the sample of a unit, batch by batch."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._held: list[RowSample] = []
        self._size = 0

    def add(self, numbers: Numbers, batch: pa.RecordBatch) -> None:
        """Add rows with their numbers."""
        kept = np.flatnonzero(numbers <= self._limit.highest)
        if len(kept) > self._limit.most:
            kept = kept[np.argpartition(numbers[kept], self._limit.most)[: self._limit.most]]
            self._limit.lower_to(numbers[kept].max())
        if len(kept):
            self._held.append(RowSample(numbers[kept], self._limit.most, _taken_rows(batch, kept)))
            self._size += len(kept)
        if self._size > _MOST_HELD * self._limit.most:
            self._held = bounded_samples(self._held)
            self._size = self._limit.most
            self._limit.lower_to(self._held[0].numbers[-1])

    def finish(self) -> Sequence[RowSample]:
        """Return samples that together are the sample; none without a row."""
        return self._held


def bounded_samples(samples: Sequence[RowSample]) -> list[RowSample]:
    """Return samples as they are; once they hold many rows, one of all of them."""
    is_bounded = sum(len(each.numbers) for each in samples) <= _MOST_HELD * (samples[0].most if samples else 0)
    return list(samples) if is_bounded else [merge_samples(samples)]


def merge_samples(samples: Sequence[RowSample]) -> RowSample:
    """Return the sample of all rows that several samples are of."""
    numbers = np.concatenate([sample.numbers for sample in samples])
    order = np.argsort(numbers)[: samples[0].most]
    rows = pa.concat_tables([sample.rows for sample in samples]).combine_chunks().take(pa.array(order))
    return RowSample(numbers[order], samples[0].most, rows)


def _taken_rows(batch: pa.RecordBatch, positions: np.typing.NDArray[np.intp]) -> pa.Table:
    everywhere = len(positions) == batch.num_rows
    taken = pa.array(positions)
    columns = [_plain(column if everywhere else column.take(taken)) for column in batch.columns]
    return pa.Table.from_arrays(columns, [str(number) for number in range(len(columns))])


def _plain(column: pa.Array) -> pa.Array:
    column = column.storage if isinstance(column.type, pa.BaseExtensionType) else column
    types = pa.types
    if types.is_nested(column.type):
        return pa.nulls(len(column))
    if types.is_dictionary(column.type):
        short = _plain(column.dictionary)
        return short.take(column.indices)
    is_plain = types.is_primitive(column.type) or types.is_decimal(column.type) or types.is_null(column.type)
    return column if is_plain else shortened(as_binary(column))
