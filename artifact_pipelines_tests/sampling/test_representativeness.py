"""A sample against the rows that it was drawn from: no false alarms, and none missed."""

import dataclasses
import datetime
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.sampling import draw
from artifact_pipelines.sampling.drawing import Sample
from artifact_pipelines.sampling.engine.choice import Choice, chosen_rows
from artifact_pipelines.sampling.findings import representativeness
from artifact_pipelines.sampling.representativeness.comparison import (
    ColumnDistance,
    compare_with_frame,
    distances_table,
)
from artifact_pipelines.sampling.representativeness.weights import Weights

RANDOM = np.random.default_rng(1)
ROWS = 10_000
CLUSTERS = np.repeat(np.arange(200), 50)
TABLE = pl.DataFrame(
    {
        "id": np.arange(ROWS),
        "normal": RANDOM.normal(size=ROWS),
        "size": RANDOM.lognormal(0, 1.5, ROWS),
        "flag": RANDOM.random(ROWS) < 0.02,
        "letter": RANDOM.choice(list("abcdefghij"), ROWS),
        "cluster_id": CLUSTERS,
        "of_cluster": CLUSTERS + RANDOM.normal(size=ROWS),
        "day": [datetime.date(2024, 1, 1) + datetime.timedelta(days=row % 365) for row in range(ROWS)],
        "region": RANDOM.choice(list("nsew"), ROWS, p=[0.7, 0.2, 0.08, 0.02]),
    }
)


def distances(sample: Sample) -> Mapping[str, ColumnDistance]:
    return {each.column: each for each in compare_with_frame(sample)}


def check(sample: Sample) -> CheckResult:
    return representativeness(sample.design, compare_with_frame(sample))


def with_rows(sample: Sample, ordinals: Sequence[int]) -> Sample:
    """Return a sample of other rows, which claims to be drawn by the same design."""
    rows = chosen_rows(np.array(ordinals), len(ordinals) / sample.choice.population_size)
    return dataclasses.replace(sample, choice=Choice(rows, sample.choice.population_size))


@pytest.mark.parametrize(
    "design",
    [
        {"n": 20},
        {"n": 500},
        {"n": 5000},
        {"design": "poisson", "probability": "least(1, size / 100)"},
        {"design": "stratified", "by": "region", "n": 400, "allocation": "equal"},
        {"design": "pps", "n": 200, "size": "size"},
        {"design": "cluster", "cluster": "cluster_id", "clusters": 10},
        {"design": "two_stage", "cluster": "cluster_id", "clusters": 20, "rows_per_cluster": 5},
        {"design": "simple_random_with_replacement", "n": 300},
        {"n": 300, "where": "region = 'n'"},
    ],
    ids=str,
)
def test_random_samples_of_every_design_are_in_line(design: Mapping[str, Any]) -> None:
    for seed in range(4):
        found = check(draw(TABLE, {**design, "seed": seed}, key=["id"]))
        assert found.passed, found.text


def test_rows_that_are_not_random_are_found_by_the_column_that_shows_it() -> None:
    sample = draw(TABLE, {"n": 500}, key=["id"])
    found = check(with_rows(sample, range(500)))
    assert not found.passed
    assert not found.is_error
    assert found.text.startswith("cluster_id: 90.0 % of the weight lies elsewhere (by chance about ")
    assert {"id", "cluster_id", "of_cluster", "day"} == {
        name for name, each in distances(with_rows(sample, range(500))).items() if not each.is_in_line(9)
    }
    assert found.figures == {"sample/largest_distance": pytest.approx(0.9, abs=0.01), "sample/columns_off": 4}


def test_weights_make_unequal_probabilities_represent_the_frame() -> None:
    sample = draw(TABLE, {"design": "stratified", "by": "region", "n": 800, "allocation": "equal"}, key=["id"])
    weighted = distances(sample)["region"]
    assert weighted.distance == pytest.approx(0, abs=1e-9)
    assert weighted.chance == pytest.approx(1)
    as_equal = with_rows(sample, sample.choice.ordinals().tolist())
    assert distances(as_equal)["region"].distance > 0.4


def test_distance_and_chance_are_those_of_the_formulas() -> None:
    table = pl.DataFrame({"letter": ["a"] * 500 + ["b"] * 500})
    sample = with_rows(draw(table, {"n": 100}), [*range(60), *range(500, 540)])
    [found] = compare_with_frame(sample)
    variance = (1 - 100 / 1000) * 0.5 * 0.5 / 100
    assert found.distance == pytest.approx(0.1)
    assert found.noise == pytest.approx(2 * math.sqrt(variance / (2 * math.pi)))
    assert found.chance == pytest.approx(math.erfc(0.1 / math.sqrt(variance) / math.sqrt(2)))
    assert found.in_sample == pytest.approx({"a": 0.6, "b": 0.4}[found.category])


def test_variance_of_clusters_is_that_of_their_totals() -> None:
    groups, shares = np.array([0, 0, 1, 1]), np.array([0.5, 0.5])
    by_themselves = Weights(np.full(4, 10.0), None)
    assert by_themselves.variances(groups, shares) == pytest.approx([4 * 10 * 9 * 0.25 / 1600] * 2)
    in_clusters = Weights(np.full(4, 10.0), np.array([0, 0, 1, 1]))
    assert in_clusters.variances(groups, shares) == pytest.approx([2 * 10**2 / 1600] * 2)
    assert in_clusters.inverse_size == pytest.approx(2 * 20**2 / 1600)


def test_strata_without_a_row_are_named() -> None:
    design = {"design": "stratified", "by": "region", "n": 2}
    found = check(draw(TABLE, design, key=["id"]))
    assert not found.passed
    assert "strata without a row hold " in found.text
    few = pl.DataFrame({"region": ["n"] * 990 + ["s"] * 10, "id": range(1000)})
    small = check(draw(few, {**design, "n": 10}, key=["id"]))
    assert small.passed
    assert small.text.endswith("strata without a row hold 1.0 % of the frame: s")


def test_sample_of_everything_it_stands_for_is_not_compared() -> None:
    for design in ({"n": ROWS}, {"design": "custom", "condition": "id < 10"}, {"design": "split", "shares": {"a": 1}}):
        found = check(draw(TABLE, design, key=["id"]))
        assert (found.passed, found.text) == (True, "the sample has all rows that it stands for")
    empty = check(draw(TABLE, {"n": 10, "where": "id < 0"}, key=["id"]))
    assert empty.passed


def test_odd_columns_are_compared_or_left_out(tmp_path: pathlib.Path) -> None:
    table = pl.DataFrame(
        {
            "nothing": pl.Series([None] * 400, dtype=pl.Null),
            "nulls": pl.Series([None] * 400, dtype=pl.Int64),
            "list": [[1]] * 400,
            "binary": [b"\xff"] * 400,
            "wide": [2**63 - 1, -(2**63)] * 200,
            "odd": [math.nan, math.inf, -math.inf, None] * 100,
            "zone": pl.Series([0, 10**15] * 200).cast(pl.Datetime("us", "Europe/Rome")),
            "time": [datetime.time(1), datetime.time(2)] * 200,
            "span": [datetime.timedelta(days=number) for number in range(400)],
            "category": pl.Series(["a|c", "b|c"] * 200, dtype=pl.Categorical),
            "forever": pl.Series([2**31 - 1, 0] * 200, dtype=pl.Int64).cast(pl.Date),
            "decimal": pl.Series(["1.5", "2.5"] * 200).cast(pl.Decimal(20, 2)),
        }
    )
    table.write_parquet(tmp_path / "odd.parquet", row_group_size=100)
    found = distances(draw(tmp_path / "odd.parquet", {"n": 200}))
    assert set(table.columns) - set(found) == {"nothing", "list", "binary"}
    assert all(each.is_in_line(len(found)) for each in found.values())
    assert "\\|c" in distances_table(list(found.values()))


def test_large_samples_are_compared_by_some_of_their_rows() -> None:
    rows = 200_000
    table = pl.DataFrame({"normal": np.random.default_rng(3).normal(size=rows), "half": [0, 1] * (rows // 2)})
    sample = draw(table, {"n": 100_000})
    assert check(sample).passed
    biased = with_rows(sample, [row for row in range(rows) if row % 2 or row % 4 == 0][:100_000])
    assert distances(biased)["half"].distance == pytest.approx(1 / 6, abs=0.01)
    assert not check(biased).passed
