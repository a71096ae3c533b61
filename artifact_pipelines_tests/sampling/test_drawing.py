"""Guarantees of every design, shown on a simple random one: the engine is the same for all."""

import pathlib
from typing import Any

import numpy as np
import polars as pl
import polars.testing
import pytest

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.designs.bernoulli import Bernoulli
from artifact_pipelines.sampling.designs.simple_random import SimpleRandom
from artifact_pipelines.sampling.drawing import draw
from artifact_pipelines.sampling.engine import population, repeats
from artifact_pipelines.sampling.engine.population import Population
from artifact_pipelines.sampling.engine.rows import Identity, Rows
from artifact_pipelines.sampling.exceptions import InvalidDesignError

POPULATION = pl.DataFrame({"id": range(1000), "value": [i * i % 97 for i in range(1000)]})
DESIGN = SimpleRandom(n=100)


@pytest.mark.parametrize("key", [(), ("id",)])
@pytest.mark.parametrize(("threads", "group_rows"), [(1, 1000), (2, 7), (4, 64), (3, 999)])
def test_threads_and_row_groups_do_not_change_a_sample(
    key: tuple[str, ...], threads: int, group_rows: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(population, "THREADS", threads)
    POPULATION.write_parquet(tmp_path / "table.parquet", row_group_size=group_rows)
    from_file = draw(tmp_path / "table.parquet", DESIGN, key)
    from_frame = draw(pl.concat([POPULATION[:10], POPULATION[10:]], rechunk=False), DESIGN, key)
    polars.testing.assert_frame_equal(from_file.rows.collect(), from_frame.rows.collect())
    assert from_file.design == from_frame.design


def test_order_of_the_rows_does_not_change_a_sample_with_a_key() -> None:
    shuffled = POPULATION.sample(fraction=1, shuffle=True, seed=1)
    found, expected = (draw(frame, DESIGN, ["id"]).rows.collect() for frame in (shuffled, POPULATION))
    polars.testing.assert_frame_equal(found.sort("id"), expected)


def test_data_grown_by_one_percent_change_about_one_percent_of_a_sample() -> None:
    grown = pl.concat([POPULATION, POPULATION.with_columns(pl.col("id") + 1000).head(10)])
    before, after = (set(draw(frame, DESIGN, ["id"]).rows.collect()["id"]) for frame in (POPULATION, grown))
    assert len(before - after) <= 4


def test_key_that_becomes_text_keeps_its_sample() -> None:
    """999 numeric ids, then a text: CSV readers turn the whole column into text."""
    numeric = pl.DataFrame({"id": range(1, 1000)})
    textual = pl.DataFrame({"id": [*map(str, range(1, 1000)), "A1"]})
    before = set(draw(numeric, SimpleRandom(n=50), ["id"]).rows.collect()["id"].cast(pl.String))
    after = set(draw(textual, SimpleRandom(n=50), ["id"]).rows.collect()["id"])
    assert len(before - after) <= 1


def test_only_requested_columns_are_in_the_sample() -> None:
    drawn = draw(POPULATION, SimpleRandom(n=5, columns=["value"]), ["id"]).rows.collect()
    assert drawn.columns == ["value", "inclusion_probability", "sampling_weight"]


def test_part_of_a_sample_is_read_lazily() -> None:
    rows = draw(POPULATION, DESIGN, ["id"]).rows
    whole = rows.collect()
    assert rows.select("sampling_weight").collect().equals(whole.select("sampling_weight"))
    assert rows.head(3).collect().equals(whole.head(3))
    assert rows.filter(pl.col("id") < 100).collect().equals(whole.filter(pl.col("id") < 100))


@pytest.mark.parametrize(
    ("design", "key", "message"),
    [
        (DESIGN, ["nothing"], "^key must be among the columns: id, value, not .*nothing"),
        (SimpleRandom(n=1, columns=["nothing"]), [], "^columns must be among the columns: id, value, not .*nothing"),
    ],
)
def test_unknown_column_is_refused(design: SimpleRandom, key: list[str], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        draw(POPULATION, design, key)


def test_population_with_a_column_that_the_sample_adds_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="rename them"):
        draw(POPULATION.with_columns(sampling_weight=1), DESIGN)


def test_key_of_lists_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="^key must be of columns without nested values"):
        draw(pl.DataFrame({"id": [[1], [2]]}), DESIGN, ["id"])


def test_condition_limits_the_population() -> None:
    drawn = draw(POPULATION, SimpleRandom(n=5, where="id % 2 = 1 AND value < 50"))
    rows = drawn.rows.collect()
    eligible = POPULATION.filter((pl.col("id") % 2 == 1) & (pl.col("value") < 50)).height
    assert rows.height == 5
    assert (rows["id"] % 2 == 1).all()
    assert rows["sampling_weight"].sum() == pytest.approx(eligible)
    assert (drawn.design.frame.rows, drawn.design.frame.population_size) == (1000, eligible)


@pytest.mark.parametrize("cuts", [(), (10, 500)])
def test_row_keeps_its_number_whatever_the_condition(cuts: tuple[int, ...]) -> None:
    """So the sample of a part of the population is the part of a larger sample."""
    ranked = draw(POPULATION, SimpleRandom(n=400)).rows.collect().filter(pl.col("id") < 100)["id"]
    assert set(draw(POPULATION, SimpleRandom(n=10, where="id < 100")).rows.collect()["id"]) <= set(ranked)


def test_condition_that_is_null_draws_nothing() -> None:
    nulls = pl.DataFrame({"a": [None, 1, None]}, schema={"a": pl.Int64})
    assert draw(nulls, SimpleRandom(n=3, where="a > 0")).rows.collect()["a"].to_list() == [1]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "n: give either n, the rows to draw, or fraction, their share of the population."),
        ({"n": 0}, "n: 0 is not accepted: input should be greater than 0."),
        ({"fraction": "10%"}, "fraction: '10%' is not accepted: input should be a valid number"),
        ({"design": "simpel"}, "design: 'simpel' is none of simple_random, "),
        ({"n": 5, "seeds": 3}, "seeds: there is no field `seeds`. Fields: design, seed, where"),
        ({"n": 5, "identity": "rows"}, "identity: 'rows' is none of key, position, row. Did you mean `row`?"),
        ({"n": 5, "order_by": "id"}, "order_by: a list such as `[name]` is expected here, not 'id'."),
        (
            {"n": 5, "exclude": [{"n": 2}, {"n": -3}]},
            "exclude.1.n: -3 is not accepted: input should be greater than 0.",
        ),
        ({"n": 5, "exclude": [{"n": 2, "fraction": 0.1}]}, "exclude.0.n: give either n, the rows to draw, or fraction"),
        ({"n": True}, "n: true is no number."),
        ({"fraction": True}, "fraction: true is no number."),
        ({"n": 5, "panel": {"wave": False, "overlap": 0.5}}, "panel.wave: false is no number."),
        ({"design": "split", "shares": {"train": True}}, "shares: true is no number."),
        ({"design": "multi_round", "rounds": [{"n": True}]}, "rounds.0.n: true is no number."),
        ({"n": 5, "columns": []}, "columns: [] is not accepted: it must not be empty."),
        ({"design": "stratified", "by": 2024, "n": 5}, "by: 2024 is no column, SQL expression or list of columns."),
        ({"design": "multi_round", "rounds": [{"n": 2}, {"n": -3}]}, "rounds.1.n: -3 is not accepted"),
        (
            {"design": "simple_random_with_replacement", "n": 10**9},
            "n: 1000000000 is not accepted: input should be less",
        ),
        ("n: 3", "fields such as `name: value` are expected here, not 'n: 3'."),
    ],
)
def test_wrong_field_of_a_design_is_one_sentence_with_field_value_and_remedy(fields: Any, problem: str) -> None:
    with pytest.raises(InvalidDesignError) as caught:
        draw(POPULATION, fields)
    assert str(caught.value).startswith(f"The sampling design is wrong. {problem}")
    assert "pydantic" not in str(caught.value)


def test_table_of_another_library_is_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidArgumentError, match=r"a frame of polars, such as `pl\.from_pandas"):
        draw([1, 2], DESIGN)  # type: ignore[arg-type]


def test_table_whose_sizes_are_all_0_says_so() -> None:
    drawn = draw(pl.DataFrame({"size": [0, 0]}), {"design": "pps", "n": 1, "size": "size"})
    assert drawn.design.notes == ["No row could be drawn: the table has no size above 0."]


def test_sample_is_sorted_as_asked() -> None:
    drawn = draw(POPULATION, SimpleRandom(n=50, columns=["id"], order_by=["value", "id"])).rows.collect()
    expected = draw(POPULATION, SimpleRandom(n=50)).rows.collect().sort("value", "id")
    assert drawn.equals(expected.select("id", "inclusion_probability", "sampling_weight"))


def test_rows_without_some_are_the_others() -> None:
    rows = Rows(Population(POPULATION.lazy(), [0, 10, 10, 600, 1000]), Identity((), 0))
    left = rows.without(np.array([0, 9, 10, 599, 999])).without(np.array([1]))
    assert left.count == 994
    parts = left.map(lambda batch: list(zip(batch.ordinals, batch.read(["id"])["id"], strict=True)))
    found = [pair for part in parts for pair in part]
    assert [ordinal for ordinal, _ in found] == [i for i in range(1000) if i not in (0, 1, 9, 10, 599, 999)]
    assert all(ordinal == value for ordinal, value in found)


@pytest.mark.parametrize("at_once", [10_000_000, 37])
def test_repeated_keys_are_told_apart_and_said(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "_AT_ONCE", at_once)
    twice = pl.concat([POPULATION, POPULATION.head(400)])
    drawn = draw(twice, Bernoulli(probability=0.5), ["id"])
    counts = drawn.rows.collect().group_by("id").len()
    assert 60 < counts.filter(pl.col("len") == 2).height < 140, "about a quarter of 400, not half of them"
    assert drawn.design.notes == [
        "The key does not identify 400 rows, whose key stands before them: they are told apart by position."
    ]
    once = set(draw(POPULATION, Bernoulli(probability=0.5), ["id"]).rows.collect()["id"])
    assert once <= set(counts["id"]), "the first row of a key draws the number of the key"


def test_key_that_says_almost_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MOST_REPEATED", 900)
    with pytest.raises(InvalidArgumentError, match="^key must be columns whose values repeat in 900 rows at most"):
        draw(POPULATION, DESIGN, ["value"])


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 5},
        {"design": "stratified", "by": "id", "n": 5},
        {"design": "simple_random_with_replacement", "n": 5},
        {"design": "bernoulli", "probability": 0.5},
    ],
)
def test_sample_of_nothing_says_why(fields: dict[str, Any]) -> None:
    table = pl.DataFrame({"id": [1, 2]})
    assert draw(table[:0], fields).design.notes == ["No row could be drawn: the table has no rows."]
    notes = draw(table, {**fields, "where": "id > 2"}).design.notes
    assert notes == ["No row could be drawn: the table has no row with `id > 2`."]
