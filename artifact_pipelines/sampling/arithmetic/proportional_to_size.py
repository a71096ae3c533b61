"""Inclusion probabilities proportional to size, from totals of one pass.

One idea: rows are certain from a size on, so the sum of the sizes and the n largest of them say which.

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

from artifact_pipelines.sampling.arithmetic.exact_sums import ExactSums

Floats = npt.NDArray[np.float64]

MANY = 30
APPROXIMATE = "With few {few} the probabilities may differ by a fifth from those stated; {exact}."
"""Note on a sample by sequential Poisson sampling of fewer than `MANY`."""


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


def proportional_to_size(n: int, total: Fraction, largest: Floats) -> ProportionalToSize:
    """Return the inclusion probabilities for n rows: rows become certain one by one, the largest first.

    Args:
        n: Rows to draw.
        total: Sum of all sizes.
        largest: The n largest sizes, or all if there are fewer.
    """
    rest, certain_from, certain = total, np.inf, 0
    for size in np.sort(largest)[::-1].tolist():
        if (n - certain) * Fraction(size) < rest or not size:
            break
        certain_from, certain, rest = size, certain + 1, rest - Fraction(size)
    return ProportionalToSize(certain_from, certain, float((n - certain) / rest) if rest else 0.0)


def probabilities_of(n: int, sizes: Floats) -> Floats:
    """Return the inclusion probabilities for n rows of a population that is in memory."""
    sums = ExactSums()
    sums.add(sizes)
    largest = sizes if len(sizes) <= n else np.partition(sizes, -n)[-n:]
    return proportional_to_size(n, sums.totals()[0], largest).probabilities(sizes)
