import itertools

import numpy as np
import numpy.typing as npt
import pytest

from artifact_pipelines.sampling.arithmetic.conditional_poisson import (
    draw_conditional_poisson,
    inclusion_probabilities,
    joint_inclusion_probabilities,
    working_probabilities,
)
from artifact_pipelines.sampling.arithmetic.elementary import remixed
from artifact_pipelines.sampling.arithmetic.proportional_to_size import probabilities_of

Floats = npt.NDArray[np.float64]
TILLÉ = np.array([0.07, 0.17, 0.41, 0.61, 0.83, 0.91])
"""Tillé, Sampling Algorithms, 2006, section 5.6: the population of its examples, and its joint probabilities."""
TILLÉ_JOINT = [
    [0.0700, 0.0049, 0.0130, 0.0215, 0.0447, 0.0559],
    [0.0049, 0.1700, 0.0324, 0.0537, 0.1113, 0.1377],
    [0.0130, 0.0324, 0.4100, 0.1407, 0.2888, 0.3452],
    [0.0215, 0.0537, 0.1407, 0.6100, 0.4691, 0.5351],
    [0.0447, 0.1113, 0.2888, 0.4691, 0.8300, 0.7461],
    [0.0559, 0.1377, 0.3452, 0.5351, 0.7461, 0.9100],
]


def all_samples(working: Floats, n: int) -> dict[tuple[int, ...], float]:
    """Return the probability of each sample of n rows, by the definition."""
    odds = working / (1 - working)
    found = {rows: float(np.prod(odds[list(rows)])) for rows in itertools.combinations(range(len(odds)), n)}
    total = sum(found.values())
    return {rows: one / total for rows, one in found.items()}


def test_joint_probabilities_are_those_that_tillé_printed() -> None:
    found = joint_inclusion_probabilities(working_probabilities(TILLÉ), 3)
    np.testing.assert_array_equal(found.round(4), TILLÉ_JOINT)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_probabilities_are_those_over_all_samples(n: int) -> None:
    working = np.array([0.02, 0.3, 0.5, 0.5, 0.71, 0.96])
    first, joint = np.zeros(6), np.zeros((6, 6))
    for rows, probability in all_samples(working, n).items():
        first[list(rows)] += probability
        joint[np.ix_(rows, rows)] += probability
    np.testing.assert_allclose(inclusion_probabilities(working, n), first, atol=1e-14)
    np.testing.assert_allclose(joint_inclusion_probabilities(working, n), joint, atol=1e-14)


@pytest.mark.parametrize("spread", [0.3, 1.0, 2.0])
@pytest.mark.parametrize(("rows", "n"), [(2, 1), (5, 4), (40, 3), (40, 37), (1_000, 300)])
def test_working_probabilities_give_the_probabilities_asked_for(rows: int, n: int, spread: float) -> None:
    sizes = np.random.default_rng(rows).lognormal(0, spread, rows)
    wanted = probabilities_of(n, sizes)
    working = working_probabilities(wanted)
    free = wanted < 1
    np.testing.assert_array_equal(working[~free], 1)
    found = inclusion_probabilities(working[free], n - int(np.count_nonzero(~free)))
    np.testing.assert_allclose(found, wanted[free], atol=1e-11)


def test_each_sample_is_drawn_with_its_probability() -> None:
    """Chi-square with 19 degrees of freedom over the 20 samples of 3 rows of 6."""
    working = working_probabilities(TILLÉ)
    seeds = 6_000
    numbers = remixed(np.arange(seeds * 6, dtype=np.uint64), 1).reshape(seeds, 6)
    seen: dict[tuple[int, ...], int] = {}
    for one in numbers:
        rows = tuple(np.flatnonzero(draw_conditional_poisson(one, working, 3)).tolist())
        seen[rows] = seen.get(rows, 0) + 1
    expected = {rows: seeds * share for rows, share in all_samples(working, 3).items()}
    assert sum((seen.get(rows, 0) - count) ** 2 / count for rows, count in expected.items()) < 43.8


def test_certain_rows_are_always_drawn_and_impossible_ones_never() -> None:
    working = working_probabilities(np.array([1.0, 0.0, 0.5, 0.5]))
    assert working.tolist() == [1.0, 0.0, 0.5, 0.5]
    chosen = draw_conditional_poisson(np.array([2**64 - 1, 0, 5, 2**64 - 9], np.uint64), working, 2)
    assert chosen[:2].tolist() == [True, False]


def test_all_certain_rows_need_no_work() -> None:
    assert working_probabilities(np.array([1.0, 1.0, 0.0])).tolist() == [1.0, 1.0, 0.0]
