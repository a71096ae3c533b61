"""Distances between two distributions, and the chance of one as large.

Shares are those of the same categories or bins, in the same order, and add up to 1.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

Shares = npt.NDArray[np.float64]

FEWEST_EXPECTED = 5
"""Categories of which fewer are expected say nothing reliable about chance (Cochran 1954), so they are joined."""


@dataclasses.dataclass(frozen=True, slots=True)
class WeightedNumbers:
    """Finite numbers with weights.

    Attributes:
        values: (k,) in ascending order.
        weights: (k,) how often each occurs.
    """

    values: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]


def population_stability_index(before: Shares, after: Shares) -> float:
    """Return the PSI, 0 for equal shares; none of the shares may be 0.

    Source: Siddiqi, Credit Risk Scorecards, 2006, chapter 8: below 0.1 no change, above 0.25 a significant one.
    """
    return float(((after - before) * np.log(after / before)).sum())


def jensen_shannon(before: Shares, after: Shares) -> float:
    """Return the Jensen-Shannon distance, from 0 (equal) to 1 (no category in common).

    Source: Endres and Schindelin, IEEE Transactions on Information Theory 49, 2003; with logarithms to base 2.
    """
    middle = (before + after) / 2
    divergence = (_relative_entropy(before, middle) + _relative_entropy(after, middle)) / 2
    return math.sqrt(min(1.0, max(0.0, divergence)))


def total_variation(before: Shares, after: Shares) -> float:
    """Return the share of rows that would have to change their category, from 0 (equal) to 1."""
    return float(np.abs(after - before).sum() / 2)


def kolmogorov_smirnov(before: WeightedNumbers, after: WeightedNumbers) -> float:
    """Return the largest difference of the two distribution functions, from 0 (equal) to 1 (no overlap)."""
    _, left, right = _distribution_functions(before, after)
    return float(np.abs(left - right).max())


def wasserstein(before: WeightedNumbers, after: WeightedNumbers) -> float:
    """Return how far a value moves on average, in its unit; infinite if that is no float.

    Source: Vallender, Theory of Probability and its Applications 18, 1974.
    """
    values, left, right = _distribution_functions(before, after)
    with np.errstate(over="ignore"):
        return float((np.abs(left - right)[:-1] * np.diff(values)).sum())


def chi_square(before: Shares, after: Shares, rows_before: float, rows_after: float) -> tuple[float, int]:
    """Return the chi-square statistic of two independent samples, and its degrees of freedom.

    Categories of which fewer than five rows are expected in a sample count as one; if there are not two categories,
    the degrees of freedom are 0.

    Args:
        rows_before: Rows of the first sample.
        rows_after: Rows of the second sample.
    """
    pooled = (rows_before * before + rows_after * after) / (rows_before + rows_after)
    groups = join_rare(pooled * min(rows_before, rows_after))
    first, second, both = (np.bincount(groups, each) for each in (before, after, pooled))
    squares = ((first - both) ** 2 * rows_before + (second - both) ** 2 * rows_after) / both
    return float(squares.sum()), len(both) - 1


def join_rare(expected: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Return the group of each category, so that of every group at least five rows are expected.

    Rarer categories are one group; if that is too small, it joins the smallest of the others. A single group can be
    smaller than that.
    """
    is_rare = expected < FEWEST_EXPECTED
    groups = np.where(is_rare, 0, np.cumsum(~is_rare))
    if is_rare.any() and expected[is_rare].sum() < FEWEST_EXPECTED and not is_rare.all():
        groups[is_rare] = groups[~is_rare][np.argmin(expected[~is_rare])]
    return np.unique(groups, return_inverse=True)[1]


def chance_of(statistic: float, degrees: int) -> float:
    """Return the probability that a chi-square statistic is so large or larger; 1 without degrees of freedom.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.4.4 and 26.4.5.
    """
    if degrees == 0 or statistic <= 0:
        return 1.0
    half = statistic / 2
    start = 0.5 if degrees % 2 else 0.0
    first = math.erfc(math.sqrt(half)) if degrees % 2 else 0.0
    powers = (start + step for step in range(degrees // 2))
    terms = (math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers)
    return min(1.0, math.fsum([first, *terms]))


def _relative_entropy(shares: Shares, other: Shares) -> float:
    some = shares > 0
    return float((shares[some] * np.log2(shares[some] / other[some])).sum())


def _distribution_functions(before: WeightedNumbers, after: WeightedNumbers) -> tuple[Shares, Shares, Shares]:
    """Return all values in ascending order, and the share of each side that is at most so large."""
    values = np.union1d(before.values, after.values)
    left, right = (_share_up_to(values, side) for side in (before, after))
    return values, left, right


def _share_up_to(values: Shares, side: WeightedNumbers) -> Shares:
    sums = np.concatenate([[0.0], np.cumsum(side.weights)])
    found: Shares = sums[np.searchsorted(side.values, values, side="right")] / sums[-1]
    return found
