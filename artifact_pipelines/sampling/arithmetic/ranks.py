"""Ranks: the rows with the n smallest are the sample.

One idea: a rank depends on the row's own number and size only, so a sample of unequal probabilities is as independent
of order, threads and other rows as a simple random one. Rows of equal size come in the order of their numbers.

u is within (0, 1); see `elementary.uniforms`.
"""

import numpy as np
import numpy.typing as npt

from artifact_pipelines.sampling.arithmetic.elementary import Numbers, log, one_minus_exp

Floats = npt.NDArray[np.float64]
LEAST_WEIGHT, LARGEST_WEIGHT = 1e-300, 1e300
SUCCESSIVE_SCALE = 2.0**22  # keeps the ranks of all these weights between the smallest and the largest float
_MORE = 1 + 1e-9  # than any rounding takes away
_NUMBERS = 2.0**64 * _MORE
_BITS_BELOW_U = 4096.0


def sequential_poisson_ranks(u: Floats, probabilities: Floats) -> Floats:
    """Return u / π; 0 for a certain row, infinity for a row with π = 0.

    The n smallest have inclusion probabilities near π, not equal to it: the difference falls with n.

    Source: Ohlsson, "Sequential Poisson sampling", Journal of Official Statistics 14 (2), 1998.
    """
    return _with_certain(ratio(u, probabilities), probabilities)


def pareto_ranks(u: Floats, probabilities: Floats) -> Floats:
    """Return (u / (1 - u)) / (π / (1 - π)); 0 for a certain row, infinity for a row with π = 0.

    The n smallest have inclusion probabilities nearer to π than those of any other ranks of this kind.

    Source: Rosén, "On sampling with probability proportional to size", Journal of Statistical Planning and Inference
    62 (2), 1997.
    """
    return _with_certain(ratio(u * (1 - probabilities), probabilities * (1 - u)), probabilities)


def successive_ranks(u: Floats, weights: Floats) -> Floats:
    """Return -log(1 - u) / w: the n smallest are drawn one after another, in proportion to their weights.

    It orders rows as u**(1/w) does, descending and with 1 - u for u, but does not run out of floats. Equal weights
    give the order of u itself. A row of weight 0 has the rank infinity.

    Source: Efraimidis and Spirakis, "Weighted random sampling with a reservoir", Information Processing Letters 97 (5),
    2006; Rosén, "Asymptotic theory for successive sampling with varying probabilities", 1972.
    """
    return ratio(-log(1 - u) * SUCCESSIVE_SCALE, weights)


def rows_in_reach(numbers: Numbers, sizes: Floats, bound: float) -> npt.NDArray[np.intp]:
    """Return the rows whose u / size may be at most a bound, with no division: all such rows, and few others.

    Sizes are finite and not negative.

    A successive rank is at least `SUCCESSIVE_SCALE` times that, because u < -log(1 - u).
    """
    if np.isinf(bound) or not len(sizes):
        return np.flatnonzero(sizes)
    factor = min(bound * _NUMBERS, 1e308)
    with np.errstate(over="ignore"):
        # Integers against one limit, that of the largest size, first: it is fast, and rules most rows out.
        highest = (float(sizes.max()) * factor + _BITS_BELOW_U) * _MORE
        possible = slice(None) if highest >= 2.0**64 else np.flatnonzero(numbers <= np.uint64(highest))
        limits = sizes[possible] * factor + _BITS_BELOW_U
        reached = (numbers[possible] <= limits) & (sizes[possible] > 0)
    return np.flatnonzero(reached) if isinstance(possible, slice) else possible[reached]


def successive_probabilities(weights: Floats, threshold: Floats | float) -> Floats:
    """Return P(rank < threshold) = 1 - exp(-w t), the inclusion probabilities given the ranks of all other rows.

    The share of samples that hold a row has no closed form in successive sampling, and is not proportional to w. Given
    the other rows, a row is drawn if its rank is below the n-th smallest of theirs, which for a drawn row is the
    (n + 1)-th smallest of all. Totals weighted by 1 / P are unbiased, and so are those of any part of the rows.

    Args:
        weights: Of the drawn rows.
        threshold: The (n + 1)-th smallest rank; infinity if all rows are drawn.

    Source: Duffield, Lund, Thorup, "Priority sampling for estimation of arbitrary subset sums", Journal of the ACM
    54 (6), 2007; Cohen and Kaplan, "Tighter estimation using bottom-k sketches", VLDB 2008 (rank conditioning).
    """
    return one_minus_exp(weights * (threshold / SUCCESSIVE_SCALE))


def ratio(numerators: Floats, denominators: Floats) -> Floats:
    """Return quotients, which are infinite for a denominator of 0."""
    with np.errstate(divide="ignore", over="ignore"):
        return numerators / denominators


def _with_certain(ranks: Floats, probabilities: Floats) -> Floats:
    return np.where(probabilities >= 1, 0.0, ranks)
