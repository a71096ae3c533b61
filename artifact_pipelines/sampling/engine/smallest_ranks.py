"""The rows with the n smallest ranks, in one pass that knows nothing of the ranks beforehand.

One idea: the n-th smallest rank so far is a bound for all rows that follow. Threads read it as they go: an old bound
lets more rows through, never fewer, so the result does not depend on them.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from artifact_pipelines.sampling.arithmetic.elementary import Floats, Numbers
from artifact_pipelines.sampling.engine.rows import Ordinals

_FEWEST = 2**15  # rows that are worth a cut


@dataclasses.dataclass(frozen=True)
class Ranked:
    """Some rows with their ranks.

    Attributes:
        ranks: (rows,) smaller ones are drawn first.
        numbers: (rows,) permanent random numbers: of equal ranks the smaller number is drawn first, then the earlier
            row.
        ordinals: (rows,) positions.
        sizes: (rows,) what the ranks are made from.
    """

    ranks: Floats
    numbers: Numbers
    ordinals: Ordinals
    sizes: Floats

    def at(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Ranked":
        """Return some of the rows."""
        return Ranked(self.ranks[rows], self.numbers[rows], self.ordinals[rows], self.sizes[rows])

    def smallest(self, n: int) -> "Ranked":
        """Return the n rows with the smallest ranks, or all if there are fewer, in the order that they stand in."""
        if len(self) <= n:
            return self
        if n <= 0:
            return self.at(np.empty(0, np.intp))
        limit = np.partition(self.ranks, n - 1)[n - 1]
        chosen = self.ranks < limit
        ties = np.flatnonzero(self.ranks == limit)
        first = np.lexsort((self.ordinals[ties], self.numbers[ties]))[: n - np.count_nonzero(chosen)]
        chosen[ties[first]] = True
        return self.at(chosen)

    def ordered(self) -> "Ranked":
        """Return all rows, the smallest first."""
        return self.at(np.lexsort((self.ordinals, self.numbers, self.ranks)))

    def by_position(self) -> "Ranked":
        """Return all rows in the order of the table."""
        is_sorted = bool((self.ordinals[1:] > self.ordinals[:-1]).all())
        return self if is_sorted else self.at(np.argsort(self.ordinals))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ranks)


class SmallestRanks:
    """Collects the n smallest.

    Attributes:
        bound: No row of a higher rank can be among them.
    """

    def __init__(self, n: int, bound: float = np.inf) -> None:
        """Collect n rows, but none above a bound."""
        self.bound = bound
        self._n = n
        self._found: list[Ranked] = []
        self._count = 0

    def add(self, found: Ranked) -> None:
        """Add some rows."""
        self._found.append(found)
        self._count += len(found)
        if self._count >= self._n + max(self._n // 2, _FEWEST):
            every = self._released()
            self.bound = float(np.partition(every.ranks, self._n - 1)[self._n - 1])
            self._found = [every.at(every.ranks <= self.bound)]
            self._count = len(self._found[0])

    def smallest(self) -> Ranked:
        """Return the n rows with the smallest ranks, or all if there are fewer, in the order of adding; only once."""
        return self._released().smallest(self._n)

    def _released(self) -> Ranked:
        """Return all rows, and hold them no longer."""
        found, self._found = self._found, []
        return together(found)


def together(found: list[Ranked]) -> Ranked:
    """Return the rows of several."""
    empty = Ranked(np.empty(0), np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0))
    all_of = [empty, *found]
    return Ranked(
        np.concatenate([one.ranks for one in all_of]),
        np.concatenate([one.numbers for one in all_of]),
        np.concatenate([one.ordinals for one in all_of]),
        np.concatenate([one.sizes for one in all_of]),
    )
