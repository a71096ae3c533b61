"""Inclusion probabilities proportional to size, from totals of one pass.

One idea: rows are certain from a size on, so a pass needs to keep only the sum of the sizes and the n largest.

    size                x of a row, finite and not negative; a row of size 0 is never drawn
    certain row         its π would be 1 or more: it is drawn whatever its number, and the others share the rest
    π                   1, or (n - C) x / (X - X_C) for C certain rows with the sum X_C

Source: Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 3.6; Tillé, Sampling Algorithms, 2006,
section 2.10.
"""

import dataclasses
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from artifact_pipelines.sampling.exact_sums import ExactSums

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class ProportionalToSize:
    """The rule that gives each row its inclusion probability.

    Attributes:
        certain_from: Rows of this size and more are certain; infinity: none is.
        certain: How many they are.
        factor: π of a row of size 1 that is not certain.
    """

    certain_from: float
    certain: int
    factor: float

    def probabilities(self, sizes: Floats) -> Floats:
        """Return π of rows of these sizes."""
        shared = np.minimum(sizes * self.factor, np.nextafter(1.0, 0.0))
        return np.where(sizes >= self.certain_from, 1.0, shared)


class SizeTotals:
    """The sum of all sizes and the n largest, batch by batch.

    Attributes:
        positive: Rows with a size above 0.
    """

    def __init__(self, n: int) -> None:
        self.positive = 0
        self._n = n
        self._sums = ExactSums()
        self._largest = np.empty(0)

    def add(self, sizes: Floats) -> None:
        """Add a batch of sizes."""
        self.positive += int(np.count_nonzero(sizes))
        self._sums.add(sizes)
        self._keep(sizes)

    def merge(self, other: "SizeTotals") -> None:
        """Add the totals of other batches."""
        self.positive += other.positive
        self._sums.merge(other._sums)
        self._keep(other._largest)

    @property
    def total(self) -> Fraction:
        """Return the sum of all sizes."""
        return self._sums.totals()[0]

    def rule(self) -> ProportionalToSize:
        """Return the inclusion probabilities for n rows: rows become certain one by one, the largest first."""
        rest, certain_from, certain = self.total, np.inf, 0
        for size in np.sort(self._largest)[::-1].tolist():
            if (self._n - certain) * Fraction(size) < rest:
                break
            certain_from, certain, rest = size, certain + 1, rest - Fraction(size)
        return ProportionalToSize(certain_from, certain, float((self._n - certain) / rest) if rest else 0.0)

    def _keep(self, sizes: Floats) -> None:
        full = len(self._largest) >= self._n
        self._largest = np.concatenate([self._largest, sizes[sizes > (self._largest.min() if full else 0)]])
        if len(self._largest) > self._n:
            self._largest = np.partition(self._largest, -self._n)[-self._n :]
