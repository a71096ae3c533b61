"""Measures the columns of a unit, batch by batch; each kind of values has its class.

Dates, times and decimals are measured as the integers that they are stored as: Python's own types lack year 10000.
"""

import abc
import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact_pipelines.analysis.profile.distinct import Collector, Limit, Smallest, merge_smallest
from artifact_pipelines.analysis.profile.moments import (
    Moments,
    merge_moments,
    moments_of_floats,
    moments_of_integers,
)
from artifact_pipelines.analysis.profile.texts import KnownTexts, Lengths, as_binary
from artifact_pipelines.tabular.arrow_types import storage_type
from artifact_pipelines.tabular.random_numbers import Numbers, numbers_of_positions

Values = npt.NDArray[Any]

_FEW = 1 << 16
_ENCODED_ROWS = 1024


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnSummary:
    """Statistics of one column over some batches; None where they mean nothing for its type.

    Attributes:
        rows: All rows.
        nulls: Rows without a value.
        nans: Values that are NaN, which no other statistic counts.
        infinities: Values that are infinite; moments leave them out.
        low: The smallest value, as the integer, float or bytes that it is stored as.
        smallest: The distinct values with the smallest numbers.
    """

    rows: int = 0
    nulls: int = 0
    nans: int = 0
    infinities: int = 0
    zeros: int = 0
    negatives: int = 0
    low: Any = None
    high: Any = None
    moments: Moments | None = None
    lengths: Lengths | None = None
    smallest: Smallest | None = None


def merge_columns(left: ColumnSummary, right: ColumnSummary) -> ColumnSummary:
    """Return the statistics of two runs of batches together."""
    lows, highs = _known(left.low, right.low), _known(left.high, right.high)
    return ColumnSummary(
        rows=left.rows + right.rows,
        nulls=left.nulls + right.nulls,
        nans=left.nans + right.nans,
        infinities=left.infinities + right.infinities,
        zeros=left.zeros + right.zeros,
        negatives=left.negatives + right.negatives,
        low=min(lows, default=None),
        high=max(highs, default=None),
        moments=merge_moments(left.moments, right.moments) if left.moments and right.moments else None,
        lengths=left.lengths.merged(right.lengths) if left.lengths and right.lengths else None,
        smallest=merge_smallest([left.smallest, right.smallest]) if left.smallest and right.smallest else None,
    )


class Column(abc.ABC):
    """A column of a unit. Takes its batches, and has a summary at the end."""

    def __init__(self, kind: pa.DataType, limit: Limit) -> None:
        self._kind = kind
        self._limit = limit
        self._summary = self._empty()

    def add(self, column: pa.Array) -> Numbers | None:
        """Take a batch, and return the numbers of its values that are not null: equal ones have the same number."""
        count = ColumnSummary(rows=len(column), nulls=column.null_count)
        present = column.drop_null() if count.nulls else column
        measured, numbers = self._measure(present) if len(present) else (self._empty(), np.empty(0, np.uint64))
        batch = dataclasses.replace(measured, rows=count.rows, nulls=count.nulls)
        self._summary = merge_columns(self._summary, batch)
        return numbers

    @abc.abstractmethod
    def _empty(self) -> ColumnSummary: ...

    @abc.abstractmethod
    def _measure(self, values: pa.Array) -> tuple[ColumnSummary, Numbers | None]:
        """Return the statistics, and the number, of at least one value."""

    def finish(self) -> ColumnSummary:
        """Return the statistics of all batches."""
        return self._summary


class OtherColumn(Column):
    """Nested values and columns of the null type: only rows and nulls are counted."""

    def _empty(self) -> ColumnSummary:
        return ColumnSummary()

    def _measure(self, values: pa.Array) -> tuple[ColumnSummary, Numbers | None]:
        return ColumnSummary(), None


class NumberColumn(Column):
    """Numbers, booleans, dates and times."""

    def __init__(self, kind: pa.DataType, limit: Limit) -> None:
        self._divisor = 10**kind.scale if pa.types.is_decimal(kind) else 1
        self._has_moments = not pa.types.is_temporal(kind)
        self._collector: Collector | None = None
        super().__init__(kind, limit)

    def _empty(self) -> ColumnSummary:
        return ColumnSummary(moments=Moments() if self._has_moments else None)

    def finish(self) -> ColumnSummary:
        """See `Column`."""
        collector = self._collector or Collector(self._limit, stored_numbers(self._kind))
        return dataclasses.replace(self._summary, smallest=collector.finish())

    def _measure(self, values: pa.Array) -> tuple[ColumnSummary, Numbers]:
        stored = physical_values(values)
        if stored is None:
            return self._measure_wide(values)
        if stored.dtype == np.float64:
            return self._measure_floats(stored)
        low, high = int(stored.min()), int(stored.max())
        moments = moments_of_integers(stored, low, high).scaled(self._divisor) if self._has_moments else None
        zeros, negatives = _signs(stored, low, high) if self._has_moments else (0, 0)
        found = ColumnSummary(zeros=zeros, negatives=negatives, low=low, high=high, moments=moments)
        return found, self._collect(stored, low, high)

    def _measure_floats(self, values: npt.NDArray[np.float64]) -> tuple[ColumnSummary, Numbers]:
        with np.errstate(over="ignore", invalid="ignore"):
            is_finite = math.isfinite(values.sum())
            is_nan = None if is_finite else np.isnan(values)
            ordered = values if is_nan is None else values[~is_nan]
            finite = values if is_finite else ordered[np.isfinite(ordered)]
            moments = moments_of_floats(finite) if len(finite) else Moments()
        low, high = (float(ordered.min()), float(ordered.max())) if len(ordered) else (None, None)
        zeros, negatives = _signs(ordered, low, high) if len(ordered) else (0, 0)
        found = ColumnSummary(
            nans=len(values) - len(ordered),
            infinities=len(ordered) - len(finite),
            zeros=zeros,
            negatives=negatives,
            low=low,
            high=high,
            moments=moments,
        )
        numbers = self._collect(ordered + 0.0, 0, _FEW)  # -0.0 + 0.0 is 0.0
        if is_nan is None:
            return found, numbers
        everywhere = np.full(len(values), _NAN_NUMBER)
        everywhere[~is_nan] = numbers
        return found, everywhere

    def _measure_wide(self, values: pa.Array) -> tuple[ColumnSummary, Numbers]:
        """Measure decimals of which some do not fit 64 bits; their spread is that of the nearest floats."""
        words = _decimal_words(values)
        numbers = _numbers(_numbers(words[:, 0]) + words[:, 1].view(np.uint64))
        halves = zip(words[:, 0].view(np.uint64).tolist(), words[:, 1].tolist(), strict=True)
        exact = [(high << 64) + low for low, high in halves]
        spread = moments_of_floats(np.array(exact, np.float64))
        moments = dataclasses.replace(spread, total=Fraction(sum(exact))).scaled(self._divisor)
        low, high = min(exact), max(exact)
        zeros, negatives = exact.count(0), sum(value < 0 for value in exact)
        self._made_collector(stored_numbers(self._kind)).add(numbers, None, values)
        return ColumnSummary(zeros=zeros, negatives=negatives, low=low, high=high, moments=moments), numbers

    def _collect(self, values: Values, low: int, high: int) -> Numbers:
        """Collect distinct values, and return the number of every value."""
        collector = self._made_collector(stored_numbers(self._kind))
        if high - low < min(_FEW, 4 * len(values)):
            codes = (values - values.dtype.type(low)).view(np.int64)
            entries = np.arange(low, high + 1, dtype=values.dtype)
        elif len(values) >= _ENCODED_ROWS and not self._limit.is_reached:
            encoded = pa.array(values).dictionary_encode()
            codes, entries = encoded.indices.to_numpy(), encoded.dictionary.to_numpy()
        else:
            numbers = _numbers(values)
            collector.add(numbers, None, self._as_kept(values))
            return numbers
        counts = np.bincount(codes, minlength=len(entries))
        used = np.flatnonzero(counts)
        numbers = _numbers(entries)
        collector.add(numbers[used], counts[used], self._as_kept(entries[used]))
        of_rows: Numbers = numbers[codes]
        return of_rows

    def _as_kept(self, values: Values) -> pa.Array:
        if not pa.types.is_decimal(self._kind):
            return pa.array(values)
        words = np.stack([values, values >> 63], axis=1)
        return pa.Array.from_buffers(stored_numbers(self._kind), len(values), [None, pa.py_buffer(words)])

    def _made_collector(self, kind: pa.DataType) -> Collector:
        self._collector = self._collector or Collector(self._limit, kind)
        return self._collector


class TextColumn(Column):
    """Texts and binaries, also in dictionaries. A text of a dictionary is read once, however often it occurs."""

    def __init__(self, kind: pa.DataType, limit: Limit) -> None:
        self._known: KnownTexts | None = None
        self._collector = Collector(limit, pa.large_binary())
        super().__init__(kind, limit)

    def _empty(self) -> ColumnSummary:
        return ColumnSummary(lengths=Lengths())

    def finish(self) -> ColumnSummary:
        """See `Column`."""
        return dataclasses.replace(self._summary, smallest=self._collector.finish())

    def _measure(self, values: pa.Array) -> tuple[ColumnSummary, Numbers]:
        if not pa.types.is_dictionary(values.type):
            texts = KnownTexts(as_binary(values))
            self._collector.add(texts.numbers, None, texts.values)
            return self._summary_of(texts, None), texts.numbers
        if self._known is None or not self._known.is_of(values.dictionary):
            self._known = KnownTexts(as_binary(values.dictionary))
        codes = values.indices.to_numpy()
        counts = np.bincount(codes, minlength=len(values.dictionary))
        used = np.flatnonzero(counts)
        texts = self._known if len(used) == len(counts) else self._known.taken(used)
        self._collector.add(texts.numbers, counts[used], texts.values)
        return self._summary_of(texts, counts[used]), self._known.numbers[codes]

    def _summary_of(self, texts: KnownTexts, counts: npt.NDArray[np.int64] | None) -> ColumnSummary:
        low, high = texts.extremes()
        return ColumnSummary(low=low, high=high, lengths=texts.count_lengths(counts))


def make_column(field: pa.Field, limit: Limit) -> Column:
    """Return the measure of a column."""
    kind, types = value_type(field.type), pa.types
    if is_text_like(kind):
        return TextColumn(kind, limit)
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    if is_number or (types.is_temporal(kind) and not types.is_interval(kind)):
        return NumberColumn(kind, limit)
    return OtherColumn(kind, limit)


def is_compared(kind: pa.DataType) -> bool:
    """True if values of a type have numbers, by which equal ones are found; nested ones have none."""
    return not pa.types.is_nested(value_type(kind))


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values of a dictionary or an extension type; any other type unchanged."""
    kind = storage_type(kind)
    return value_type(kind.value_type) if pa.types.is_dictionary(kind) else kind


def is_text_like(kind: pa.DataType) -> bool:
    """True if values are texts or binaries."""
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def stored_numbers(kind: pa.DataType) -> pa.DataType:
    """Return the type of the numbers that values of a type are measured as."""
    types = pa.types
    if types.is_decimal(kind):
        return pa.decimal128(38, kind.scale)
    return pa.float64() if types.is_floating(kind) else pa.uint64() if types.is_uint64(kind) else pa.int64()


def physical_values(values: pa.Array) -> Values | None:
    """Return values without nulls as integers or floats of 64 bits; None for decimals that do not fit."""
    kind, types = values.type, pa.types
    if types.is_decimal(kind):
        words = _decimal_words(values)
        fits = bool((words[:, 1] == words[:, 0] >> 63).all())
        return np.ascontiguousarray(words[:, 0]) if fits else None
    if types.is_boolean(kind):
        values = values.cast(pa.uint8())
    if types.is_temporal(kind):
        values = values.view(pa.int32() if kind.bit_width == 32 else pa.int64())
    numbers = values.to_numpy(zero_copy_only=False)
    wide: Values = numbers.astype(stored_numbers(kind).to_pandas_dtype(), copy=False)
    return wide


def _decimal_words(values: pa.Array) -> npt.NDArray[np.int64]:
    """Return (n, 2) low and high halves of decimals."""
    wide = values.cast(pa.decimal128(38, values.type.scale))
    words = np.frombuffer(wide.buffers()[1], np.int64).reshape(-1, 2)
    return words[wide.offset : wide.offset + len(wide)]


def _numbers(values: Values) -> Numbers:
    return numbers_of_positions(values.view(np.int64), seed=0)


_NAN_NUMBER = _numbers(np.array([np.nan]))[0]


def _signs(values: Values, low: Any, high: Any) -> tuple[int, int]:
    """Return the number of zeros and of negatives."""
    zeros = len(values) - int(np.count_nonzero(values)) if low <= 0 <= high else 0
    return zeros, int(np.count_nonzero(values < 0)) if low < 0 else 0


def _known(*values: Any) -> list[Any]:
    return [value for value in values if value is not None]
