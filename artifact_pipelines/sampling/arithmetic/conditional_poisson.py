"""Conditional Poisson sampling: n rows with exactly the inclusion probabilities that are asked for.

One idea: draw each row on its own with a working probability p, and take the first draw that has n rows. Of all
designs with these inclusion probabilities and this size it is the one of largest entropy.

S is the size of a draw; its probabilities, also without some rows, come from its characteristic function, in about
10 sqrt(n) points. All rows are in memory: `LARGEST_POPULATION` is the limit.

Sources: Hájek, "Asymptotic theory of rejective sampling", 1964; Chen, Dempster, Liu, "Weighted finite population
sampling to maximize entropy", Biometrika 81 (3), 1994; Tillé, Sampling Algorithms, 2006, chapter 5; Hong, "On computing
the distribution function for the Poisson binomial distribution", 2013 (characteristic function).
"""

import cmath
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from artifact_pipelines.sampling.arithmetic.elementary import Numbers, remixed, uniforms

LARGEST_POPULATION = 100_000
_TOLERANCE = 1e-12
_MOST_ROUNDS = 200

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]
Chosen = npt.NDArray[np.bool_]


def draw_conditional_poisson(numbers: Numbers, working: Floats, n: int) -> Chosen:
    """Return which rows are drawn: the first of independent Poisson samples that has n rows.

    The first sample uses the permanent random numbers themselves, the next ones numbers made from them. About one in
    2.5 sqrt(sum of p (1 - p)) has n rows.

    Args:
        numbers: (N,) permanent random numbers.
        working: (N,) `working_probabilities`.
        n: Rows to draw.
    """
    attempt = 0
    while True:
        chosen = uniforms(remixed(numbers, attempt)) < working
        if np.count_nonzero(chosen) == n:
            return chosen
        attempt += 1


def working_probabilities(probabilities: Floats) -> Floats:
    """Return p, with the same sum, whose Poisson samples of that size have the given inclusion probabilities.

    Each round moves log(p / (1 - p)) by the difference of log(π / (1 - π)) that remains, and somewhat less if few rows
    are uncertain, because each then moves the others.

    Args:
        probabilities: (N,) π in [0, 1], whose sum is a whole number; rows with 0 and 1 keep them.
    """
    free = (probabilities > 0) & (probabilities < 1)
    target = probabilities[free]
    size = round(float(target.sum()))
    odds = target / (1 - target)
    for _ in range(_MOST_ROUNDS):
        p = odds / (1 + odds)
        found = inclusion_probabilities(p, size)
        if np.abs(found - target).max(initial=0.0) < _TOLERANCE:
            break
        spread = float((p * (1 - p)).sum())
        odds = odds * (target / (1 - target) * (1 - found) / found) ** (2 / (2 + 1 / (1 + spread)))
        odds = _with_sum(odds, size)
    result = probabilities.copy()
    result[free] = odds / (1 + odds)
    return result


def inclusion_probabilities(working: Floats, n: int) -> Floats:
    """Return P(row is drawn | S = n) = p P(S without it = n - 1) / P(S = n), for working probabilities in (0, 1)."""
    of_size, without = 0.0, np.zeros_like(working)
    for z, weight, factors in _points(working):
        product = weight * complex(np.prod(factors))
        of_size += (product * z**-n).real
        without += (product * z ** (1 - n) / factors).real
    return working * without / of_size


def joint_inclusion_probabilities(working: Floats, n: int) -> Floats:
    """Return the (N, N) matrix of P(both rows are drawn | S = n), with the inclusion probabilities on its diagonal."""
    of_size, without = 0.0, np.zeros((len(working), len(working)))
    for z, weight, factors in _points(working):
        product = weight * complex(np.prod(factors))
        of_size += (product * z**-n).real
        without += (product * z ** (2 - n) * np.outer(1 / factors, 1 / factors)).real
    joint = np.outer(working, working) * without / of_size
    np.fill_diagonal(joint, inclusion_probabilities(working, n))
    return joint


def _points(working: Floats) -> Iterator[tuple[complex, float, Complexes]]:
    """Yield roots of unity z, their weights and each row's 1 - p + p z, whose product is the characteristic function.

    The number of points keeps sizes that differ by it apart: by Bernstein's inequality the others have a probability
    below 1e-20. It is odd, so that no factor is 0. Conjugate points are taken once.
    """
    spread = float((working * (1 - working)).sum())
    points = min(len(working) + 3, math.ceil(16 + math.sqrt(235 + 92 * spread))) | 1
    for point in range((points + 1) // 2):
        z = cmath.exp(2j * cmath.pi * point / points)
        yield z, 1.0 if point == 0 else 2.0, 1 - working + working * z


def _with_sum(odds: Floats, size: int) -> Floats:
    """Return the odds multiplied so that their probabilities add up to nearly the size: one step of Newton's method."""
    p = odds / (1 + odds)
    return odds * math.exp((size - p.sum()) / (p * (1 - p)).sum())
