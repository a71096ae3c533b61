"""Clusters of rows: the rows whose values in some columns say the same.

One idea: a cluster has a permanent random number as a row has, that of its values. It is also its name here: of ten
million clusters two share a number once in a hundred thousand tables.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from artifact_pipelines.sampling.arithmetic.elementary import Floats, Numbers

_WORTH_A_MERGE = 2**20

Counts = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Clusters:
    """All clusters of a population, or those drawn, in the order of their numbers.

    Attributes:
        numbers: (clusters,) their permanent random numbers.
        sizes: (clusters,) their rows.
        probabilities: (clusters,) π; empty until they are drawn.
    """

    numbers: Numbers
    sizes: Counts
    probabilities: Floats = dataclasses.field(default_factory=lambda: np.empty(0))


class ClusterCounts:
    """Counts the rows of clusters, batch by batch.

    Attributes:
        bound: The n-th smallest number of all clusters so far; a cluster above it is not among the n smallest.
    """

    def __init__(self, n: int) -> None:
        self.bound = np.uint64(2**64 - 1)
        self._n = n
        self._smallest = np.empty(0, np.uint64)
        self._merged = Clusters(np.empty(0, np.uint64), np.empty(0, np.int64))
        self._pending: list[Clusters] = []

    def add(self, distinct: Clusters) -> None:
        """Add the clusters of some rows."""
        self._pending.append(distinct)
        near = distinct.numbers[distinct.numbers <= self.bound]
        smallest = np.sort(np.concatenate([self._smallest, near]), kind="stable")  # fast, as both are sorted
        self._smallest = smallest[_first_of_each(smallest)][: self._n]
        if len(self._smallest) == self._n:
            self.bound = self._smallest[-1]
        if sum(len(one.numbers) for one in self._pending) > max(len(self._merged.numbers), _WORTH_A_MERGE):
            self._merge()

    def clusters(self) -> Clusters:
        """Return all clusters."""
        self._merge()
        return self._merged

    def _merge(self) -> None:
        parts = [self._merged, *self._pending]
        numbers = np.concatenate([one.numbers for one in parts])
        order = np.argsort(numbers, kind="stable")  # fast, as the parts are sorted; np.unique is not
        first = _first_of_each(numbers[order])
        sizes = np.concatenate([one.sizes for one in parts])[order]
        total = np.add.reduceat(sizes, first) if len(first) else sizes
        self._merged, self._pending = Clusters(numbers[order][first], total), []


def _first_of_each(ordered: Numbers) -> npt.NDArray[np.intp]:
    """Return where each value begins in a sorted array."""
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(ordered)), np.bool_), ordered[1:] != ordered[:-1]]))


def _sorted(numbers: Numbers) -> Numbers:
    """Return uniform numbers in order: first by their first bits, with NumPy's radix sort, which leaves short runs."""
    by_first_bits = np.argsort((numbers >> np.uint64(48)).astype(np.uint16), kind="stable")
    return np.sort(numbers[by_first_bits], kind="stable")


def distinct_clusters(numbers: Numbers) -> Clusters:
    """Return the clusters of rows with these numbers, and how many of the rows each has."""
    ordered = _sorted(numbers)
    first = _first_of_each(ordered)
    return Clusters(ordered[first], np.diff(first, append=len(ordered)))


def rows_within(drawn: Clusters, numbers: Numbers) -> tuple[npt.NDArray[np.intp], Counts]:
    """Return the rows whose cluster is drawn, and the position of their cluster among the drawn ones.

    Most rows are ruled out by the first bits of their numbers, which is many times faster than a search.
    """
    if not len(drawn.numbers):
        return np.empty(0, np.intp), np.empty(0, np.int64)
    occurring = np.zeros(2**16, np.bool_)
    occurring[drawn.numbers >> np.uint64(48)] = True
    possible = np.flatnonzero(occurring[numbers >> np.uint64(48)])
    position = np.minimum(np.searchsorted(drawn.numbers, numbers[possible]), len(drawn.numbers) - 1)
    within = drawn.numbers[position] == numbers[possible]
    return possible[within], position[within]
