"""Clusters of rows: the rows whose values in some columns say the same.

One idea: a cluster has a permanent random number as a row has, that of its values. It is also its name here: of ten
million clusters two share a number once in a hundred thousand tables.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.sampling.arithmetic.elementary import Floats, Numbers

_WORTH_A_MERGE = 2**20
_OTHER_BITS = np.uint64(48)
_PLACES = 2**16

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


@dataclasses.dataclass(frozen=True)
class Counted:
    """The rows of a batch.

    Attributes:
        places: (places,) rows of the clusters that have a place.
        others: The other clusters.
    """

    places: Counts
    others: Clusters


class ClusterCounts:
    """Counts the rows of clusters, batch by batch.

    The first cluster whose number begins with some 16 bits gets their place, where its rows are counted without being
    sorted.

    Attributes:
        bound: The n-th smallest number of all clusters so far; a cluster above it is not among the n smallest.
    """

    def __init__(self, n: int) -> None:
        self.bound = np.uint64(2**64 - 1)
        self._n = n
        self._smallest = np.empty(0, np.uint64)
        self._merged = Clusters(np.empty(0, np.uint64), np.empty(0, np.int64))
        self._pending: list[Clusters] = []
        self._places = np.arange(1, _PLACES + 1, dtype=np.uint64) << _OTHER_BITS  # a number of the next place: free
        self._rows = np.zeros(_PLACES, np.int64)

    def count(self, numbers: Numbers) -> Counted:
        """Count the rows of a batch, on any thread. A place that is taken meanwhile makes no difference."""
        place = _places_of(numbers)
        others = numbers[np.flatnonzero(self._places.take(place) != numbers)]
        rows = np.bincount(place, minlength=_PLACES) - np.bincount(_places_of(others), minlength=_PLACES)
        return Counted(rows, distinct_clusters(others))

    def add(self, counted: Counted) -> None:
        """Add the clusters of a batch."""
        self._rows += counted.places
        distinct = counted.others
        self._pending.append(distinct)
        self._give_places(distinct.numbers)
        near = distinct.numbers[distinct.numbers <= self.bound]
        smallest = np.sort(np.concatenate([self._smallest, near]), kind="stable")  # fast, as both are sorted
        self._smallest = smallest[_first_of_each(smallest)][: self._n]
        if len(self._smallest) == self._n:
            self.bound = self._smallest[-1]
        if sum(len(one.numbers) for one in self._pending) > max(len(self._merged.numbers), _WORTH_A_MERGE):
            self._merge()

    def clusters(self) -> Clusters:
        """Return all clusters."""
        used = self._rows > 0
        self._pending.append(Clusters(self._places[used], self._rows[used]))
        self._rows = np.zeros_like(self._rows)
        self._merge()
        return self._merged

    def _give_places(self, ordered: Numbers) -> None:
        place = _places_of(ordered)
        first = _first_of_each(place)
        free = first[_places_of(self._places[place[first]]) != place[first]]
        self._places[place[free]] = ordered[free]

    def _merge(self) -> None:
        parts = [self._merged, *self._pending]
        numbers = np.concatenate([one.numbers for one in parts])
        order = np.argsort(numbers, kind="stable")  # fast, as the parts are sorted; np.unique is not
        first = _first_of_each(numbers[order])
        sizes = np.concatenate([one.sizes for one in parts])[order]
        total = np.add.reduceat(sizes, first) if len(first) else sizes
        self._merged, self._pending = Clusters(numbers[order][first], total), []


def _places_of(numbers: Numbers) -> Counts:
    return (numbers >> _OTHER_BITS).view(np.int64)


def _first_of_each(ordered: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Return where each value begins in a sorted array."""
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(ordered)), np.bool_), ordered[1:] != ordered[:-1]]))


def distinct_clusters(numbers: Numbers) -> Clusters:
    """Return the clusters of rows with these numbers, and how many of the rows each has."""
    ordered = pl.Series(numbers).sort(multithreaded=False).to_numpy()  # in a third of NumPy's time
    first = _first_of_each(ordered)
    return Clusters(ordered[first], np.diff(first, append=len(ordered)))


def rows_within(drawn: Clusters, numbers: Numbers) -> tuple[npt.NDArray[np.intp], Counts]:
    """Return the rows whose cluster is drawn, and the position of their cluster among the drawn ones.

    Most rows are ruled out by the first bits of their numbers, which is many times faster than a search.
    """
    if not len(drawn.numbers):
        return np.empty(0, np.intp), np.empty(0, np.int64)
    occurring = np.zeros(_PLACES, np.bool_)
    occurring[_places_of(drawn.numbers)] = True
    possible = np.flatnonzero(occurring[_places_of(numbers)])
    position = np.minimum(np.searchsorted(drawn.numbers, numbers[possible]), len(drawn.numbers) - 1)
    within = drawn.numbers[position] == numbers[possible]
    return possible[within], position[within]
