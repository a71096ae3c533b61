"""Inclusion probabilities of ranks, over many seeds at once and against exact ones."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from artifact_pipelines.sampling.arithmetic import ranks
from artifact_pipelines.sampling.arithmetic.elementary import remixed, uniforms

Floats = npt.NDArray[np.float64]
PROBABILITIES = np.array([0.1, 0.2, 0.25, 0.45, 0.45, 0.55])  # sum 2
SEEDS = 200_000


def numbers(rows: int, seeds: int = SEEDS) -> Floats:
    """Return (seeds, rows) uniform numbers of the project's own making."""
    return uniforms(remixed(np.arange(seeds * rows, dtype=np.uint64), 1)).reshape(seeds, rows)


def shares_drawn(rank: Floats, n: int) -> Floats:
    chosen = np.argpartition(rank, n, axis=1)[:, :n]
    return np.bincount(chosen.ravel(), minlength=rank.shape[1]) / len(rank)


def exact_probabilities(below: Callable[[float, Floats], Floats], probabilities: Floats, n: int) -> Floats:
    """Return P(row is among the n smallest), by integration over the distribution functions of the ranks."""
    grid = np.linspace(0, 60, 20_001) ** 1.5
    functions = np.array([below(t, probabilities) for t in grid])
    result = np.empty(len(probabilities))
    for row in range(len(probabilities)):
        counts = np.zeros((len(grid), n))  # P(k other rows are below t), k < n
        counts[:, 0] = 1
        for other in range(len(probabilities)):
            if other != row:
                p = functions[:, [other]]
                counts = counts * (1 - p) + np.pad(counts[:, :-1], ((0, 0), (1, 0))) * p
        fewer = counts.sum(axis=1)
        result[row] = np.sum((fewer[1:] + fewer[:-1]) / 2 * np.diff(functions[:, row]))
    return result


def uniform_below(t: float, probabilities: Floats) -> Floats:
    return np.minimum(t * probabilities, 1)


def pareto_below(t: float, probabilities: Floats) -> Floats:
    odds = t * probabilities / (1 - probabilities)
    return odds / (1 + odds)


DESIGNS = [(ranks.sequential_poisson_ranks, uniform_below, 0.042), (ranks.pareto_ranks, pareto_below, 0.0075)]


@pytest.mark.parametrize(("rank", "below", "difference"), DESIGNS)
def test_rows_are_drawn_with_the_exact_probabilities_which_are_near_the_wanted_ones(
    rank: Callable[[Floats, Floats], Floats], below: Callable[[float, Floats], Floats], difference: float
) -> None:
    exact = exact_probabilities(below, PROBABILITIES, 2)
    assert exact.sum() == pytest.approx(2, abs=1e-3)
    deviation = np.sqrt(exact * (1 - exact) / SEEDS)
    assert np.abs((shares_drawn(rank(numbers(6), PROBABILITIES), 2) - exact) / deviation).max() < 4.5
    assert 1e-4 < np.abs(exact - PROBABILITIES).max() < difference


@pytest.mark.parametrize("rank", [ranks.sequential_poisson_ranks, ranks.pareto_ranks])
def test_differences_from_the_wanted_probabilities_vanish_in_large_populations(
    rank: Callable[[Floats, Floats], Floats],
) -> None:
    wanted = np.tile(PROBABILITIES, 20)
    drawn = shares_drawn(rank(numbers(120, 20_000), wanted), 40).reshape(20, 6).mean(axis=0)
    deviation = np.sqrt(PROBABILITIES * (1 - PROBABILITIES) / 20_000 / 20)
    assert np.abs((drawn - PROBABILITIES) / deviation).max() < 4.5


@pytest.mark.parametrize("rank", [ranks.sequential_poisson_ranks, ranks.pareto_ranks])
def test_certain_rows_come_first_and_impossible_ones_last(rank: Callable[[Floats, Floats], Floats]) -> None:
    assert rank(np.array([0.9, 0.9, 0.5]), np.array([1.0, 0.0, 0.5]))[:2].tolist() == [0, np.inf]


def test_successive_samples_have_the_probabilities_of_drawing_one_after_another() -> None:
    """P(i, then j) = w_i / W * w_j / (W - w_i): each ordered pair, by chi-square with 11 degrees of freedom."""
    weights = np.array([1.0, 2.0, 4.0, 9.0])
    order = np.argsort(ranks.successive_ranks(numbers(4), weights), axis=1)[:, :2]
    found = np.bincount(order[:, 0] * 4 + order[:, 1], minlength=16)
    chi_squared = 0.0
    for first, second in itertools.permutations(range(4), 2):
        expected = SEEDS * weights[first] / 16 * weights[second] / (16 - weights[first])
        chi_squared += (found[first * 4 + second] - expected) ** 2 / expected
    assert chi_squared < 31.3, "above once in 1,000 sets of seeds; these are fixed"


def test_weights_of_conditional_probabilities_count_each_row_once_on_average() -> None:
    """The mean over all seeds of drawn / P is 1 for each row, so every weighted total is unbiased."""
    weights = np.array([1.0, 2.0, 4.0, 9.0, 30.0])
    rank = ranks.successive_ranks(numbers(5), weights)
    threshold = np.partition(rank, 2, axis=1)[:, [2]]
    drawn = rank < threshold
    expansion = np.where(drawn, 1 / ranks.successive_probabilities(weights, threshold), 0)
    error = expansion.std(axis=0) / math.sqrt(SEEDS)
    assert (np.abs(expansion.mean(axis=0) - 1) < 4.5 * error).all()


def test_successive_ranks_order_rows_as_the_powers_of_efraimidis_and_spirakis_do() -> None:
    u, weights = numbers(1, 300)[:, 0], np.linspace(0.5, 3, 300)
    powers = (1 - u) ** (1 / weights)
    assert np.argsort(ranks.successive_ranks(u, weights)).tolist() == np.argsort(-powers).tolist()


def test_equal_weights_give_the_order_of_the_numbers() -> None:
    u = numbers(1, 1_000)[:, 0]
    assert np.argsort(ranks.successive_ranks(u, np.full(1_000, 0.1))).tolist() == np.argsort(u).tolist()


def test_ranks_of_extreme_weights_are_finite_and_differ() -> None:
    u = np.array([2.0**-53, 0.5, 1 - 2.0**-53])
    for weight in (1e-300, 1.0, 1e300):
        found = ranks.successive_ranks(u, np.full(3, weight))
        assert np.isfinite(found).all()
        assert (np.diff(found) > 0).all()
    assert ranks.successive_ranks(u, np.zeros(3)).tolist() == [np.inf] * 3


def test_conditional_probability_of_a_sample_that_takes_all_is_1() -> None:
    assert ranks.successive_probabilities(np.array([1e-300, 1e300]), np.inf).tolist() == [1, 1]


def test_rows_in_reach_are_all_rows_below_a_bound_and_few_others() -> None:
    rows = remixed(np.arange(50_000, dtype=np.uint64), 1)
    rows[:4] = [0, 4095, 2**64 - 1, 2**64 - 4096]
    sizes = np.where(np.arange(50_000) % 9 == 8, 0, np.random.default_rng(1).lognormal(0, 3, 50_000))
    rank = ranks.successive_ranks(uniforms(rows), sizes)
    for bound in (0.0, 1e-300, 2.0**-53, 1e-3, 1.0, 1e300, np.inf):
        reached = ranks.rows_in_reach(rows, sizes, bound)
        below = np.flatnonzero((rank <= bound * ranks.SUCCESSIVE_SCALE) & (sizes > 0))
        assert set(below) <= set(reached)
        assert (sizes[reached] > 0).all()
    assert len(ranks.rows_in_reach(rows, sizes, 1e-3)) < 3 * np.count_nonzero(rank <= 1e-3 * ranks.SUCCESSIVE_SCALE)
