"""Bernoulli, Poisson and custom: each row is chosen by itself."""

import itertools
from typing import Any

import polars as pl
import pydantic
import pytest

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.designs.bernoulli import Bernoulli
from artifact_pipelines.sampling.designs.custom import Custom
from artifact_pipelines.sampling.designs.poisson import Poisson
from artifact_pipelines.sampling.drawing import draw
from artifact_pipelines.tabular.exceptions import SqlExpressionError
from artifact_pipelines_tests.sampling.tiny import rows_with_shares

POPULATION = pl.DataFrame({"id": range(1000), "p": [(i % 10) / 9 for i in range(1000)]})
GRID = [0.0, 0.25, 0.5, 0.75]  # u of a row, in quarters


def test_every_bernoulli_sample_has_the_probability_of_its_size() -> None:
    """Exactly: over all numbers in quarters of three rows, each row is drawn a quarter of the times, independently."""
    frame = pl.DataFrame({"id": range(3)})
    seen = dict.fromkeys(itertools.product([False, True], repeat=3), 0)
    for shares in itertools.product(GRID, repeat=3):
        drawn = set(Bernoulli(probability=0.25).choose(rows_with_shares(frame, shares, [1])).ordinals().tolist())
        seen[tuple(row in drawn for row in range(3))] += 1
    assert seen == {rows: 1 ** sum(rows) * 3 ** (3 - sum(rows)) for rows in seen}


def test_every_poisson_sample_has_the_product_of_its_probabilities() -> None:
    frame = pl.DataFrame({"p": [0.25, 0.5, 1.0]})
    seen = dict.fromkeys(itertools.product([False, True], repeat=3), 0)
    for shares in itertools.product(GRID, repeat=3):
        drawn = set(Poisson(probability="p").choose(rows_with_shares(frame, shares)).ordinals().tolist())
        seen[tuple(row in drawn for row in range(3))] += 1
    of_64 = {rows: [3, 1][rows[0]] * [2, 2][rows[1]] * [0, 4][rows[2]] for rows in seen}
    assert seen == of_64


def test_every_poisson_sample_by_size_has_the_product_of_its_probabilities() -> None:
    """Sizes 1, 3, 9 and 2 rows: the largest is certain, the others share the second row as 1 to 3."""
    frame = pl.DataFrame({"size": [1.0, 3.0, 9.0]})
    seen = dict.fromkeys(itertools.product([False, True], repeat=3), 0)
    for shares in itertools.product(GRID, repeat=3):
        drawn = set(Poisson(n=2, size="size").choose(rows_with_shares(frame, shares, [2])).ordinals().tolist())
        seen[tuple(row in drawn for row in range(3))] += 1
    of_64 = {rows: [3, 1][rows[0]] * [1, 3][rows[1]] * [0, 4][rows[2]] for rows in seen}
    assert seen == of_64


def test_poisson_sample_by_size_expects_its_rows_and_says_what_it_cannot_draw() -> None:
    drawn = draw(POPULATION, Poisson(n=90, size="p"), ["id"])
    rows = drawn.rows.collect()
    sized = POPULATION.filter(pl.col("p") > 0)
    expected = rows["p"] * 90 / sized["p"].sum()
    assert (rows["inclusion_probability"] - expected).abs().max() < 1e-12  # type: ignore[operator]
    assert 60 < rows.height < 120
    assert (drawn.design.planned, drawn.design.frame.population_size) == (None, 900)
    assert drawn.design.facts["expected_size"] == 90
    assert drawn.design.notes == ["100 rows of size 0 cannot be drawn: the weights stand for the other 900 only."]
    assert draw(POPULATION, Poisson(n=5_000, size="p")).rows.collect().height == 900


@pytest.mark.parametrize("fields", [{}, {"n": 3}, {"size": "p"}, {"n": 3, "size": "p", "probability": "p"}])
def test_poisson_sample_has_a_probability_or_a_size(fields: Any) -> None:
    with pytest.raises(pydantic.ValidationError, match="give either probability, or n, the rows to expect, and size"):
        Poisson(**fields)


def test_bernoulli_sample_says_its_probability_and_expected_size() -> None:
    drawn = draw(POPULATION, Bernoulli(probability=0.1), ["id"])
    rows = drawn.rows.collect()
    assert rows["inclusion_probability"].unique().to_list() == [0.1]
    assert (drawn.design.planned, drawn.design.drawn) == (None, rows.height)
    assert drawn.design.facts == {"expected_size": pytest.approx(100)}
    assert 70 < rows.height < 130


def test_row_stays_in_the_sample_when_the_probability_grows() -> None:
    samples = [set(draw(POPULATION, Bernoulli(probability=p), ["id"]).rows.collect()["id"]) for p in (0.1, 0.3, 1)]
    assert samples[0] < samples[1] < samples[2] == set(range(1000))


def test_poisson_sample_shows_each_rows_own_probability() -> None:
    rows = draw(POPULATION, Poisson(probability="p"), ["id"]).rows.collect()
    assert rows["inclusion_probability"].equals(rows["p"].rename("inclusion_probability"))
    assert set(rows.filter(pl.col("p") == 1)["id"]) == set(range(9, 1000, 10))
    assert rows["p"].min() > 0  # type: ignore[operator]


def test_probability_may_be_an_expression() -> None:
    rows = draw(POPULATION, Poisson(probability="least(1, p / 2)"), ["id"]).rows.collect()
    assert rows["inclusion_probability"].max() == 0.5


@pytest.mark.parametrize("value", [None, -0.1, 1.5, float("nan")])
def test_value_that_is_no_probability_is_refused_by_its_row(value: float | None) -> None:
    frame = pl.DataFrame({"p": [0.5, 0.5, value]})
    with pytest.raises(InvalidArgumentError, match=r"^probability: `p` in row 3 must be from 0 to 1"):
        draw(frame, Poisson(probability="p"))


def test_probability_must_be_a_number() -> None:
    with pytest.raises(InvalidArgumentError, match="of type String"):
        draw(pl.DataFrame({"p": ["a"]}), Poisson(probability="p"))


def test_custom_sample_is_every_row_that_fulfils_the_condition() -> None:
    drawn = draw(POPULATION, Custom(condition="id % 100 = 7"))
    rows = drawn.rows.collect()
    assert rows["id"].to_list() == list(range(7, 1000, 100))
    assert rows["sampling_weight"].unique().to_list() == [1]
    assert drawn.design.notes[0].startswith("Rows are chosen by a condition, not at random")


@pytest.mark.parametrize(
    ("design", "field"), [(Custom(condition="id ="), "condition"), (Poisson(probability="x"), "probability")]
)
def test_wrong_sql_names_its_field(design: Any, field: str) -> None:
    with pytest.raises(SqlExpressionError) as caught:
        draw(POPULATION, design)
    assert caught.value.parameter == field


@pytest.mark.parametrize("design", [Bernoulli(probability=0.5), Poisson(probability="p"), Custom(condition="p > 0")])
def test_empty_population_gives_an_empty_sample(design: Any) -> None:
    drawn = draw(POPULATION.head(0), design).rows.collect()
    assert drawn.height == 0
    assert drawn.columns == ["id", "p", "inclusion_probability", "sampling_weight"]
