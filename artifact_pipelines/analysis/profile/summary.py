"""The statistics of one column over some batches, and how two of them merge."""

import dataclasses
from typing import Any

from artifact_pipelines.analysis.profile.days import Days, merge_days
from artifact_pipelines.analysis.profile.distinct import Smallest, merge_smallest
from artifact_pipelines.analysis.profile.moments import Moments, merge_moments
from artifact_pipelines.analysis.profile.texts import Lengths


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
        days: The days of dates and moments; None if they are too many.
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
    days: Days | None = None


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
        days=merge_days(left.days, right.days),
    )


def _known(*values: Any) -> list[Any]:
    return [value for value in values if value is not None]
