import itertools
import math
import random
from collections.abc import Sequence
from fractions import Fraction

import pytest

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.arithmetic.allocation import (
    EQUAL_PROPORTIONS,
    WEBSTER,
    Limits,
    Rounding,
    allocate,
    neyman_shares,
    power_shares,
)


def fractions(values: Sequence[float]) -> list[Fraction]:
    return [Fraction(value) for value in values]


def one_by_one(n: int, shares: Sequence[Fraction], sizes: Sequence[int], limits: Limits, by: Rounding) -> list[int]:
    """Give every single row to the strongest claim: the definition, without the start that saves time."""
    most = [size if limits.most is None else min(size, limits.most) for size in sizes]
    given = [min(max(limits.least, by.least), cap) for cap in most]
    while sum(given) < min(n, sum(most)):
        claims = [
            (share**2 / by.signpost_squared(given[stratum]), sizes[stratum], -stratum)
            for stratum, share in enumerate(shares)
            if given[stratum] < most[stratum]
        ]
        given[-max(claims)[2]] += 1
    return given


def test_proportional_example_of_lohr() -> None:
    """Counties of the Census of Agriculture by region: Lohr, Sampling: Design and Analysis, 2010, example 3.2."""
    sizes = [220, 1054, 1382, 422]
    assert allocate(300, fractions(sizes), sizes) == [21, 103, 135, 41]


def test_neyman_example_of_cochran() -> None:
    """64 large cities in two strata: Cochran, Sampling Techniques, 1977, table 5.1; the optimum is n1 = n2 = 12."""
    sizes = [16, 48]
    shares = [16 * Fraction(math.sqrt(53_843)), 48 * Fraction(math.sqrt(5_581))]
    assert allocate(24, shares, sizes, rounding=EQUAL_PROPORTIONS) == [12, 12]
    assert allocate(24, fractions(sizes), sizes) == [6, 18]


@pytest.mark.parametrize("shares", [[3, 5, 9], [1, 1, 7], [20, 1, 2]])
def test_no_other_sizes_have_a_smaller_variance(shares: list[int]) -> None:
    """The claim of Wright, The American Statistician 66 (4), 2012, against all possible sizes."""

    def variance(given: Sequence[int]) -> Fraction:
        return sum((Fraction(share**2, size) for share, size in zip(shares, given, strict=True)), Fraction(0))

    for n in range(3, 20):
        best = min(variance(given) for given in itertools.product(range(1, n), repeat=3) if sum(given) == n)
        assert variance(allocate(n, fractions(shares), [100] * 3, rounding=EQUAL_PROPORTIONS)) == best


@pytest.mark.parametrize("rounding", [WEBSTER, EQUAL_PROPORTIONS])
def test_sizes_are_those_of_giving_each_row_to_the_strongest_claim(rounding: Rounding) -> None:
    dice = random.Random(5)
    for _ in range(60):
        sizes = [dice.randint(1, 40) for _ in range(dice.randint(1, 7))]
        shares = fractions([dice.choice([1, 3, 2.5, 0.1, 100]) * size for size in sizes])
        limits = Limits(dice.randint(0, 2), dice.choice([None, 2, 10]))
        n = dice.randint(3 * len(sizes), 100)
        assert allocate(n, shares, sizes, limits, rounding) == one_by_one(n, shares, sizes, limits, rounding)


@pytest.mark.parametrize("rounding", [WEBSTER, EQUAL_PROPORTIONS])
def test_sizes_sum_to_n_keep_their_limits_and_nest(rounding: Rounding) -> None:
    sizes, limits = [1, 2, 3, 50, 400, 7, 7, 7], Limits(least=1, most=60)
    before = [0] * len(sizes)
    for n in range(8, 200):
        given = allocate(n, fractions([size * 1.7 for size in sizes]), sizes, limits, rounding)
        assert sum(given) == min(n, 137)
        assert all(min(1, size) <= one <= min(60, size) for one, size in zip(given, sizes, strict=True))
        assert all(now >= then for now, then in zip(given, before, strict=True))
        before = given


def test_largest_remainders_would_not_nest() -> None:
    """The Alabama paradox: by largest remainders the third stratum would have 2 rows of 10, but 1 of 11."""
    shares = fractions([6, 6, 2])
    for_10, for_11 = (allocate(n, shares, [100] * 3) for n in (10, 11))
    assert all(now >= then for now, then in zip(for_11, for_10, strict=True))
    assert [math.floor(n * 2 / 14) + (n * 2 / 14 % 1 > n * 6 / 14 % 1) for n in (10, 11)] == [2, 1]


def test_rows_that_a_full_stratum_cannot_take_go_to_the_others() -> None:
    assert allocate(30, fractions([1, 1, 1]), [4, 100, 100]) == [4, 13, 13]


def test_all_rows_are_drawn_if_there_are_fewer_than_asked_for() -> None:
    assert allocate(30, fractions([1, 1]), [4, 5]) == [4, 5]


def test_strata_without_a_share_come_last() -> None:
    assert allocate(8, fractions([0, 9, 0]), [10, 10, 30]) == [0, 8, 0]
    assert allocate(14, fractions([0, 9, 0]), [10, 10, 30]) == [1, 10, 3]
    assert allocate(8, fractions([0, 9, 0]), [10, 10, 30], rounding=EQUAL_PROPORTIONS) == [1, 6, 1]


def test_equal_claims_go_to_the_larger_and_then_to_the_earlier_stratum() -> None:
    assert allocate(1, fractions([1, 1, 1]), [5, 6, 6]) == [0, 1, 0]


def test_a_billion_rows_are_allocated_at_once() -> None:
    sizes = [10**9, 3 * 10**9, 7]
    assert allocate(10**9, fractions(sizes), sizes) == [249_999_999, 749_999_999, 2]


def test_minima_beyond_n_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="n must be at least 6, the minima of all 3 strata, not 5"):
        allocate(5, fractions([1, 1, 1]), [9, 9, 9], Limits(least=2))


def test_no_strata_have_no_rows() -> None:
    assert allocate(5, [], []) == []


def test_power_is_between_equal_and_proportional() -> None:
    """Square roots of 100 and 900 are as 1 to 3."""
    sizes = [100, 900]
    assert [allocate(40, power_shares(sizes, power), sizes) for power in (0, 0.5, 1)] == [[20, 20], [10, 30], [4, 36]]
    assert power_shares([0, 4], 0.5) == [0, 2]


def test_neyman_shares_are_size_times_standard_deviation() -> None:
    values = [[1.0, 3.0, 8.0], [5.0], [2.0, 2.0]]
    sums = [sum(map(Fraction, one), Fraction(0)) for one in values]
    squares = [sum((Fraction(value) ** 2 for value in one), Fraction(0)) for one in values]
    assert neyman_shares([3, 1, 2], sums, squares) == [3 * Fraction(math.sqrt(13)), 0, 0]
