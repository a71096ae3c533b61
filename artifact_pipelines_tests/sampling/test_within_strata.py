"""Another design within each stratum: sizes, weights, and independence of the strata."""

from typing import Any

import numpy as np
import polars as pl
import pydantic
import pytest

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.arithmetic.proportional_to_size import probabilities_of
from artifact_pipelines.sampling.designs.systematic import Systematic
from artifact_pipelines.sampling.drawing import Sample, draw
from artifact_pipelines.sampling.fields import within
from artifact_pipelines.sampling.findings import findings, tally
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.registry import SamplingDesign

ROWS = 3_000
TABLE = pl.DataFrame(
    {
        "id": range(ROWS),
        "region": ["north" if i % 10 < 6 else "south" if i % 10 < 9 else None for i in range(ROWS)],
        "size": np.random.default_rng(3).lognormal(0, 1, ROWS),
        "shop": [i % 7 + i // 600 for i in range(ROWS)],
    }
)
N_H = {"north": 1_800, "south": 900, None: 300}
SIZED = [
    {"design": "systematic", "order_by": ["size"]},
    {"design": "pps", "size": "size"},
    {"design": "pps", "size": "size", "method": "conditional_poisson"},
    {"design": "weighted", "weight": "size"},
    {"design": "balanced", "balance_on": ["size"]},
]


def sample(design: dict[str, Any], frame: pl.DataFrame = TABLE, **fields: Any) -> Sample:
    return draw(frame, {"design": "stratified", "by": "region", "within": design, **fields}, ["id"])


def by_stratum(found: Sample) -> dict[str | None, pl.DataFrame]:
    return {one[0]: rows for one, rows in found.rows.collect().partition_by("stratum", as_dict=True).items()}


@pytest.mark.parametrize("design", SIZED)
def test_each_stratum_gives_the_rows_of_its_allocation(design: dict[str, Any]) -> None:
    found = sample(design, n=300)
    expected = {"north": 180, "south": 90, None: 30}
    assert {label: rows.height for label, rows in by_stratum(found).items()} == expected
    assert [(one.stratum, one.population_size, one.planned, one.drawn) for one in found.design.strata] == [
        (label, N_H[label], n, n) for label, n in expected.items()
    ]
    assert (found.design.planned, found.design.frame.population_size) == (300, ROWS)
    assert all(rows["region"].eq_missing(rows["stratum"]).all() for rows in by_stratum(found).values())


@pytest.mark.parametrize("design", [*SIZED, {"design": "bernoulli"}, {"design": "poisson", "size": "size"}])
def test_weights_of_a_stratum_stand_for_its_rows(design: dict[str, Any]) -> None:
    found = sample(design, n=600, allocation="equal")
    for label, rows in by_stratum(found).items():
        spread = float((rows["sampling_weight"] * (rows["sampling_weight"] - 1)).sum()) ** 0.5
        assert abs(float(rows["sampling_weight"].sum()) - N_H[label]) <= 5 * spread + 1e-6
    assert all(one.passed for one in findings(found.design, tally(found.choice), found.choice.added.names()))


def test_probabilities_are_those_of_the_design_in_the_stratum() -> None:
    north = TABLE.filter(region="north")
    expected = dict(zip(north["id"], probabilities_of(180, north["size"].to_numpy()), strict=True))
    rows = by_stratum(sample({"design": "pps", "size": "size"}, n=300))["north"]
    np.testing.assert_allclose(rows["inclusion_probability"], [expected[one] for one in rows["id"]])


def test_stratum_says_what_its_estimate_needs() -> None:
    [north, *_] = sample({"design": "systematic"}, n=300).design.facts["within"]
    assert north == {"stratum": "north", "population_size": 1_800, "planned": 180, "drawn": 180, "interval": 10.0}
    [north, *_] = sample({"design": "cluster", "cluster": "shop", "clusters": 2}).design.facts["within"]
    assert (north["clusters_in_population"], north["clusters_drawn"], north["planned"]) == (11, 2, None)


@pytest.mark.parametrize("design", [{"design": "cluster"}, {"design": "two_stage", "rows_per_cluster": 5}])
def test_clusters_are_drawn_in_each_stratum_independently(design: dict[str, Any]) -> None:
    found = sample({**design, "cluster": "shop", "clusters": 3})
    clusters = {label: set(rows["cluster"]) for label, rows in by_stratum(found).items()}
    assert [len(one) for one in clusters.values()] == [3, 3, 3]
    assert len(set(map(frozenset, clusters.values()))) > 1, "shops of one name in several strata are not one cluster"
    assert found.design.planned is None


def test_starts_and_draws_of_strata_are_independent() -> None:
    rows = by_stratum(sample({"design": "systematic"}, TABLE.with_columns(size=1.0), n=30, allocation="equal"))
    start = {
        label: TABLE.filter(pl.col("region").eq_missing(label))["id"].index_of(one["id"][0]) / N_H[label]  # type: ignore[operator]
        for label, one in rows.items()
    }
    assert len({round(one, 4) for one in start.values()}) == 3
    draws = by_stratum(sample({"design": "simple_random_with_replacement"}, n=900, allocation="equal"))
    counts = {label: one["draws"].value_counts().sort("draws")["count"].to_list() for label, one in draws.items()}
    assert all(one["draws"].sum() == 300 for one in draws.values())
    assert counts["north"] != counts["south"]


def test_stratum_without_rows_in_the_allocation_is_noted_and_drawn_from_no_further() -> None:
    found = sample({"design": "pps", "size": "size"}, fixed={"north": 40}, fixed_others=0)
    assert {label: rows.height for label, rows in by_stratum(found).items()} == {"north": 40}
    assert "Strata without a row in the sample: 2. No weight stands for their 1,200 rows." in found.design.notes
    assert [one["drawn"] for one in found.design.facts["within"]] == [40, 0, 0]


def test_small_stratum_is_drawn_whole_and_exhausted() -> None:
    found = sample({"design": "systematic"}, fixed={"south": 1_000}, fixed_others=5)
    assert [(one.stratum, one.planned, one.drawn) for one in found.design.exhausted] == [("south", 1_000, 900)]


def test_notes_of_strata_are_said_once() -> None:
    [note] = sample({"design": "pps", "size": "size"}, fixed={"north": 40}, fixed_others=5).design.notes
    assert note.startswith("Strata south, null: With few rows the probabilities may differ")


def test_order_of_rows_and_slices_do_not_change_a_sample(tmp_path: Any) -> None:
    TABLE.sample(fraction=1, shuffle=True, seed=1).write_parquet(tmp_path / "t.parquet", row_group_size=64)
    fields = {"design": "stratified", "by": "region", "n": 300, "within": {"design": "pps", "size": "size"}}
    found = draw(tmp_path / "t.parquet", fields, "id").rows.collect().sort("id")
    assert found.equals(sample({"design": "pps", "size": "size"}, n=300).rows.collect())


def test_empty_population_gives_an_empty_sample() -> None:
    rows = sample({"design": "cluster", "cluster": "shop", "clusters": 3}, TABLE.head(0)).rows.collect()
    assert rows.columns[-4:] == ["inclusion_probability", "sampling_weight", "cluster", "stratum"]


def test_very_many_strata_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(within, "MOST_STRATA", 2)
    with pytest.raises(InvalidArgumentError, match="^within must be for at most 2 strata, not .*3 strata"):
        sample({"design": "bernoulli"}, n=300)


def declared(**fields: Any) -> ISamplingDesign:
    adapter = pydantic.TypeAdapter[ISamplingDesign](SamplingDesign)
    return adapter.validate_python({"design": "stratified", "by": "region", **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n": 1, "within": {"design": "pps", "size": "size", "n": 3}}, "leave out n: the allocation gives each"),
        ({"n": 1, "within": {"design": "bernoulli", "probability": 0.1}}, "leave out probability"),
        ({"n": 1, "within": {"design": "bernoulli", "seed": 1}}, "seed can be given for all strata together only"),
        ({"n": 1, "within": {"design": "bernoulli", "where": "id > 1"}}, "where can be given for all strata"),
        ({"n": 1, "within": {"design": "pps"}}, "within.size\n  Field required"),
        ({"n": 1, "within": {"design": "stratified"}}, "Input should be 'systematic' or 'pps'"),
        (
            {"n": 1, "within": {"design": "cluster", "cluster": "shop", "clusters": 1}},
            "leave out n, fraction and fixed",
        ),
        ({"within": {"design": "bernoulli"}}, "give one of n, fraction and fixed"),
        ({"n": 1, "within": {"design": "poisson", "probability": "size"}}, "give either probability, or n"),
        ({"n": 1, "fixed_others": 3}, "there is no `fixed`"),
    ],
)
def test_wrong_field_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=message):
        declared(**fields)


def test_code_version_and_parameters_say_the_design_without_the_size_that_it_does_not_have() -> None:
    assert declared(n=5).code_version() == 'stratified 1 {"n":5,"by":"region"}'
    design = declared(n=5, within={"design": "pps", "size": "size"})
    assert '"within":{"design":"pps","size":"size"}' in design.code_version()
    assert declared(**design.model_dump(exclude_defaults=True)) == design
    assert isinstance(declared(n=5, within={"design": "systematic"}).within, Systematic)  # type: ignore[attr-defined]


def test_panel_of_another_design_within_strata_is_refused() -> None:
    panel = {"wave": 1, "overlap": 0.5}
    with pytest.raises(InvalidArgumentError, match="^panel"):
        sample({"design": "bernoulli"}, fraction=0.1, panel=panel)
    with pytest.raises(InvalidArgumentError, match="^panel"):
        draw(TABLE, {"design": "stratified", "by": "region", "fraction": 0.1, "min_per_stratum": 9, "panel": panel})
