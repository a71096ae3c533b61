import collections
import itertools
import pathlib
from typing import Any

import numpy as np
import polars as pl
import polars.testing
import pydantic
import pytest

from artifact_pipelines.core.exceptions import InvalidArgumentError, UsageError
from artifact_pipelines.sampling.designs.simple_random import SimpleRandom
from artifact_pipelines.sampling.designs.stratified import Stratified
from artifact_pipelines.sampling.drawing import Sample, draw
from artifact_pipelines.sampling.engine import strata
from artifact_pipelines_tests.sampling.tiny import rows_in_every_order

ROWS = 3_000
POPULATION = pl.DataFrame(
    {
        "id": range(ROWS),
        "region": ["north" if i % 10 < 6 else "south" if i % 10 < 9 else None for i in range(ROWS)],
        "kind": [i % 3 for i in range(ROWS)],
        "value": [float(i % 10 < 6) * (i % 7) + i % 2 for i in range(ROWS)],
    }
)


def sample(frame: pl.DataFrame = POPULATION, **fields: Any) -> Sample:
    return draw(frame, Stratified(**{"by": "region", **fields}), ["id"])


def drawn_by_stratum(found: Sample) -> dict[str | None, int]:
    counts = found.rows.collect().group_by("stratum").len()
    return dict(zip(counts["stratum"], counts["len"], strict=True))


def test_every_pair_of_samples_of_the_strata_is_equally_likely() -> None:
    """Exactly: over every order that the numbers of a small population can have."""
    frame = pl.DataFrame({"s": ["a", "b", "a", "b", "a"]})
    seen = collections.Counter(
        tuple(Stratified(by="s", fixed={"a": 2, "b": 1}).choose(rows).ordinals().tolist())
        for rows in rows_in_every_order(frame)
    )
    of_both = itertools.product(itertools.combinations([0, 2, 4], 2), [1, 3])
    assert seen == {tuple(sorted([*a, b])): 120 // 6 for a, b in of_both}


def test_rows_of_a_stratum_are_those_with_the_smallest_numbers() -> None:
    found = sample(n=300).rows.collect()
    alone = draw(POPULATION, SimpleRandom(n=180, where="region = 'north'"), ["id"]).rows.collect()
    assert found.filter(pl.col("region") == "north")["id"].equals(alone["id"])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"n": 300}, {"north": 180, "south": 90, None: 30}),
        ({"fraction": 0.1}, {"north": 180, "south": 90, None: 30}),
        ({"n": 300, "allocation": "equal"}, {"north": 100, "south": 100, None: 100}),
        ({"n": 900, "allocation": "equal"}, {"north": 300, "south": 300, None: 300}),
        ({"n": 1500, "allocation": "equal"}, {"north": 600, "south": 600, None: 300}),
        ({"n": 300, "allocation": "power", "power": 1}, {"north": 180, "south": 90, None: 30}),
        ({"n": 300, "min_per_stratum": 50}, {"north": 167, "south": 83, None: 50}),
        ({"n": 300, "max_per_stratum": 120}, {"north": 120, "south": 120, None: 60}),
        ({"fixed": {"north": 7, "south": 5, "null": 3}}, {"north": 7, "south": 5, None: 3}),
        ({"fixed": {"north": 7}, "fixed_others": 4}, {"north": 7, "south": 4, None: 4}),
        ({"n": 5000}, {"north": 1800, "south": 900, None: 300}),
    ],
)
def test_sizes_are_those_of_the_allocation(fields: dict[str, Any], expected: dict[str | None, int]) -> None:
    found = sample(**fields)
    assert drawn_by_stratum(found) == expected
    assert {each.stratum: each.drawn for each in found.design.strata} == expected
    assert {each.stratum: each.population_size for each in found.design.strata} == {
        "north": 1800,
        "south": 900,
        None: 300,
    }


def test_neyman_gives_more_rows_to_a_stratum_of_more_spread() -> None:
    found = drawn_by_stratum(sample(n=300, allocation="neyman", variable="value"))
    spread = {
        label: size * float(POPULATION.filter(pl.col("region").eq_missing(label))["value"].std())  # type: ignore[arg-type]
        for label, size in (("north", 1800), ("south", 900), (None, 300))
    }
    expected = {label: 300 * one / sum(spread.values()) for label, one in spread.items()}
    assert found == {label: pytest.approx(one, abs=2) for label, one in expected.items()}


def test_weights_stand_for_each_stratum() -> None:
    rows = sample(n=100, allocation="equal").rows.collect()
    totals = rows.group_by("stratum").agg(pl.col("sampling_weight").sum()).sort("stratum", nulls_last=True)
    np.testing.assert_allclose(totals["sampling_weight"], [1800, 900, 300])


def test_planned_rows_are_those_that_a_limit_of_strata_leaves() -> None:
    assert sample(n=300, max_per_stratum=50).design.planned == 150


def test_strata_that_are_short_are_exhausted() -> None:
    found = sample(fixed={"north": 10, "south": 1000, "null": 300})
    assert [(each.stratum, each.planned, each.drawn) for each in found.design.exhausted] == [("south", 1000, 900)]
    assert sample(n=1500, allocation="equal").design.exhausted[0].stratum is None


@pytest.mark.parametrize("fields", [{"n": 200}, {"n": 200, "allocation": "equal"}, {"n": 200, "min_per_stratum": 60}])
def test_larger_sample_contains_the_smaller(fields: dict[str, Any]) -> None:
    fewer, more = (set(sample(**{**fields, "n": n}).rows.collect()["id"]) for n in (200, 260))
    assert fewer < more


@pytest.mark.parametrize("fields", [{"n": 300}, {"n": 800, "allocation": "equal"}, {"n": 90, "by": ["region", "kind"]}])
def test_row_groups_and_order_do_not_change_a_sample(
    fields: dict[str, Any], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sample(**fields)
    monkeypatch.setattr(strata, "_AT_ONCE", 3)
    POPULATION.sample(fraction=1, shuffle=True, seed=1).write_parquet(tmp_path / "table.parquet", row_group_size=64)
    found = draw(tmp_path / "table.parquet", Stratified(**{"by": "region", **fields}), ["id"])
    polars.testing.assert_frame_equal(found.rows.collect().sort("id"), expected.rows.collect(), check_exact=True)
    assert found.design == expected.design


def test_strata_are_read_again_only_if_too_few_rows_were_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sample(n=300).rows.collect()
    monkeypatch.setattr(strata, "_MARGIN", 0.01)
    assert sample(n=300).rows.collect().equals(expected)


def test_strata_may_be_of_several_columns_or_of_an_expression() -> None:
    of_columns = sample(n=90, by=["region", "kind"])
    assert [each.stratum for each in of_columns.design.strata][:4] == ["north|0", "north|1", "north|2", "null|0"]
    of_expression = sample(n=90, by="kind = 1").rows.collect()
    assert set(of_expression["stratum"]) == {"true", "false"}


def test_fixed_sizes_are_for_strata_of_numbers_too() -> None:
    assert drawn_by_stratum(sample(by="kind", fixed={0: 3, 1: 2, 2: 1})) == {"0": 3, "1": 2, "2": 1}
    assert drawn_by_stratum(sample(by="kind = 1", fixed={True: 2, False: 1})) == {"true": 2, "false": 1}


@pytest.mark.parametrize("kind", [pl.List(pl.Int64), pl.Struct({"a": pl.Int64})])
def test_strata_of_nested_values_are_refused(kind: pl.DataType) -> None:
    frame = pl.DataFrame({"id": [1], "a": pl.Series([None], dtype=kind)})
    with pytest.raises(UsageError, match="^by must be of columns without nested values, not .a of type "):
        sample(frame, n=1, by=["a"])


NAMES = [("x|y", "z"), ("x", "y|z"), (None, "z"), ("null", "z"), ("\\null", "z"), (None, None)]


def test_names_of_strata_stay_apart_and_so_the_rows_that_are_drawn() -> None:
    frame = pl.DataFrame([[*pair, number] for number in range(9) for pair in NAMES], ["a", "b", "number"], orient="row")
    found = sample(frame.with_row_index("id"), n=9, by=["a", "b"])
    assert [each.stratum for each in found.design.strata] == [
        "\\\\null|z",
        "\\null|z",
        "null|null",
        "null|z",
        "x\\|y|z",
        "x|y\\|z",
    ]
    ids = found.rows.collect()["id"].to_list()
    assert all(
        sample(frame.with_row_index("id"), n=9, by=["a", "b"]).rows.collect()["id"].to_list() == ids for _ in range(5)
    )


def test_null_stratum_can_be_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="^by must be without nulls"):
        sample(n=10, null_strata="error")


def test_strata_without_a_row_are_noted() -> None:
    notes = sample(n=2, by="kind").design.notes
    assert notes == ["Strata without a row in the sample: 1. No weight stands for their 1,000 rows."]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fixed": {"north": 1}}, "^fixed must be the rows of every stratum, also of null, south"),
        ({"fixed": {"north": 1, "south": 1, "null": 1, "west": 1}}, "west"),
        ({"n": 100, "min_per_stratum": 40}, "^n must be at least 120, the minima of all 3 strata"),
        ({"n": 10, "by": "nothing"}, "^by: 'nothing' is not one SQL expression"),
        ({"n": 10, "by": ["nothing"]}, "^by must be among the columns"),
        ({"n": 10, "allocation": "neyman", "variable": "region"}, "variable must be a column of numbers"),
    ],
)
def test_field_that_does_not_fit_the_table_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sample(**fields)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "fixed"),
        ({"n": 1, "fixed": {"a": 1}}, "fixed"),
        ({"n": 1, "allocation": "neyman"}, "variable"),
        ({"n": 1, "allocation": "other"}, "allocation"),
        ({"n": 1, "max_per_stratum": 0}, "max_per_stratum"),
        ({"n": 9, "min_per_stratum": 3, "max_per_stratum": 2}, "max_per_stratum"),
    ],
)
def test_wrong_field_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        Stratified(**{"by": "region", **fields})
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


def test_empty_population_gives_an_empty_sample() -> None:
    assert sample(POPULATION.head(0), n=5).rows.collect().columns[-3:] == [
        "inclusion_probability",
        "sampling_weight",
        "stratum",
    ]
