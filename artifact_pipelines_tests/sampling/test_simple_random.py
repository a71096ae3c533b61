import itertools
import math
import statistics
from typing import Any

import polars as pl
import polars.testing
import pydantic
import pytest

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.designs.simple_random import SimpleRandom
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers

POPULATION = pl.DataFrame({"id": range(1000), "value": [i * i % 97 for i in range(1000)]})


def sample(population: pl.DataFrame, n: int, seed: int = 0, key: tuple[str, ...] = ("id",)) -> pl.DataFrame:
    return SimpleRandom(n=n, seed=seed).draw(population.lazy(), key).collect()


def ids(sampled: pl.DataFrame) -> list[int]:
    return sampled["id"].to_list()


def test_sample_is_the_n_rows_with_the_smallest_numbers() -> None:
    numbers = permanent_random_numbers(POPULATION.select("id"), seed=3)
    expected = POPULATION.with_columns(numbers).sort("permanent_random_number").head(10)["id"].to_list()
    assert ids(sample(POPULATION, 10, seed=3)) == expected


def test_sample_has_inclusion_probability_and_weight() -> None:
    drawn = sample(POPULATION, 250)
    assert drawn["inclusion_probability"].unique().to_list() == [0.25]
    assert drawn["sampling_weight"].sum() == 1000


def test_subsets_are_equally_likely_and_totals_unbiased_over_seeds() -> None:
    """Each subset of a small population is drawn about equally often, and the weighted total is unbiased."""
    small = POPULATION.head(5)
    drawn = [sample(small, 2, seed) for seed in range(1000)]
    seen = dict.fromkeys(itertools.combinations(range(5), 2), 0)
    for one in drawn:
        seen[tuple(sorted(ids(one)))] += 1  # type: ignore[index]
    chi_squared = sum((count - 100) ** 2 / 100 for count in seen.values())
    assert chi_squared < 33.7, "9 degrees of freedom: above once in 10,000 sets of seeds; these are fixed"
    totals = [float((one["value"] * one["sampling_weight"]).sum()) for one in drawn]
    error = statistics.stdev(totals) / math.sqrt(len(totals))
    assert abs(statistics.mean(totals) - int(small["value"].sum())) < 4 * error


def test_row_order_and_chunks_do_not_change_the_sample() -> None:
    shuffled = POPULATION.sample(fraction=1, shuffle=True, seed=1)
    chunked = pl.concat([shuffled[:10], shuffled[10:]], rechunk=False)
    polars.testing.assert_frame_equal(sample(POPULATION, 50), sample(chunked, 50))


def test_larger_sample_contains_the_smaller() -> None:
    assert ids(sample(POPULATION, 100))[:10] == ids(sample(POPULATION, 10))


def test_sample_hardly_changes_when_the_data_grow() -> None:
    grown = pl.concat([POPULATION, POPULATION.with_columns(pl.col("id") + 1000).head(100)])
    kept = set(ids(sample(POPULATION, 100))) & set(ids(sample(grown, 100)))
    assert len(kept) >= 80, "about 1 in 11 is expected to be replaced"


def test_another_seed_draws_another_sample() -> None:
    assert ids(sample(POPULATION, 10, seed=1)) != ids(sample(POPULATION, 10, seed=2))


def test_position_identifies_a_row_without_a_key() -> None:
    by_position = sample(POPULATION, 10, key=())
    assert ids(by_position) == ids(sample(POPULATION.with_columns(value=0), 10, key=()))
    assert by_position.columns == [*POPULATION.columns, "inclusion_probability", "sampling_weight"]


def test_rows_with_equal_keys_keep_their_order() -> None:
    twins = pl.DataFrame({"id": [7, 7, 7], "value": [1, 2, 3]})
    assert sample(twins, 2)["value"].to_list() == [1, 2]


@pytest.mark.parametrize("n", [1000, 1001, 10**9])
def test_small_population_is_taken_whole(n: int) -> None:
    drawn = sample(POPULATION, n)
    assert sorted(ids(drawn)) == list(range(1000))
    assert drawn["sampling_weight"].unique().to_list() == [1.0]


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


def test_missing_key_column_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="^key must be among the columns: id, value, not .*nothing"):
        sample(POPULATION, 1, key=("nothing",))


def test_population_with_a_column_that_the_sample_adds_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="rename them"):
        sample(POPULATION.with_columns(sampling_weight=1), 5)


def test_key_of_lists_is_refused() -> None:
    with pytest.raises(UnsupportedTypeError, match="identify rows by column 'id'"):
        SimpleRandom(n=1).draw(pl.LazyFrame({"id": [[1], [2]]}), ("id",))
