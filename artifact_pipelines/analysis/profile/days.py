"""The days on which a column of dates or moments has values, and the gaps between them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact_pipelines.analysis.profile.shown import shown_value

MOST_DAYS = 40_000
"""More different days, 110 years without a gap, are not kept."""

Days = npt.NDArray[np.int64]
"""(n,) different days since 1970, in UTC, in ascending order."""

NO_DAYS: Days = np.empty(0, np.int64)
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_DENSE = 1 << 16


def has_days(kind: pa.DataType) -> bool:
    """True if values of a type are dates or moments."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def finite_times(times: npt.NDArray[np.int64], kind: pa.DataType) -> npt.NDArray[np.int64]:
    """Return times without DuckDB's infinite ones, which are the largest number of the type and its negative."""
    infinite = 2 ** (kind.bit_width - 1) - 1
    if not len(times) or max(int(times.max()), -int(times.min())) < infinite:
        return times
    finite: npt.NDArray[np.int64] = times[np.abs(times) != infinite]
    return finite


def days_of(times: npt.NDArray[np.int64], kind: pa.DataType) -> Days | None:
    """Return the days of dates or moments, without DuckDB's infinite ones; None if there are too many.

    Args:
        times: (n,) as they are stored.
        kind: Their type.
    """
    times = finite_times(times, kind)
    days = times if pa.types.is_date32(kind) else times // _PER_DAY["ms" if pa.types.is_date64(kind) else kind.unit]
    if not len(days):
        return NO_DAYS
    first, last = int(days.min()), int(days.max())
    if last - first >= _DENSE:
        return _bounded(_ordered(days))
    is_present = np.zeros(last - first + 1, np.bool_)
    is_present[days - first] = True
    return _bounded(np.flatnonzero(is_present) + first)


def merge_days(left: Days | None, right: Days | None) -> Days | None:
    """Return the days of both."""
    if left is None or right is None:
        return None
    if not len(left) or not len(right) or np.array_equal(left, right):
        return left if len(left) else right
    return _bounded(_ordered(np.concatenate([left, right])))


def gaps_of(days: Days | None) -> dict[str, Any]:
    """Return the statistics of days."""
    if days is None or not len(days):
        return {}
    gaps = np.diff(days) - 1
    longest = int(gaps.argmax()) if gaps.any() else None
    return {
        "day_count": len(days),
        "missing_days": int(gaps.sum()),
        "longest_gap_days": 0 if longest is None else int(gaps[longest]),
        "longest_gap_start": None if longest is None else shown_value(int(days[longest]) + 1, pa.date32()),
    }


def _ordered(days: Days) -> Days:
    """Return different days in order; `np.unique` hashes them first, which takes several times as long."""
    ordered = np.sort(days)
    found: Days = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return found


def _bounded(days: Days) -> Days | None:
    return days if len(days) <= MOST_DAYS else None
