"""How many distinct values a column has, and how often each occurs.

The one idea: every value draws a number, and the 4,096 distinct values with the smallest numbers are kept, with the
exact count of each. While there are fewer, they are all distinct values. Later they are a random sample of them: the
largest of the numbers shows how dense they lie, and the counts how often a value repeats. A number above a limit that
only falls is dropped at once, so most values cost one comparison.

Source: Bar-Yossef et al., "Counting distinct elements in a data stream", RANDOM 2002 (the density); Gibbons, "Distinct
sampling for highly-accurate answers to distinct values queries", VLDB 2001 (the counts).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.tabular.random_numbers import Numbers

DISTINCT_LIMIT = 4096
"""Fewer distinct values are counted, more are estimated with a standard error of at most 1 / sqrt(4096) = 1.6 %."""

_SHOWN_BYTES = 128
"""Bytes kept of a longer text."""

_CLEARLY_FEWER = 0.5

Counts = npt.NDArray[np.int64]


class Limit:
    """The number above which a value of a column cannot be among the smallest; shared by threads, it only falls.

    A thread that misses another one's update keeps values that a merge drops.

    Attributes:
        most: How many numbers are kept.
    """

    def __init__(self, most: int = DISTINCT_LIMIT) -> None:
        self.most = most
        self.highest = np.uint64(2**64 - 1)
        self.is_reached = False

    def lower_to(self, number: np.uint64) -> None:
        """Lower the limit, if it is not lower."""
        self.highest = min(self.highest, number)
        self.is_reached = True

    def lower_to_last(self, found: "Smallest") -> None:
        """Lower the limit to the largest of the smallest numbers; there is none while they are all."""
        if not found.is_all:
            self.lower_to(found.numbers[-1])


@dataclasses.dataclass(frozen=True, slots=True)
class Smallest:
    """The distinct values with the smallest numbers.

    Attributes:
        numbers: (k,) in ascending order.
        counts: (k,) occurrences of each.
        most: How many are kept; as many or more are not all.
        values: (k,) the values, if they are all; None also where nobody asks for them.
    """

    numbers: Numbers
    counts: Counts
    most: int
    values: pa.Array | None

    @property
    def is_all(self) -> bool:
        """True if there are no other values."""
        return len(self.numbers) < self.most

    @property
    def distinct_count(self) -> int:
        """Return the number of distinct values; an estimate unless `is_all`."""
        if self.is_all:
            return len(self.numbers)
        return round((self.most - 1) * 2.0**64 / float(self.numbers[-1]))

    def distinct_of(self, count: int) -> int:
        """Return the distinct values among so many, by the better of two estimates unless `is_all`.

        Where counts vary less than their mean, values divided by the mean count is the better one; it is exact for
        values that never repeat.
        """
        if self.is_all or self.counts.std() >= self.counts.mean():
            return min(count, self.distinct_count)
        return round(count * len(self.counts) / int(self.counts.sum()))


class Collector:
    """Collects the smallest numbers of batches."""

    def __init__(self, limit: Limit, kind: pa.DataType | None) -> None:
        self._limit = limit
        values = None if kind is None else pa.array([], kind)
        self._held = [Smallest(np.empty(0, np.uint64), np.empty(0, np.int64), limit.most, values)]
        self._size = 0

    def add(self, numbers: Numbers, counts: Counts | None = None, values: pa.Array | None = None) -> None:
        """Add values: (n,) their numbers, occurrences (None: one each), and themselves."""
        if not self._limit.is_reached:
            self._guess_limit(numbers)
        if self._limit.is_reached:
            kept = np.flatnonzero(numbers <= self._limit.highest)
            if not len(kept):
                return
            numbers = numbers[kept]
            counts = None if counts is None else counts[kept]
            values = None
        counts = np.broadcast_to(np.int64(1), len(numbers)) if counts is None else counts
        self._held.append(Smallest(numbers, counts, self._limit.most, None if values is None else shortened(values)))
        self._size += len(numbers)
        if self._size > self._limit.most:
            self.finish()

    def _guess_limit(self, numbers: Numbers) -> None:
        """Lower the limit if enough different numbers lie in the range of twice as many: the rest is not sorted."""
        share = 2 * self._limit.most / max(1, len(numbers))
        if share < _CLEARLY_FEWER:
            guess = np.uint64(int(share * 2**64))
            low = np.sort(numbers[numbers <= guess])
            if np.count_nonzero(low[1:] != low[:-1]) >= self._limit.most:
                self._limit.lower_to(guess)

    def finish(self) -> Smallest:
        """Return the smallest numbers so far."""
        found = self._held[0] if len(self._held) == 1 else _merged(self._held)
        self._limit.lower_to_last(found)
        self._held, self._size = [found], len(found.numbers)
        return found


def merge_smallest(runs: Sequence[Smallest]) -> Smallest:
    """Return the smallest numbers of all runs, in any order of them."""
    known = [run for run in runs if len(run.numbers)]  # most columns of a wide table have one: it is not copied
    return _merged(known) if len(known) > 1 else next(iter(known), runs[0])


def _merged(runs: Sequence[Smallest]) -> Smallest:
    """Return the smallest numbers of all runs, each of which may have any order and repeat numbers."""
    numbers, counts = (np.concatenate(each) for each in zip(*((run.numbers, run.counts) for run in runs), strict=True))
    if not len(numbers):
        return runs[0]
    held = [run.values for run in runs if run.values is not None]
    values = pa.concat_arrays(held) if len(held) == len(runs) else None
    is_half_ordered = 2 * len(runs[0].numbers) >= len(numbers)
    order = np.argsort(numbers, kind="stable" if is_half_ordered else None)  # the stable sort merges ordered runs
    return _distinct(Smallest(numbers, counts, runs[0].most, values), order)


def _distinct(found: Smallest, order: npt.NDArray[np.intp]) -> Smallest:
    """Return the smallest distinct numbers of some, given their order, and their values if they are all."""
    ordered = found.numbers[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    stop = starts[found.most] if len(starts) > found.most else len(ordered)
    starts = starts[: found.most]
    values = found.values if len(starts) < found.most else None
    values = None if values is None else values.take(pa.array(order[starts]))
    return Smallest(ordered[starts], np.add.reduceat(found.counts[order[:stop]], starts), found.most, values)


def shortened(values: pa.Array) -> pa.Array:
    """Return values as they are kept: long binaries without their ends."""
    return pc.binary_slice(values, 0, _SHOWN_BYTES) if pa.types.is_large_binary(values.type) else values
