"""Distances, against values that SciPy 1.17.1 gives."""

import numpy as np
import pytest

from artifact_pipelines.tabular.distances import (
    WeightedNumbers,
    chance_of,
    chi_square,
    jensen_shannon,
    join_rare,
    kolmogorov_smirnov,
    population_stability_index,
    total_variation,
    wasserstein,
)

BEFORE, AFTER = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.25, 0.25, 0.25, 0.25])


def numbers(*values: float) -> WeightedNumbers:
    found, counts = np.unique(np.array(values, np.float64), return_counts=True)
    return WeightedNumbers(found, counts.astype(np.float64))


def test_distances_of_shares_are_those_of_scipy() -> None:
    assert jensen_shannon(BEFORE, AFTER) == pytest.approx(0.20050332253142814, rel=1e-12)
    assert population_stability_index(BEFORE, AFTER) == pytest.approx(0.22821740957339182, rel=1e-12)
    assert total_variation(BEFORE, AFTER) == pytest.approx(0.2)


def test_equal_shares_have_no_distance_and_disjoint_ones_the_largest() -> None:
    assert (jensen_shannon(BEFORE, BEFORE), population_stability_index(BEFORE, BEFORE)) == (0, 0)
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1
    assert total_variation(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1


def test_distances_of_numbers_are_those_of_scipy() -> None:
    x, y = numbers(1, 2, 2, 3, 5, 8, 13), numbers(2, 3, 4, 4, 6, 7, 20, 21)
    assert kolmogorov_smirnov(x, y) == pytest.approx(0.32142857142857145, rel=1e-12)
    assert wasserstein(x, y) == pytest.approx(3.589285714285714, rel=1e-12)
    left = WeightedNumbers(np.array([0.0, 1, 3]), np.array([3.0, 4, 1]))
    right = WeightedNumbers(np.array([5.0, 6, 8]), np.array([1.0, 2, 5]))
    assert wasserstein(left, right) == pytest.approx(6.25, rel=1e-12)


def test_chi_square_is_that_of_scipy() -> None:
    before, after = np.array([30, 50, 20]) / 100, np.array([60, 90, 150]) / 300
    value, degrees = chi_square(before, after, 100, 300)
    assert value == pytest.approx(27.787114845938376, rel=1e-12)
    assert degrees == 2
    assert chance_of(value, degrees) == pytest.approx(9.249210790968911e-07, rel=1e-9)


@pytest.mark.parametrize(
    ("statistic", "degrees", "chance"),
    [
        (3.84, 1, 0.05004352124870519),
        (10, 3, 0.01856613546304325),
        (25, 10, 0.005345505487134069),
        (120, 99, 0.07424385580596692),
        (700, 50, 1.9616058465942822e-115),
        (2000, 4, 0),
        (0, 5, 1),
        (5, 0, 1),
    ],
)
def test_chance_is_that_of_scipy(statistic: float, degrees: int, chance: float) -> None:
    assert chance_of(statistic, degrees) == pytest.approx(chance, rel=1e-9)


def test_rare_categories_are_joined_until_five_rows_are_expected() -> None:
    assert join_rare(np.array([10.0, 3, 20, 3])).tolist() == [1, 0, 2, 0]
    assert join_rare(np.array([10.0, 3, 20])).tolist() == [0, 0, 1]
    assert join_rare(np.array([1.0, 2])).tolist() == [0, 0]
