"""Guarantees that each design gives, whatever its rule."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import polars.testing
import pydantic
import pytest

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.arithmetic import ranks
from artifact_pipelines.sampling.arithmetic.elementary import uniforms
from artifact_pipelines.sampling.arithmetic.proportional_to_size import probabilities_of
from artifact_pipelines.sampling.designs import pps
from artifact_pipelines.sampling.drawing import Sample, draw
from artifact_pipelines.sampling.engine import population, smallest_ranks
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.registry import SamplingDesign
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers

ROWS = 1_500
SIZES = np.random.default_rng(2).lognormal(0, 1.5, ROWS)
POPULATION = pl.DataFrame(
    {
        "id": range(ROWS),
        "size": np.where(np.arange(ROWS) % 50 == 7, 0, SIZES),
        "shop": [f"shop {i * i % 61}" if i % 97 else None for i in range(ROWS)],
        "value": [i * i % 97 for i in range(ROWS)],
    }
)
DESIGNS: Mapping[str, dict[str, Any]] = {
    "weighted": {"design": "weighted", "n": 90, "weight": "size"},
    "sequential poisson": {"design": "pps", "n": 90, "size": "size"},
    "pareto": {"design": "pps", "n": 90, "size": "size", "method": "pareto"},
    "conditional poisson": {"design": "pps", "n": 90, "size": "size", "method": "conditional_poisson"},
    "cluster": {"design": "cluster", "clusters": 6, "cluster": "shop"},
    "cluster by size": {"design": "cluster", "clusters": 6, "cluster": ["shop"], "cluster_probabilities": "size"},
    "two-stage": {"design": "two_stage", "clusters": 12, "cluster": "shop", "rows_per_cluster": 7},
    "balanced": {"design": "balanced", "n": 90, "balance_on": ["value", "size"]},
}
FIXED = {"weighted": 90, "sequential poisson": 90, "pareto": 90, "conditional poisson": 90, "balanced": 90}
NESTING = {"weighted": "n", "sequential poisson": "n", "cluster": "clusters", "two-stage": "rows_per_cluster"}


def declared(name: str, **changes: object) -> ISamplingDesign:
    return pydantic.TypeAdapter[ISamplingDesign](SamplingDesign).validate_python({**DESIGNS[name], **changes})


def drawn(name: str, frame: pl.DataFrame = POPULATION, **changes: object) -> pl.DataFrame:
    return sample(name, frame, **changes).rows.collect().sort("id")


def sample(name: str, frame: pl.DataFrame = POPULATION, **changes: object) -> Sample:
    return draw(frame, declared(name, **changes), ["id"])


@pytest.mark.parametrize("name", DESIGNS)
def test_row_groups_threads_and_order_do_not_change_a_sample(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = drawn(name)
    monkeypatch.setattr(population, "THREADS", 4)
    monkeypatch.setattr(smallest_ranks, "_FEWEST", 50)
    shuffled = POPULATION.sample(fraction=1, shuffle=True, seed=1)
    shuffled.write_parquet(tmp_path / "table.parquet", row_group_size=64)
    from_file = draw(tmp_path / "table.parquet", declared(name), ["id"])
    polars.testing.assert_frame_equal(from_file.rows.collect().sort("id"), expected, check_exact=True)
    assert from_file.design == sample(name).design


@pytest.mark.parametrize("name", DESIGNS)
def test_another_seed_draws_another_sample_and_the_same_one_the_same(name: str) -> None:
    assert drawn(name).equals(drawn(name))
    assert drawn(name, seed=1)["id"].to_list() != drawn(name)["id"].to_list()


@pytest.mark.parametrize("name", DESIGNS)
def test_probabilities_are_above_0_and_at_most_1_and_weights_their_inverse(name: str) -> None:
    found = drawn(name)
    shares = found["inclusion_probability"]
    assert shares.min() > 0  # type: ignore[operator]
    assert shares.max() <= 1  # type: ignore[operator]
    np.testing.assert_allclose(found["sampling_weight"] * shares, 1)
    assert found["id"].is_unique().all()


@pytest.mark.parametrize("name", FIXED)
def test_size_is_exactly_the_one_that_the_design_fixes(name: str) -> None:
    for seed in range(5):
        assert drawn(name, seed=seed).height == FIXED[name]
    assert sample(name).design.planned == FIXED[name]


@pytest.mark.parametrize("name", NESTING)
def test_larger_sample_contains_the_smaller(name: str) -> None:
    size = DESIGNS[name][NESTING[name]]
    for more in (1, 3):
        larger = set(drawn(name, **{NESTING[name]: size + more})["id"])
        assert set(drawn(name)["id"]) < larger


@pytest.mark.parametrize("name", ["weighted", "sequential poisson", "pareto", "cluster", "two-stage"])
def test_data_grown_by_one_percent_change_little(name: str) -> None:
    grown = pl.concat([POPULATION, POPULATION.head(15).with_columns(pl.col("id") + ROWS)])
    before, after = set(drawn(name)["id"]), set(drawn(name, grown)["id"])
    assert len(before - after) <= 0.06 * len(before)


@pytest.mark.parametrize("name", DESIGNS)
def test_weighted_totals_are_unbiased_over_seeds(name: str) -> None:
    frame = POPULATION.filter(pl.col("size") > 0).head(200)
    changes = {key: 25 for key in ("n",) if key in DESIGNS[name]}
    totals = []
    for seed in range(30):
        found = drawn(name, frame, seed=seed, **changes)
        totals.append(float((found["value"] * found["sampling_weight"]).sum()))
    error = np.std(totals, ddof=1) / np.sqrt(len(totals))
    assert abs(np.mean(totals) - int(frame["value"].sum())) < 4 * error


@pytest.mark.parametrize("name", DESIGNS)
def test_small_population_is_drawn_whole_and_an_empty_one_gives_an_empty_sample(name: str) -> None:
    frame = POPULATION.filter(pl.col("size") > 0)
    few = frame.head(5)
    whole = sample(name, few)
    assert whole.rows.collect()["sampling_weight"].to_list() == [1.0] * 5
    assert any("all are drawn" in note for note in whole.design.notes)
    empty = drawn(name, frame.head(0))
    assert empty.height == 0
    assert empty.columns == whole.rows.collect().columns


@pytest.mark.parametrize("value", [None, -1.0, float("nan"), float("inf"), 1e-301])
@pytest.mark.parametrize(
    ("name", "field"), [("weighted", "weight"), ("pareto", "size"), ("conditional poisson", "size")]
)
def test_size_that_is_none_is_refused_with_its_row(name: str, field: str, value: float | None) -> None:
    sizes = [1.0] * 70 + [value] + [2.0] * 30
    frame = pl.DataFrame({"id": range(101), "size": sizes})
    with pytest.raises(
        InvalidArgumentError, match=f"^{field}: column 'size' in row 71 must be 0 or a number from 1e-300"
    ):
        drawn(name, frame)


def test_where_leaves_out_rows_with_unusable_sizes() -> None:
    frame = pl.DataFrame({"id": range(100), "size": [None, 1.0] * 50})
    assert drawn("weighted", frame, where="size IS NOT NULL", n=10).height == 10


@pytest.mark.parametrize("name", ["weighted", "pareto"])
def test_rows_of_size_0_are_never_drawn_and_counted_out(name: str) -> None:
    found = sample(name, n=1_470)
    assert found.rows.collect()["size"].min() > 0  # type: ignore[operator]
    assert found.design.frame.population_size == 1_470
    assert any(note.startswith("30 rows of") for note in found.design.notes)


@pytest.mark.parametrize("name", ["weighted", "pareto", "balanced"])
def test_column_of_text_is_no_size(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="must be a column of numbers, not .*'size', of type String"):
        drawn(name, POPULATION.with_columns(pl.col("size").cast(pl.String)))


@pytest.mark.parametrize("name", DESIGNS)
def test_unknown_column_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="among the columns: id, nothing"):
        drawn(name, pl.DataFrame({"id": [1], "nothing": [2]}))


@pytest.mark.parametrize("name", ["sequential poisson", "pareto"])
def test_sample_does_not_depend_on_how_many_rows_a_pass_keeps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = drawn(name)
    monkeypatch.setattr(pps, "_margin", lambda n: 0)
    assert drawn(name).equals(expected)


@pytest.mark.parametrize("name", ["sequential poisson", "pareto"])
def test_pps_sample_is_the_n_smallest_ranks_of_the_whole_population(name: str) -> None:
    rank = {"pareto": ranks.pareto_ranks, "sequential poisson": ranks.sequential_poisson_ranks}[name]
    sizes = POPULATION["size"].to_numpy()
    numbers = permanent_random_numbers(POPULATION.select("id"), 0)
    expected = np.argsort(rank(uniforms(numbers), probabilities_of(90, sizes)))[:90]
    assert drawn(name)["id"].to_list() == sorted(expected)


def test_weighted_sample_is_the_n_smallest_ranks_of_the_whole_population() -> None:
    numbers = permanent_random_numbers(POPULATION.select("id"), 0)
    expected = np.argsort(ranks.successive_ranks(uniforms(numbers), POPULATION["size"].to_numpy()))[:90]
    assert drawn("weighted")["id"].to_list() == sorted(expected)
