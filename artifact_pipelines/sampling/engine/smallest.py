"""The rows with the n smallest values: the rule behind every design of a fixed size.

One idea: of N uniform numbers, the n-th smallest is hardly ever above n / N and six standard deviations. So a pass
keeps only the rows below that, and the exact ones are found among the few that are kept.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.sampling.engine.rows import Batch, Mask, Ordinals, Rows
from artifact_pipelines.tabular.frame_chunks import take_rows

MOST_POSITIONS = 4_000_000  # a position that is kept costs up to 50 bytes
_OTHER_BITS = np.uint64(48)
_DEVIATIONS = 6
_MOST_KNOWN_BYTES = 64 << 20
_WIDER = 4

Values = npt.NDArray[Any]
"""(rows,) values to compare; those of equal value are taken by position."""


@dataclasses.dataclass(frozen=True)
class Kept:
    """Some rows, in the order of position.

    Attributes:
        values: (kept,) their values.
        ordinals: (kept,) their positions.
        known: (kept,) the columns that identify them; none if they are large, or positions identify rows.
    """

    values: Values
    ordinals: Ordinals
    known: pl.DataFrame = dataclasses.field(default_factory=pl.DataFrame)

    def at(self, rows: npt.NDArray[np.intp]) -> "Kept":
        """Return some of the rows."""
        return Kept(self.values[rows], self.ordinals[rows], self.known[rows] if self.known.width else self.known)


def share_to_keep(n: float, population_size: int) -> float:
    """Return a share of uniform numbers among which the n smallest are, but for one in a billion seeds."""
    return min(1.0, (n + _DEVIATIONS * math.sqrt(n) + _DEVIATIONS**2) / max(1, population_size))


def smallest_numbers(rows: Rows, n: int) -> Kept:
    """Return the n rows with the smallest permanent random numbers, or all if there are fewer, in order of position."""
    share = share_to_keep(n, rows.count)
    while True:
        kept = _below(rows, n, None if share >= 1 else np.uint64(2.0**64 * share))
        if len(kept.ordinals) >= n or share >= 1:
            return first_of(kept, n)
        share *= _WIDER


def rule_of_smallest_numbers(rows: Rows, n: int) -> Callable[[Batch], Mask]:
    """Return the same rows as a rule, for an n so large that their positions are too many to keep.

    One pass counts the numbers that begin with the same bits. Of those among which the n-th smallest is, which are few,
    another pass finds the rows.
    """
    beginning, below = _beginning_of_nth(rows, n)

    def of_beginning(batch: Batch) -> Kept:
        within = np.flatnonzero(batch.numbers >> _OTHER_BITS == beginning)
        return Kept(batch.numbers[within], batch.ordinals[within])

    last = first_of(_joined(list(rows.map(of_beginning))), n - below).ordinals

    def keep(batch: Batch) -> Mask:
        chosen: Mask = batch.numbers >> _OTHER_BITS < beginning
        chosen[np.isin(batch.ordinals, last[slice(*np.searchsorted(last, batch.span))])] = True
        return chosen

    return keep


def first_of(kept: Kept, n: int) -> Kept:
    """Return the n rows with the smallest values, in the order of position; of equal values, those that come first."""
    if len(kept.values) <= n:
        return kept
    if n == 0:
        return kept.at(np.empty(0, np.intp))
    limit = np.partition(kept.values, n - 1)[n - 1]
    below = kept.values < limit
    ties = np.flatnonzero(kept.values == limit)[: n - int(below.sum())]
    below[ties] = True
    return kept.at(np.flatnonzero(below))


def _below(rows: Rows, n: int, limit: np.uint64 | None) -> Kept:
    def keep(batch: Batch) -> Kept:
        below = np.arange(len(batch)) if limit is None else np.flatnonzero(batch.numbers < limit)
        is_small = batch.identifying.estimated_size() * n <= _MOST_KNOWN_BYTES * len(batch)
        known = take_rows(batch.identifying, below) if is_small else pl.DataFrame()
        return Kept(batch.numbers[below], batch.ordinals[below], known)

    return _joined(list(rows.map(keep)))


def _joined(found: Sequence[Kept]) -> Kept:
    known = [one.known for one in found]
    are_all_known = len({frame.width for frame in known}) == 1
    return Kept(
        np.concatenate([one.values for one in found]),
        np.concatenate([one.ordinals for one in found]),
        pl.concat(known) if are_all_known else pl.DataFrame(),
    )


def _beginning_of_nth(rows: Rows, n: int) -> tuple[np.uint64, int]:
    """Return with which bits the n-th smallest number begins, and how many numbers begin with smaller ones."""
    counts = np.zeros(2**16, np.int64)
    for found in rows.map(lambda batch: np.bincount((batch.numbers >> _OTHER_BITS).astype(np.intp), minlength=2**16)):
        counts += found
    reached = np.cumsum(counts)
    beginning = int(np.searchsorted(reached, n))
    return np.uint64(beginning), int(reached[beginning] - counts[beginning])
