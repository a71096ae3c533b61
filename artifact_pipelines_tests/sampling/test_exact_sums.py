import math
from fractions import Fraction

import numpy as np
import pytest

from artifact_pipelines.sampling.arithmetic import elementary
from artifact_pipelines.sampling.arithmetic.exact_sums import ExactSums

RANDOM = np.random.default_rng(7)
VALUES = {
    "uniform": RANDOM.random(5_000),
    "signed": RANDOM.normal(size=5_000) * 1e6,
    "whole numbers": RANDOM.integers(-(10**6), 10**6, 5_000).astype(float),
    "extreme": 10.0 ** RANDOM.uniform(-300, 300, 2_000),
    "cancelling": np.array([1e300, 1.0, -1e300, 5e-324, 1e16]),
    "none": np.empty(0),
}


@pytest.mark.parametrize("name", VALUES)
def test_sum_is_exact(name: str) -> None:
    sums = ExactSums()
    sums.add(VALUES[name])
    assert sums.totals() == [sum(map(Fraction, VALUES[name].tolist()), Fraction(0))]


@pytest.mark.parametrize("name", ["uniform", "signed", "whole numbers"])
def test_squares_of_groups_are_exact(name: str) -> None:
    group = RANDOM.integers(0, 3, len(VALUES[name]))
    sums = ExactSums(3)
    sums.add_squares(VALUES[name], group)
    expected = [sum((Fraction(one) ** 2 for one in VALUES[name][group == k].tolist()), Fraction(0)) for k in range(3)]
    assert sums.totals() == expected


def test_order_and_batches_do_not_change_a_sum() -> None:
    together, apart, rest = ExactSums(), ExactSums(), ExactSums()
    together.add(VALUES["extreme"])
    apart.add(VALUES["extreme"][:700:-1])
    rest.add(VALUES["extreme"][:701])
    apart.merge(rest)
    assert apart.totals() == together.totals()


def test_logarithm_and_exponential_are_those_of_the_mathematical_library() -> None:
    positive = np.concatenate([RANDOM.random(3_000), 10.0 ** RANDOM.uniform(-300, 300, 3_000), [1.0, 1 - 2**-53]])
    np.testing.assert_array_max_ulp(elementary.log(positive), np.array([math.log(x) for x in positive]), 1)
    exponents = np.concatenate([positive[positive < 1e4], [0.0, 745.2, 1e300]])
    np.testing.assert_array_max_ulp(
        elementary.one_minus_exp(exponents), np.array([-math.expm1(-x) for x in exponents]), 2
    )


def test_bits_of_logarithm_and_exponential_never_change() -> None:
    given = np.array([1e-300, 0.3, 0.999, 2.0, 12345.678])
    assert [x.hex() for x in elementary.log(given).tolist()] == LOGARITHMS
    assert [x.hex() for x in elementary.one_minus_exp(given).tolist()] == EXPONENTIALS


def test_uniform_numbers_are_within_0_and_1() -> None:
    ends = elementary.uniforms(np.array([0, 2**63, 2**64 - 1], np.uint64))
    assert ends.tolist() == [2**-53, 0.5 + 2**-53, 1 - 2**-53]


def test_remixed_numbers_are_uniform_and_do_not_follow_the_first() -> None:
    first = elementary.remixed(np.arange(10_000, dtype=np.uint64), 9)
    again = elementary.remixed(first, 1)
    assert elementary.remixed(first, 0) is first
    assert abs(np.corrcoef(elementary.uniforms(first), elementary.uniforms(again))[0, 1]) < 0.03
    assert np.abs(np.histogram(elementary.uniforms(again), 10, (0, 1))[0] - 1000).max() < 120


LOGARITHMS = [
    "-0x1.5963447f87fb5p+9",
    "-0x1.34378fcbda721p+0",
    "-0x1.064670d979b73p-10",
    "0x1.62e42fefa39efp-1",
    "0x1.2d79559791e31p+3",
]
EXPONENTIALS = [
    "0x1.56e1fc2f8f359p-997",
    "0x1.0966f2c7907f6p-2",
    "0x1.43751025b3901p-1",
    "0x1.bab5557101f8dp-1",
    "0x1.0000000000000p+0",
]
