"""Bins that make categories of numbers, so that two distributions of them can be compared."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from artifact_pipelines.tabular.distances import WeightedNumbers

BINS = 10
"""Bins of numbers, each with as many rows of the baseline as the others."""

_MOST_NUMBERS = 20  # so few different numbers are not put into bins


@dataclasses.dataclass(frozen=True, slots=True)
class NumberBins:
    """Bins of finite numbers.

    Attributes:
        edges: (k,) in ascending order; a number that is an edge belongs to the bin below it.
        is_values: True: the edges are all numbers that occur, and each is a bin of its own.
    """

    edges: npt.NDArray[np.float64]
    is_values: bool

    @classmethod
    def of(cls, baseline: WeightedNumbers, other: WeightedNumbers) -> Self:
        """Return the bins for two distributions: their numbers if they are few, else those of the baseline's rows."""
        values = np.union1d(baseline.values, other.values)
        if len(values) <= _MOST_NUMBERS:
            return cls(values, is_values=True)
        known = baseline if len(baseline.values) else other
        sums = np.cumsum(known.weights)
        wanted = np.arange(1, BINS) * (sums[-1] / BINS)
        return cls(np.unique(known.values[np.searchsorted(sums, wanted)]), is_values=False)

    def __len__(self) -> int:
        """Return the number of bins."""
        return len(self.edges) + (not self.is_values)

    def place(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Return the bin of each value."""
        return np.searchsorted(self.edges, values)

    def count(self, numbers: WeightedNumbers) -> npt.NDArray[np.float64]:
        """Return the weight of each bin."""
        return np.bincount(self.place(numbers.values), numbers.weights, len(self)).astype(np.float64)

    def labels(self, shown: Callable[[float], str]) -> Sequence[str]:
        """Return the name of each bin.

        Args:
            shown: Returns a number as people read it.
        """
        edges = [shown(edge) for edge in self.edges.tolist()]
        if self.is_values:
            return edges
        between = [f"{low} to {high}" for low, high in itertools.pairwise(edges)]
        return [f"up to {edges[0]}", *between, f"above {edges[-1]}"]
