"""The cube method over all of its decisions: exact expectations, no simulation."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest

from artifact_pipelines.sampling.arithmetic.cube import balanced_sample

Floats = npt.NDArray[np.float64]


def all_samples(probabilities: Floats, columns: Floats) -> Iterator[tuple[float, npt.NDArray[np.bool_]]]:
    """Yield each way that the decisions can go, with its probability."""
    pending: list[list[bool]] = [[]]
    while pending:
        way = pending.pop()
        taken: list[float] = []

        def decide(share: float, way: list[bool] = way, taken: list[float] = taken) -> bool:
            turn = len(taken)
            if turn == len(way):
                pending.append([*way, False])
                way.append(True)
            taken.append(share if way[turn] else 1 - share)
            return way[turn]

        sample = balanced_sample(probabilities, columns, decide)
        yield float(np.prod(taken)), sample


CASES: dict[str, tuple[Floats, Callable[[Floats], Floats]]] = {
    "fixed size": (np.full(7, 3 / 7), lambda π: π[:, None]),
    "unequal": (np.array([0.1, 0.3, 0.35, 0.5, 0.75, 1.0, 0.0]), lambda π: π[:, None]),
    "one column": (np.full(8, 0.5), lambda π: np.column_stack([π, [1.0, 5, 2, 8, 3, 3, 9, 7]])),
    "collinear columns": (np.full(6, 0.5), lambda π: np.column_stack([π, π * 2, [1.0, 2, 3, 4, 5, 6]])),
    "column of zeros": (np.full(6, 1 / 3), lambda π: np.column_stack([π, np.zeros(6)])),
    "no columns": (np.array([0.2, 0.5, 0.9]), lambda π: np.empty((3, 0))),
}


@pytest.mark.parametrize("name", CASES)
def test_inclusion_probabilities_hold_exactly_over_all_decisions(name: str) -> None:
    probabilities, make = CASES[name]
    samples = list(all_samples(probabilities, make(probabilities)))
    assert sum(share for share, _ in samples) == pytest.approx(1)
    found = sum(share * sample for share, sample in samples)
    np.testing.assert_allclose(found, probabilities, atol=1e-9)


@pytest.mark.parametrize("name", ["fixed size", "one column", "collinear columns", "column of zeros"])
def test_size_is_fixed_if_the_first_column_is_the_probabilities(name: str) -> None:
    probabilities, make = CASES[name]
    sizes = {int(sample.sum()) for _, sample in all_samples(probabilities, make(probabilities))}
    assert sizes == {round(float(probabilities.sum()))}


def balanced(rows: int, decide: Callable[[float], bool]) -> Floats:
    """Return the relative differences between estimated and true totals of three columns, n = rows / 10."""
    values = np.random.default_rng(4).lognormal(0, 1, (rows, 3))
    probabilities = np.full(rows, 0.1)
    sample = balanced_sample(probabilities, np.column_stack([probabilities, values]), decide)
    assert sample.sum() == rows // 10
    differences: Floats = np.abs(values[sample].sum(axis=0) * 10 / values.sum(axis=0) - 1)
    return differences


def test_totals_of_the_columns_are_nearly_those_of_the_population() -> None:
    dice = np.random.default_rng(8)
    differences = np.array([balanced(500, lambda share: bool(dice.random() < share)) for _ in range(8)])
    assert differences.mean() < 0.04, "a simple random sample of 50 rows is off by 0.15 on average"


def test_integer_totals_that_can_be_met_are_met_exactly() -> None:
    """A 0/1 column whose weighted count is a whole number is a stratification."""
    dice = np.random.default_rng(8)
    group = np.arange(40) < 20
    for _ in range(20):
        sample = balanced_sample(
            np.full(40, 0.25),
            np.column_stack([np.full(40, 0.25), group * 0.25]),
            lambda share: bool(dice.random() < share),
        )
        assert (sample & group).sum() == 5
        assert sample.sum() == 10
