"""Sizes of a stratified sample: n rows over strata.

One idea: rows are given one after another, each to the stratum that has the strongest claim. So the sizes are integers
that add up to n exactly, limits of strata are obeyed on the way, and a larger n only adds rows: samples nest. (Rounding
by largest remainders does not nest: a larger n can take a row from a stratum, the Alabama paradox.)

The claim of a stratum with share a that has k rows already:
    webster                a / (k + 1/2): each size is n a / sum(a), rounded to the nearest whole number
    equal_proportions      a / sqrt(k (k + 1)): with a = N S no other sizes give a smaller variance

Sources: Balinski and Young, Fair Representation, 1982 (divisor methods, and that only they nest); Wright, "The
equivalence of Neyman optimum allocation for sampling and equal proportions for apportioning the U.S. House of
Representatives", The American Statistician 66 (4), 2012.
"""

import dataclasses
import decimal
import heapq
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from artifact_pipelines.core.exceptions import InvalidArgumentError

_MARGIN = 1e-9  # more than the rounding of floats, so that `_start` gives no row too many

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Rounding:
    """A method of divisors.

    Attributes:
        signpost_squared: The square of the divisor of a stratum that has k rows.
        counts: How many rows have a claim above 1, for real-valued sizes x.
        least: Rows that each stratum has at least.
    """

    signpost_squared: Callable[[int], Fraction]
    counts: Callable[[Floats], Floats]
    least: int


WEBSTER = Rounding(lambda k: Fraction((2 * k + 1) ** 2, 4), lambda x: np.floor(x + 0.5), least=0)
EQUAL_PROPORTIONS = Rounding(
    lambda k: Fraction(k * (k + 1)),
    lambda x: np.floor(x) + (x * x >= np.floor(x) * (np.floor(x) + 1)),
    least=1,
)


@dataclasses.dataclass(frozen=True)
class Limits:
    """How many rows each stratum may have, whatever its share.

    Attributes:
        least: The minimum, or the whole stratum if it is smaller.
        most: The maximum; None: the whole stratum.
    """

    least: int = 0
    most: int | None = None


ANY_SIZE = Limits()


def allocate(
    n: int,
    shares: Sequence[Fraction],
    sizes: Sequence[int],
    limits: Limits = ANY_SIZE,
    rounding: Rounding = WEBSTER,
) -> list[int]:
    """Return n_h of each stratum: as near to n a_h / sum(a) as the limits allow, with sum n.

    Rows that a full stratum cannot take go to the others. If all strata are full, the sum is less than n. Strata
    without a share get rows beyond their minimum only when all others are full, in proportion to their sizes. Of equal
    claims the larger stratum's wins, then that of the earlier stratum.

    Args:
        n: Rows in all.
        shares: a_h >= 0 of each stratum, at any scale.
        sizes: N_h of each stratum.
        limits: The minimum and maximum of a stratum.
        rounding: `WEBSTER` or `EQUAL_PROPORTIONS`.

    Raises:
        InvalidArgumentError: The minima of all strata together are more than n.
    """
    most = [size if limits.most is None else min(size, limits.most) for size in sizes]
    least = [min(max(limits.least, rounding.least), cap) for cap in most]
    if sum(least) > n:
        expected = f"at least {sum(least)}, the minima of all {len(sizes)} strata"
        raise InvalidArgumentError("n", n, expected)
    given = _distribute(n, shares, sizes, (least, most), rounding)
    if sum(given) == min(n, sum(most)):
        return given
    without_share = [Fraction(0 if share else size) for share, size in zip(shares, sizes, strict=True)]
    return _distribute(n, without_share, sizes, (given, most), rounding)


def _distribute(
    n: int,
    shares: Sequence[Fraction],
    sizes: Sequence[int],
    bounds: tuple[Sequence[int], Sequence[int]],
    rounding: Rounding,
) -> list[int]:
    given = _start(n, shares, bounds, rounding)
    most = bounds[1]

    def claim(stratum: int) -> tuple[Fraction, int, int]:
        signpost = rounding.signpost_squared(given[stratum])
        strength = shares[stratum] ** 2 / signpost if signpost else Fraction(2) ** 2000 * shares[stratum]
        return -strength, -sizes[stratum], stratum

    claims = [claim(stratum) for stratum, share in enumerate(shares) if share and given[stratum] < most[stratum]]
    heapq.heapify(claims)
    for _ in range(n - sum(given)):
        if not claims:
            break
        *_, stratum = heapq.heappop(claims)
        given[stratum] += 1
        if given[stratum] < most[stratum]:
            heapq.heappush(claims, claim(stratum))
    return given


def _start(
    n: int, shares: Sequence[Fraction], bounds: tuple[Sequence[int], Sequence[int]], rounding: Rounding
) -> list[int]:
    """Return rows that the strata get for certain, so that few remain to be given one by one."""
    scale = max(shares, default=Fraction(0))
    if not scale:
        return list(bounds[0])
    share = np.array([float(one / scale) for one in shares])
    least, most = (np.array(bound, dtype=np.float64) for bound in bounds)

    def given(multiplier: float) -> Floats:
        return np.clip(rounding.counts(multiplier * share), least, most)

    low, high = 0.0, 4.0 * (n + 1) * max(1.0, 1 / share[share > 0].min())
    while high - low > high * _MARGIN / 2:
        middle = (low + high) / 2
        low, high = (middle, high) if given(middle).sum() <= n else (low, middle)
    return [int(one) for one in given(low * (1 - _MARGIN))]


def power_shares(sizes: Sequence[int], power: float) -> list[Fraction]:
    """Return N_h ** power: 1 is proportional, 0 equal, and between them small strata get more than their share.

    Decimal arithmetic gives the same digits on every machine, which `**` of floats does not.

    Source: Bankier, "Power allocations: determining sample sizes for subnational areas", The American Statistician
    42 (3), 1988, with the size as its measure of importance and one coefficient of variation for all strata.
    """
    exponent = decimal.Decimal(str(power))
    return [Fraction(decimal.Decimal(size) ** exponent) if size else Fraction(0) for size in sizes]


def neyman_shares(
    sizes: Sequence[int], sums: Sequence[Fraction], sums_of_squares: Sequence[Fraction]
) -> list[Fraction]:
    """Return N_h S_h, S_h**2 = sum (y - mean)**2 / (N_h - 1); a stratum of one row has S_h = 0.

    Args:
        sizes: N_h, the rows with a value.
        sums: Sum of the values of each stratum.
        sums_of_squares: Sum of their squares.

    Source: Neyman, "On the two different aspects of the representative method", 1934; Cochran, Sampling Techniques,
    3rd edition, 1977, section 5.5.
    """
    variances = [
        (squares - total * total / size) / (size - 1) if size > 1 else Fraction(0)
        for size, total, squares in zip(sizes, sums, sums_of_squares, strict=True)
    ]
    return [size * Fraction(math.sqrt(variance)) for size, variance in zip(sizes, variances, strict=True)]
