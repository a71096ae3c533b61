import collections
import pathlib
from typing import Any

import polars as pl
import pydantic
import pytest

from artifact_pipelines.sampling.designs.systematic import Systematic
from artifact_pipelines.sampling.drawing import draw
from artifact_pipelines.sampling.engine.population import Population
from artifact_pipelines.sampling.engine.rows import Identity, Rows

POPULATION = pl.DataFrame({"id": range(1000), "value": [i * i % 97 for i in range(1000)]})


@pytest.mark.parametrize("fields", [{"n": 4}, {"interval": 2.5}, {"n": 10}, {"interval": 1}, {"n": 3}, {"n": 20}])
def test_each_row_has_exactly_its_probability_over_all_starts(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start s is in [0, 1): every 120th of it gives all samples of ten rows, each as often as it should be."""
    rows = Rows(Population(POPULATION.head(10).lazy(), [0, 3, 10]), Identity((), 0))
    seen: collections.Counter[int] = collections.Counter()
    for step in range(120):
        start = step * 2**64 // 120 + 1
        monkeypatch.setattr(Identity, "numbers_for", lambda *_, start=start: [start])
        choice = Systematic(**fields).choose(rows)
        seen.update(choice.rows["__ordinal"].to_list())
        share = choice.rows["inclusion_probability"][0]
        assert choice.planned is None or choice.rows.height == min(choice.planned, 10)
    assert {row: count / 120 for row, count in seen.items()} == dict.fromkeys(range(10), pytest.approx(share))


@pytest.mark.parametrize("interval", [1, 1.3333333333333333, 7, 12.5, 999.5])
def test_drawn_rows_are_an_interval_apart(interval: float) -> None:
    ids = draw(POPULATION, Systematic(interval=interval, seed=5)).rows.collect()["id"]
    assert abs(len(ids) - 1000 / interval) < 1
    assert {int(step) for step in ids.diff().drop_nulls()} <= {int(interval), int(interval) + 1}
    assert ids[0] < interval


@pytest.mark.parametrize(("fields", "size"), [({"n": 37}, 37), ({"fraction": 0.1}, 100), ({"n": 1000}, 1000)])
def test_size_is_exact(fields: dict[str, Any], size: int) -> None:
    for seed in range(5):
        drawn = draw(POPULATION, Systematic(**fields, seed=seed))
        rows = drawn.rows.collect()
        assert rows.height == drawn.design.planned == size
        assert rows["sampling_weight"].sum() == pytest.approx(1000)


def test_interval_of_many_digits_draws_as_many_rows_of_a_long_list() -> None:
    found = draw(pl.DataFrame({"id": range(100_000)}), Systematic(interval=3.3333333333333335)).rows.collect()
    assert found.height == 30_000
    assert set(found["id"].diff().drop_nulls()) == {3, 4}


def test_list_may_be_sorted_by_columns(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "table.parquet"
    POPULATION.with_columns(pl.when(pl.col("id") != 5).then("value").alias("value")).write_parquet(
        path, row_group_size=64
    )
    drawn = draw(path, Systematic(interval=10, order_by=["value"], seed=1)).rows.collect()
    listed = pl.read_parquet(path).sort("value", nulls_last=True, maintain_order=True).with_row_index()
    found = listed.join(drawn, on="id", maintain_order="left")["index"]
    assert found.diff().drop_nulls().unique().to_list() == [10]
    assert drawn["id"].to_list() == listed.join(drawn, on="id", how="semi", maintain_order="left")["id"].to_list()


def test_condition_leaves_a_shorter_list() -> None:
    drawn = draw(POPULATION, Systematic(interval=10, where="id % 2 = 0")).rows.collect()
    assert drawn["id"].diff().drop_nulls().unique().to_list() == [20]


@pytest.mark.parametrize("fields", [{"n": 5}, {"fraction": 0.5}, {"interval": 3}])
@pytest.mark.parametrize("order", [[], ["value"]])
def test_empty_population_gives_an_empty_sample(fields: dict[str, Any], order: list[str]) -> None:
    assert draw(POPULATION.head(0), Systematic(**fields, order_by=order)).rows.collect().height == 0


def test_small_population_is_taken_whole() -> None:
    drawn = draw(POPULATION.head(5), Systematic(n=6))
    assert drawn.rows.collect()["id"].to_list() == [0, 1, 2, 3, 4]
    assert drawn.design.notes == ["The population has only 5 rows: all are drawn."]


@pytest.mark.parametrize("fields", [{}, {"n": 1, "interval": 2}, {"fraction": 0.5, "interval": 2}])
def test_one_of_the_sizes_is_required(fields: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError, match="give one of n, fraction and interval"):
        Systematic(**fields)
