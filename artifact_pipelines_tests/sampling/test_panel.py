import itertools
from typing import Any

import polars as pl
import pydantic
import pytest

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.drawing import draw
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.registry import SamplingDesign

POPULATION = pl.DataFrame({"id": range(20_000), "region": [i % 3 for i in range(20_000)]})
DESIGNS: list[dict[str, Any]] = [
    {"fraction": 0.1},
    {"design": "bernoulli", "probability": 0.1},
    {"design": "stratified", "fraction": 0.1, "by": "region"},
]


def wave(
    design: dict[str, Any], number: int | None, overlap: float = 0.75, frame: pl.DataFrame = POPULATION
) -> set[int]:
    panel = None if number is None else {"wave": number, "overlap": overlap}
    declared = pydantic.TypeAdapter[ISamplingDesign](SamplingDesign).validate_python({**design, "panel": panel})
    return set(draw(frame, declared, ["id"]).rows.collect()["id"])


@pytest.mark.parametrize("design", DESIGNS)
def test_waves_overlap_by_the_share_and_those_far_apart_by_none(design: dict[str, Any]) -> None:
    waves = [wave(design, number) for number in range(6)]
    for before, after in itertools.pairwise(waves):
        assert abs(len(before & after) - 0.75 * 2_000) < 150
    assert abs(len(waves[0] & waves[2]) - 0.5 * 2_000) < 150
    assert len(waves[0] & waves[5]) == 0


@pytest.mark.parametrize("design", DESIGNS)
def test_first_wave_is_the_sample_without_a_panel(design: dict[str, Any]) -> None:
    assert wave(design, 0) == wave(design, None)


@pytest.mark.parametrize("design", DESIGNS)
def test_table_that_grows_with_each_wave_keeps_the_overlap(design: dict[str, Any]) -> None:
    before, after = (wave(design, 20 + more, frame=POPULATION.head(10_000 + 300 * more)) for more in (0, 1))
    assert abs(len(before & after) - 0.75 * 1_000) < 100


def test_panel_of_a_number_of_rows_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="^panel must be of a design with `fraction`, because the share"):
        wave({"n": 10}, 1)


@pytest.mark.parametrize("design", DESIGNS)
def test_rows_come_back_when_the_window_has_gone_round(design: dict[str, Any]) -> None:
    assert wave(design, 40) == wave(design, 0), "40 steps of a quarter of a tenth are a whole round"


@pytest.mark.parametrize(
    "design",
    [
        {"design": "weighted", "n": 10, "weight": "id"},
        {"design": "stratified", "fraction": 0.1, "by": "region", "allocation": "equal"},
    ],
)
def test_panel_of_rows_with_different_probabilities_is_refused(design: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="panel must be of simple_random, bernoulli or a proportional"):
        wave(design, 1)
