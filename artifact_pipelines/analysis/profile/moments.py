"""Exact sums, and the spread and skew of numbers around their mean. Two runs of numbers merge.

The one idea: the total is an exact fraction, so the distance of two means is exact also where both are near 2**63.
Deviations are taken from a value of the batch, never from 0.
"""

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

_LARGE = 1e150  # its square is near the largest float
_SAFE = 2.0**-64

Numbers = npt.NDArray[Any]
Counts = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Moments:
    """Moments of some finite numbers.

    Attributes:
        total: Their exact sum; of floats, the sum of rounded sums of batches.
        squares: Sum of squared deviations from the mean.
        cubes: Sum of cubed deviations from the mean.
    """

    count: int = 0
    total: Fraction = Fraction(0)
    squares: float = 0.0
    cubes: float = 0.0

    @property
    def mean(self) -> float | None:
        """Return the mean, rounded once."""
        return _rounded(self.total / self.count) if self.count else None

    @property
    def standard_deviation(self) -> float | None:
        """Return the deviation with n - 1; None for fewer than two numbers."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else None

    @property
    def skewness(self) -> float | None:
        """Return the third standardized moment, m3 / m2**1.5; None for a constant."""
        scale = self.squares * math.sqrt(self.squares)
        return math.sqrt(self.count) * self.cubes / scale if 0 < scale < math.inf else None

    def scaled(self, divisor: int) -> "Moments":
        """Return the moments of the numbers divided by a number."""
        return Moments(self.count, self.total / divisor, self.squares / divisor**2, self.cubes / divisor**3)


def moments_of_integers(values: Numbers, counts: Counts | None, low: int, high: int) -> Moments:
    """Return the moments of at least one integer of 64 bits, with or without a sign.

    Args:
        values: (n,)
        counts: (n,) how often each occurs; None: once.
        low: The smallest.
        high: The largest.
    """
    above = (values - values.dtype.type(low)).view(np.uint64)  # what does not fit wraps around to the right number
    count = len(values) if counts is None else int(counts.sum())
    total = exact_sum(above, counts, count * (high - low))
    deviations = above.astype(np.float64)
    deviations -= total / count
    return _central(count, Fraction(low * count + total), deviations, counts)


def moments_of_floats(values: npt.NDArray[np.float64], counts: Counts | None = None) -> Moments:
    """Return the moments of at least one finite float.

    Args:
        values: (n,)
        counts: (n,) how often each occurs; None: once.
    """
    if max(float(values.max()), -float(values.min())) > _LARGE:
        small = moments_of_floats(values * _SAFE**4, counts)
        return Moments(small.count, small.total / Fraction(_SAFE) ** 4, math.inf if small.squares else 0.0, 0.0)
    first = float(values[0])
    deviations = values - first
    count = len(values) if counts is None else int(counts.sum())
    total = float(deviations.sum() if counts is None else (deviations * counts).sum())
    deviations -= total / count
    return _central(count, Fraction(first) * count + Fraction(total), deviations, counts)


def exact_sum(values: npt.NDArray[np.uint64], counts: Counts | None, most: int) -> int:
    """Return the sum of up to 2**32 integers without a sign.

    Args:
        values: (n,)
        counts: (n,) how often each occurs; None: once.
        most: A bound of the sum.
    """
    if most >= 2**64:
        low_halves, high_halves = values & np.uint64(2**32 - 1), values >> np.uint64(32)
        sums = [exact_sum(halves, counts, 0) for halves in (low_halves, high_halves)]
        return sums[0] + (sums[1] << 32)
    return int(values.sum() if counts is None else (values * counts.view(np.uint64)).sum())


def merge_moments(left: Moments, right: Moments) -> Moments:
    """Return the moments of two runs of numbers together.

    Source: Pébay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical
    moments", Sandia report SAND2008-6212, 2008.
    """
    if not left.count or not right.count:
        return left if left.count else right
    count = left.count + right.count
    step = _rounded(right.total / right.count - left.total / left.count)
    pairs = left.count * right.count / count
    squares = left.squares + right.squares + step * step * pairs
    skewed = 3 * step * (left.count * right.squares - right.count * left.squares) / count
    cubes = left.cubes + right.cubes + step * step * step * pairs * ((left.count - right.count) / count) + skewed
    return Moments(count, left.total + right.total, squares, cubes)


def _central(count: int, total: Fraction, deviations: npt.NDArray[np.float64], counts: Counts | None) -> Moments:
    squared = np.square(deviations)
    if counts is not None:
        squared *= counts
    squares = float(squared.sum())
    squared *= deviations
    return Moments(count, total, squares, float(squared.sum()))


def _rounded(exact: Fraction) -> float:
    return exact.numerator / exact.denominator
