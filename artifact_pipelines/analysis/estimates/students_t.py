"""Quantiles of the normal distribution and of Student's t, without a library of statistics."""

import functools
import math
from statistics import NormalDist

_NORMAL_FROM = 10_000_000


@functools.lru_cache(maxsize=10_000)
def t_quantile(probability: float, degrees_of_freedom: float) -> float:
    """Return the quantile of Student's t, to 10 digits.

    Args:
        probability: Above 0.5 and below 1.
        degrees_of_freedom: At least 1; many give the normal quantile.
    """
    t = NormalDist().inv_cdf(probability)
    if degrees_of_freedom >= _NORMAL_FROM:
        return t
    for _ in range(200):  # Newton's steps from the left: the tail is convex, so none goes too far
        step = (_upper_tail(t, degrees_of_freedom) - (1 - probability)) / _density(t, degrees_of_freedom)
        t += step
        if abs(step) <= 1e-13 * t:
            break
    return t


def _density(t: float, degrees_of_freedom: float) -> float:
    half = degrees_of_freedom / 2
    front = math.exp(math.lgamma(half + 0.5) - math.lgamma(half)) / math.sqrt(math.pi * degrees_of_freedom)
    return front * math.exp(-(half + 0.5) * math.log1p(t * t / degrees_of_freedom))


def _upper_tail(t: float, degrees_of_freedom: float) -> float:
    """Return the probability of more than t, for t > 0: half the incomplete beta function."""
    x = degrees_of_freedom / (degrees_of_freedom + t * t)
    a, b = degrees_of_freedom / 2, 0.5
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a / 2
    return (1 - front * _fraction(1 - x, b, a) / b) / 2


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function.

    Source:
        Abramowitz and Stegun, Handbook of Mathematical Functions, 1972, 26.5.8, evaluated by the method of Lentz.
    """
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, 10_000):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            c, d = 1 + step / c, 1 / (1 + step * d)
            found *= c * d
        if abs(c * d - 1) < 1e-15:
            return found
    return found
