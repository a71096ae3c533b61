"""A guess saves time and changes nothing: a table in many slices has a pilot, one in a single slice has none."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from artifact_pipelines.sampling.arithmetic.ranks import ratio
from artifact_pipelines.sampling.drawing import _DESIGNS, draw_from
from artifact_pipelines.sampling.engine.pilot import guess_bound, guess_certain_size, pilot_sizes
from artifact_pipelines.sampling.engine.population import Population
from artifact_pipelines.sampling.engine.rows import Identity, Key, Rows

ROWS = 20_000
_random = np.random.default_rng(5)
SIZES = {
    "alike": _random.gamma(2, 10, ROWS),
    "ascending": np.sort(_random.pareto(1, ROWS)),
    "descending": np.sort(_random.pareto(1, ROWS))[::-1].copy(),
    "large at the end": np.where(np.arange(ROWS) < ROWS - 150, 1.0, 1e6),
    "mostly 0": np.where(np.arange(ROWS) // 200 % 2 == 0, 0.0, 5.0),
}


def _in_slices(sizes: np.typing.NDArray[np.float64], rows: int) -> Population:
    return Population(pl.DataFrame({"size": sizes}).lazy(), [*range(0, ROWS, rows), ROWS])


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("n", [1, 200, 6_000])
@pytest.mark.parametrize(
    "fields",
    [
        {"design": "weighted", "weight": "size"},
        {"design": "pps", "size": "size"},
        {"design": "pps", "size": "size", "method": "pareto"},
    ],
)
def test_sample_is_the_same_with_a_right_or_wrong_pilot(fields: dict[str, Any], n: int, sizes: str) -> None:
    design = _DESIGNS.validate_python({**fields, "n": n})
    drawn = [draw_from(_in_slices(SIZES[sizes], rows), design, Key()) for rows in (200, ROWS)]
    assert drawn[0].choice.rows.equals(drawn[1].choice.rows)
    assert drawn[0].design.facts == drawn[1].design.facts


def test_guesses_are_near_what_the_whole_table_says() -> None:
    sizes = _random.gamma(2, 10, 400_000)
    population = Population(pl.DataFrame({"size": sizes}).lazy(), [*range(0, 400_001, 4_000)])
    rows = Rows(population, Identity((), 0))
    pilot = pilot_sizes(rows, "size", "size")
    ranks = ratio(_random.random(len(sizes)), sizes)
    assert (
        20_000 < np.count_nonzero(ranks <= guess_bound(20_000, rows.count, pilot, ratio)) < 60_000
    )  # six deviations of a pilot of 2,000
    exact = sizes.mean() * 20
    assert exact * 0.4 < guess_certain_size(20_000, rows.count, pilot) < exact * 0.6
