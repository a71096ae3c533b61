import collections
import itertools
import pathlib
import statistics
from typing import Any

import polars as pl
import pydantic
import pytest

from artifact_pipelines.sampling.designs.simple_random import SimpleRandom
from artifact_pipelines.sampling.drawing import draw
from artifact_pipelines.sampling.engine import smallest
from artifact_pipelines.sampling.engine.choice import ORDINAL
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers
from artifact_pipelines_tests.sampling.tiny import rows_in_every_order

POPULATION = pl.DataFrame({"id": range(1000), "value": [i * i % 97 for i in range(1000)]})


def sample(population: pl.DataFrame, n: int, seed: int = 0, key: tuple[str, ...] = ("id",)) -> pl.DataFrame:
    return draw(population, SimpleRandom(n=n, seed=seed), key).rows.collect()


def ids(sampled: pl.DataFrame) -> list[int]:
    return sampled["id"].to_list()


def test_sample_is_the_n_rows_with_the_smallest_numbers_in_the_order_of_the_table() -> None:
    numbers = pl.Series("u", permanent_random_numbers(POPULATION.select("id"), seed=3))
    expected = POPULATION.with_columns(numbers).bottom_k(10, by="u")["id"].sort().to_list()
    assert ids(sample(POPULATION, 10, seed=3)) == expected


def test_sample_has_inclusion_probability_and_weight() -> None:
    drawn = sample(POPULATION, 250)
    assert drawn["inclusion_probability"].unique().to_list() == [0.25]
    assert drawn["sampling_weight"].sum() == 1000


def test_every_subset_is_equally_likely_and_the_weighted_total_is_unbiased() -> None:
    """Exactly: over every order that the numbers of a small population can have."""
    small = POPULATION.head(5)
    chosen = [SimpleRandom(n=2).choose(rows).rows for rows in rows_in_every_order(small)]
    seen = collections.Counter(tuple(rows[ORDINAL]) for rows in chosen)
    assert seen == dict.fromkeys(itertools.combinations(range(5), 2), len(chosen) // 10)
    totals = [float((small["value"][rows[ORDINAL]] * rows["sampling_weight"]).sum()) for rows in chosen]
    assert statistics.mean(totals) == pytest.approx(small["value"].sum())


def test_larger_sample_contains_the_smaller() -> None:
    assert set(ids(sample(POPULATION, 10))) < set(ids(sample(POPULATION, 100)))


@pytest.mark.parametrize("n", [1, 10, 500, 999, 1000, 1001])
@pytest.mark.parametrize("key", ["id", "value"])
def test_very_large_sample_is_drawn_as_a_rule_of_the_same_rows(
    n: int, key: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    POPULATION.write_parquet(tmp_path / "table.parquet", row_group_size=70)
    expected = sample(POPULATION, n, key=(key,))
    monkeypatch.setattr(smallest, "MOST_POSITIONS", 0)
    found = draw(tmp_path / "table.parquet", SimpleRandom(n=n), [key])
    assert found.rows.collect().equals(expected)
    assert (found.choice.rows.height, found.design.drawn) == (0, min(n, 1000))


def test_another_seed_draws_another_sample() -> None:
    assert ids(sample(POPULATION, 10, seed=1)) != ids(sample(POPULATION, 10, seed=2))


def test_position_identifies_a_row_without_a_key() -> None:
    by_position = sample(POPULATION, 10, key=())
    assert ids(by_position) == ids(sample(POPULATION.with_columns(value=0), 10, key=()))
    assert by_position.columns == [*POPULATION.columns, "inclusion_probability", "sampling_weight"]


@pytest.mark.parametrize("n", [1000, 1001, 10**9])
def test_small_population_is_taken_whole(n: int) -> None:
    drawn = draw(POPULATION, SimpleRandom(n=n), ["id"])
    assert ids(drawn.rows.collect()) == list(range(1000))
    assert drawn.design.notes == ([] if n == 1000 else ["The population has only 1,000 rows: all are drawn."])


def test_empty_population_gives_an_empty_sample() -> None:
    drawn = sample(POPULATION.head(0), 5)
    assert drawn.height == 0
    assert "sampling_weight" in drawn.columns


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"n": 0}, "n"), ({"n": -1}, "n"), ({"n": 1, "seed": -1}, "seed"), ({"n": 1, "seed": 2**63}, "seed"), ({}, "n")],
)
def test_field_out_of_range_is_named(fields: Any, field: str) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        SimpleRandom(**fields)
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]
