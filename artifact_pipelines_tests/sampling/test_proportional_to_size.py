import random
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

from artifact_pipelines.sampling.arithmetic.proportional_to_size import (
    ProportionalToSize,
    probabilities_of,
    proportional_to_size,
)

Floats = npt.NDArray[np.float64]


def rule(n: int, sizes: list[float]) -> ProportionalToSize:
    return proportional_to_size(n, sum(map(Fraction, sizes), Fraction(0)), np.array(sorted(sizes)[-n:]))


def by_definition(n: int, sizes: list[float]) -> Floats:
    """Set every probability of 1 or more to 1, share out the rest, and begin again while there are such."""
    certain: set[int] = set()
    while True:
        rest = sum(size for row, size in enumerate(sizes) if row not in certain)
        found = [1.0 if row in certain else (n - len(certain)) * size / rest for row, size in enumerate(sizes)]
        more = {row for row, share in enumerate(found) if share >= 1}
        if more <= certain:
            return np.array(found)
        certain |= more


def test_example_of_tillé() -> None:
    """Sampling Algorithms, 2006, section 2.10: the largest row is certain, and then the next one too."""
    sizes = np.array([1.0, 9.0, 10.0, 70.0, 90.0, 120.0])
    found = rule(3, sizes.tolist())
    assert found.certain == 2
    np.testing.assert_allclose(found.probabilities(sizes), [1 / 90, 1 / 10, 1 / 9, 7 / 9, 1, 1], rtol=1e-15)


def test_probabilities_are_those_of_the_definition_and_sum_to_n() -> None:
    dice = random.Random(3)
    for _ in range(100):
        sizes = [dice.lognormvariate(0, 2) for _ in range(dice.randint(5, 40))]
        n = dice.randint(1, 5)
        found = rule(n, sizes).probabilities(np.array(sizes))
        np.testing.assert_allclose(found, by_definition(n, sizes), rtol=1e-12)
        assert found.sum() == pytest.approx(n)


def test_order_does_not_change_the_probabilities() -> None:
    sizes = np.random.default_rng(1).lognormal(0, 3, 500)
    np.testing.assert_array_equal(probabilities_of(60, sizes[::-1])[::-1], probabilities_of(60, sizes))
    np.testing.assert_allclose(probabilities_of(60, sizes), by_definition(60, sizes.tolist()))


def test_rows_without_size_have_no_chance_and_all_others_are_certain_if_they_are_few() -> None:
    found = rule(3, [0.0, 5.0, 2.0])
    assert found.probabilities(np.array([0.0, 5.0, 2.0])).tolist() == [0, 1, 1]
    assert found.certain == 2
    assert rule(3, [0.0, 0.0]).probabilities(np.array([0.0, 0.0])).tolist() == [0, 0]


def test_equal_sizes_are_equally_probable() -> None:
    assert rule(3, [2.0] * 12).probabilities(np.array([2.0])).tolist() == [0.25]
