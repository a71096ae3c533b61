"""Measures numbers, booleans, dates and times.

The one idea: values that repeat are counted first, and then each different one is measured once.
"""

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact_pipelines.analysis.profile.column import Column
from artifact_pipelines.analysis.profile.days import NO_DAYS, days_of, has_days
from artifact_pipelines.analysis.profile.distinct import Collector, Limit
from artifact_pipelines.analysis.profile.moments import Counts, Moments, moments_of_floats, moments_of_integers
from artifact_pipelines.analysis.profile.stored_values import (
    Values,
    decimal_words,
    numbers_of,
    physical_values,
    stored_numbers,
)
from artifact_pipelines.analysis.profile.summary import ColumnSummary
from artifact_pipelines.tabular.random_numbers import Numbers

_FEW = 1 << 16
_ENCODED_ROWS = 1024
_FIRST_ROWS = 8192
_NAN_NUMBER = numbers_of(np.array([np.nan]))[0]


@dataclasses.dataclass(frozen=True, slots=True)
class _Counted:
    """Values of a batch.

    Attributes:
        values: (n,) integers or floats.
        counts: (n,) how often each occurs; None: once.
        codes: (rows,) position of the value of each row; None: as they are.
    """

    values: Values
    counts: Counts | None = None
    codes: npt.NDArray[np.int64] | None = None


class NumberColumn(Column):
    """Numbers, booleans, dates and times."""

    def __init__(self, kind: pa.DataType, limit: Limit) -> None:
        self._divisor = 10**kind.scale if pa.types.is_decimal(kind) else 1
        self._has_moments = not pa.types.is_temporal(kind)
        self._has_days = has_days(kind)
        self._collector = Collector(limit, stored_numbers(kind))
        super().__init__(kind, limit)

    def _empty(self) -> ColumnSummary:
        moments = Moments() if self._has_moments else None
        return ColumnSummary(moments=moments, days=NO_DAYS if self._has_days else None)

    def finish(self) -> ColumnSummary:
        """See `Column`."""
        return dataclasses.replace(self._summary, smallest=self._collector.finish())

    def _measure(self, values: pa.Array) -> tuple[ColumnSummary, Numbers]:
        stored = physical_values(values)
        if stored is None:
            return self._measure_wide(values)
        if stored.dtype == np.float64:
            return self._measure_floats(self._encoded(stored + 0.0))  # -0.0 + 0.0 is 0.0
        return self._measure_integers(stored)

    def _measure_integers(self, values: Values) -> tuple[ColumnSummary, Numbers]:
        low, high = int(values.min()), int(values.max())
        counted = _counted_range(values, low, high) or self._encoded(values)
        found = ColumnSummary(low=low, high=high)
        if self._has_moments:
            moments = moments_of_integers(counted.values, counted.counts, low, high).scaled(self._divisor)
            zeros, negatives = _signs(counted, low, high)
            found = dataclasses.replace(found, zeros=zeros, negatives=negatives, moments=moments)
        elif self._has_days:
            found = dataclasses.replace(found, days=days_of(counted.values, self._kind))
        numbers = numbers_of(counted.values)
        self._collector.add(numbers, counted.counts, self._as_kept(counted.values))
        return found, numbers if counted.codes is None else numbers[counted.codes]

    def _measure_floats(self, counted: _Counted) -> tuple[ColumnSummary, Numbers]:
        values, counts = counted.values, counted.counts
        numbers = numbers_of(values)
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(values.sum()):
                ordered = finite = _Counted(values, counts)
                self._collector.add(numbers, counts, pa.array(values))
            else:
                is_nan = np.isnan(values)
                numbers[is_nan] = _NAN_NUMBER
                ordered = _chosen(counted, ~is_nan)
                finite = _chosen(ordered, np.isfinite(ordered.values))
                self._collector.add(numbers[~is_nan], ordered.counts, pa.array(ordered.values))
            moments = moments_of_floats(finite.values, finite.counts) if len(finite.values) else Moments()
        found = ColumnSummary(
            nans=_rows(counted) - _rows(ordered), infinities=_rows(ordered) - _rows(finite), moments=moments
        )
        if len(ordered.values):
            low, high = float(ordered.values.min()), float(ordered.values.max())
            zeros, negatives = _signs(ordered, low, high)
            found = dataclasses.replace(found, zeros=zeros, negatives=negatives, low=low, high=high)
        return found, numbers if counted.codes is None else numbers[counted.codes]

    def _measure_wide(self, values: pa.Array) -> tuple[ColumnSummary, Numbers]:
        """Measure decimals of which some do not fit 64 bits; their spread is that of the nearest floats."""
        words = decimal_words(values)
        numbers = numbers_of(numbers_of(words[:, 0]) + words[:, 1].view(np.uint64))
        halves = zip(words[:, 0].view(np.uint64).tolist(), words[:, 1].tolist(), strict=True)
        exact = [(high << 64) + low for low, high in halves]
        spread = moments_of_floats(np.array(exact, np.float64))
        moments = dataclasses.replace(spread, total=Fraction(sum(exact))).scaled(self._divisor)
        low, high = min(exact), max(exact)
        zeros, negatives = exact.count(0), sum(value < 0 for value in exact)
        self._collector.add(numbers, None, values.cast(stored_numbers(self._kind)))
        return ColumnSummary(zeros=zeros, negatives=negatives, low=low, high=high, moments=moments), numbers

    def _encoded(self, values: Values) -> _Counted:
        """Return values counted, if at most half are distinct among the first ones and among all.

        The values alone decide, not what other threads have found: sums of floats depend on it in their last digits.
        """
        first = pa.array(values[:_FIRST_ROWS])
        if len(values) < _ENCODED_ROWS or 2 * len(first.unique()) > len(first):
            return _Counted(values)
        encoded = pa.array(values).dictionary_encode()
        if 2 * len(encoded.dictionary) > len(values):
            return _Counted(values)
        codes = encoded.indices.to_numpy()
        return _Counted(encoded.dictionary.to_numpy(), np.bincount(codes), codes)

    def _as_kept(self, values: Values) -> pa.Array:
        if not pa.types.is_decimal(self._kind):
            return pa.array(values)
        words = np.stack([values, values >> 63], axis=1)
        return pa.Array.from_buffers(stored_numbers(self._kind), len(values), [None, pa.py_buffer(words)])


def _counted_range(values: Values, low: int, high: int) -> _Counted | None:
    """Return integers counted, if they lie so densely that a table of all between them is small."""
    if high - low >= min(_FEW, 4 * len(values)):
        return None
    codes = (values - values.dtype.type(low)).view(np.int64)
    counts = np.bincount(codes, minlength=high - low + 1)
    entries = np.arange(high - low + 1).astype(values.dtype) + values.dtype.type(low)
    if counts.all():
        return _Counted(entries, counts, codes)
    used = np.flatnonzero(counts)
    positions = np.empty(len(counts), np.int64)
    positions[used] = np.arange(len(used))
    return _Counted(entries[used], counts[used], positions[codes])


def _chosen(counted: _Counted, which: npt.NDArray[np.bool_]) -> _Counted:
    return _Counted(counted.values[which], None if counted.counts is None else counted.counts[which])


def _rows(counted: _Counted) -> int:
    return len(counted.values) if counted.counts is None else int(counted.counts.sum())


def _signs(counted: _Counted, low: Any, high: Any) -> tuple[int, int]:
    """Return the number of zeros and of negatives."""
    zeros = _rows(_chosen(counted, counted.values == 0)) if low <= 0 <= high else 0
    return zeros, _rows(_chosen(counted, counted.values < 0)) if low < 0 else 0
