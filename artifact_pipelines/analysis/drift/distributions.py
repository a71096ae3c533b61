"""The distributions of a column in two versions, in the same categories, from the profiles of both.

The one idea: a profile has what a comparison needs. Fewer than 4,096 distinct values are compared by exact counts, more
by the row sample; nulls, NaN and infinities always by exact counts.
"""

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact_pipelines.analysis.profile.engine import TableProfile
from artifact_pipelines.analysis.profile.shape import finite_numbers
from artifact_pipelines.analysis.profile.shown import shown_kept, shown_value
from artifact_pipelines.analysis.profile.stored_values import is_text_like, physical_values, value_type
from artifact_pipelines.analysis.profile.summary import ColumnSummary
from artifact_pipelines.analysis.readable import rounded
from artifact_pipelines.tabular.distances import Shares, WeightedNumbers
from artifact_pipelines.tabular.number_bins import NumberBins

MOST_CATEGORIES = 50
"""Frequent texts that are categories of their own; all others are one."""

_SEEN = 10  # a rarer text of a row sample is not a frequent one
_OTHERS = "other values"
_NOTHING = np.empty(0, np.float64)


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A column of one version.

    Attributes:
        kind: Type of its values.
        sample: Its values in the row sample.
    """

    type: pa.DataType
    summary: ColumnSummary
    sample: pa.Array

    @property
    def kind(self) -> pa.DataType:
        """Return the type of the values."""
        return value_type(self.type)

    @property
    def is_exact(self) -> bool:
        """True if the count of every value is known."""
        return self.summary.smallest is not None and self.summary.smallest.is_all

    @property
    def rows(self) -> int:
        """Return the number of rows that the distribution is known from."""
        return self.summary.rows if self.is_exact else len(self.sample)

    @property
    def null_share(self) -> float | None:
        """Return the share of rows without a value."""
        return self.summary.nulls / self.summary.rows if self.summary.rows else None

    @property
    def is_number(self) -> bool:
        """True if values have an order and a distance."""
        return self.summary.smallest is not None and not is_text_like(self.kind) and not pa.types.is_boolean(self.kind)

    def is_comparable(self, other: "Column") -> bool:
        """True if the values of two versions can be the same."""
        if self.summary.smallest is None or other.summary.smallest is None:
            return False
        if pa.types.is_temporal(self.kind) or pa.types.is_temporal(other.kind):
            return bool(self.kind == other.kind)
        return self.is_number == other.is_number and is_text_like(self.kind) == is_text_like(other.kind)


@dataclasses.dataclass(frozen=True, slots=True)
class Distributions:
    """A column of two versions.

    Attributes:
        labels: (k,) names of the categories.
        before: (k,) share of the rows of the baseline.
        after: (k,) share of the rows.
        numbers: The finite numbers of both; None: there are none, or values have no distance.
    """

    labels: Sequence[str]
    before: Shares
    after: Shares
    numbers: tuple[WeightedNumbers, WeightedNumbers] | None


def columns_of(found: TableProfile) -> Mapping[str, Column]:
    """Return the columns of a profile by name."""
    each = zip(found.schema, found.columns, found.sample.columns, strict=True)
    return {field.name: Column(field.type, summary, sample.combine_chunks()) for field, summary, sample in each}


def distributions_of(before: Column, after: Column) -> Distributions:
    """Return the distributions of a column with comparable values; both versions have rows."""
    if before.is_number:
        left, right = _numbers(before), _numbers(after)
        bins = NumberBins.of(left, right)
        labels = bins.labels(lambda value: _shown(value, before.kind))
        counts = [bins.count(left), bins.count(right)]
        both = (left, right) if len(left.values) and len(right.values) else None
    else:
        labels, counts = _counted(before, after)
        both = None
    shares = [_with_special(column, found) for column, found in zip((before, after), counts, strict=True)]
    known = [*labels, "infinite", "NaN", "null"]
    used = (shares[0] + shares[1]) > 0
    shown = [label for label, is_used in zip(known, used, strict=True) if is_used]
    return Distributions(shown, shares[0][used], shares[1][used], both)


def _with_special(column: Column, counts: npt.NDArray[np.float64]) -> Shares:
    """Return the shares of all rows: those of the ordinary values, then infinite, NaN and null."""
    known, rows = column.summary, column.summary.rows
    special = np.array([known.infinities, known.nans, known.nulls], np.float64) / rows
    ordinary = max(0.0, 1 - special.sum())
    scaled = counts / counts.sum() * ordinary if counts.sum() else counts
    return np.concatenate([scaled, special])


def _numbers(column: Column) -> WeightedNumbers:
    known = column.summary.smallest
    if column.is_exact and known is not None and known.values is not None:
        values, weights = _floats(known.values), known.counts.astype(np.float64)
        is_finite = np.isfinite(values)
        values, weights = values[is_finite], weights[is_finite]
    else:
        values = _floats(column.sample.drop_null())
        values = values[np.isfinite(values)]
        weights = np.ones(len(values))
    found, which = np.unique(values, return_inverse=True)
    return WeightedNumbers(found, np.bincount(which, weights, len(found)).astype(np.float64))


def _floats(values: pa.Array) -> npt.NDArray[np.float64]:
    stored = physical_values(values) if len(values) else _NOTHING
    if stored is None:  # decimals of more than 64 bits
        return finite_numbers(values)
    scale = 10.0**values.type.scale if pa.types.is_decimal(values.type) else 1.0
    return stored.astype(np.float64) / scale


def _shown(value: float, kind: pa.DataType) -> str:
    if not pa.types.is_temporal(kind):
        return rounded(value)
    most = 2 ** (kind.bit_width - 1) - 1  # DuckDB's infinite times, which as floats are one more
    return str(shown_value(max(-most, min(int(value), most)), kind))


def _counted(before: Column, after: Column) -> tuple[Sequence[str], list[npt.NDArray[np.float64]]]:
    """Return the frequent texts of both versions and their counts; the rest are other values."""
    known = [_value_counts(column) for column in (before, after)]
    sizes = [max(1, sum(each.values())) for each in known]
    frequent = {
        value
        for column, each in zip((before, after), known, strict=True)
        for value, count in each.items()
        if column.is_exact or count >= _SEEN
    }

    def rank(value: Hashable) -> tuple[float, str]:
        return -max(each.get(value, 0) / size for each, size in zip(known, sizes, strict=True)), str(value)

    order = sorted(frequent, key=rank)[:MOST_CATEGORIES]
    counts = [[float(each.get(value, 0)) for value in order] for each in known]
    others = [float(sum(each.values())) - sum(some) for each, some in zip(known, counts, strict=True)]
    labels = [_label(value, before.kind) for value in order]
    return [*labels, _OTHERS], [np.array([*some, rest]) for some, rest in zip(counts, others, strict=True)]


def _label(value: Any, kind: pa.DataType) -> str:
    return str(shown_kept(pa.scalar(value), kind))


def _value_counts(column: Column) -> Mapping[Hashable, int]:
    known = column.summary.smallest
    if column.is_exact and known is not None and known.values is not None:
        values = known.values.to_pylist()
        if pa.types.is_boolean(column.kind):
            values = [bool(value) for value in values]
        return dict(zip(values, known.counts.tolist(), strict=True))
    counted = column.sample.drop_null().value_counts()
    return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
