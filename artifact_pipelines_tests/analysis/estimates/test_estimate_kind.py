"""The kind `estimate` of an analysis: from YAML to the page of its asset, and what it refuses."""

import math
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from artifact_pipelines import ArtifactIOManagerFactory, ArtifactStore, open_store
from artifact_pipelines.analysis import estimate
from artifact_pipelines.analysis.assets import build_analysis_asset
from artifact_pipelines.analysis.estimates.students_t import t_quantile
from artifact_pipelines.analysis.exceptions import InvalidQuestionError, NotEstimableError
from artifact_pipelines.analysis.interfaces import DeclaredDataset
from artifact_pipelines.analysis.kinds.estimate import Estimate
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.sampling import draw
from artifact_pipelines.sampling.assets import build_sample_asset
from artifact_pipelines.sampling.designs.stratified import Stratified
from artifact_pipelines_tests.analysis.estimates import published_samples as published

ROWS = pl.DataFrame({"y": [1.0, 2.0, 3.0, None], "late": [True, True, True, True], "text": ["a", "b", "c", "d"]})
SRS = {"design": "simple_random", "drawn": 4, "frame": {"population_size": 40}}


def four_rows(**columns: Any) -> pl.DataFrame:
    return ROWS.with_columns(inclusion_probability=0.1, sampling_weight=10.0, **columns)


@dg.asset(key=["shops", "table"])
def table() -> pl.DataFrame:
    return pl.DataFrame({"id": range(300), "region": ["north", "*so*\nuth|", None] * 100, "sales": range(300)})


def test_kind_estimates_from_a_stored_sample(settings: Settings) -> None:
    kind = Estimate.model_validate(
        {"sample": "third", "estimates": {"sales": {"mean": "sales"}, "rows": {"total": 1}}, "by": "region"}
    )
    sample = build_sample_asset("shops", "third", Stratified(by="region", n=90), ["id"], {})
    analysis = build_analysis_asset("shops", "means", kind, {})
    store = ArtifactStore(catalog_url=settings.catalog_url, storage_url=settings.storage_url)
    resources = {"io_manager": ArtifactIOManagerFactory(store=store), "artifact_store": store}
    result = dg.materialize([table, sample, analysis], resources=resources)
    [event] = [each for each in result.get_asset_materialization_events() if each.asset_key == analysis.key]
    assert event.materialization.metadata["estimate/rows"].value == pytest.approx(300)
    with open_store() as opened:
        found = opened.load("shops/analyses/means", pa.Table)
    assert found.schema.field("lower").metadata[b"description"].startswith(b"Lower limit")
    shown = pl.DataFrame(pl.from_arrow(found))
    assert shown["domain"].to_list() == ["all", "*so*\nuth|", "north", "null"] * 2
    assert shown["region"].to_list() == [None, "*so*\nuth|", "north", None] * 2
    assert shown["value"].to_list()[4:] == pytest.approx([300, 100, 100, 100])
    page = str(event.materialization.metadata["artifact/answer"].value)
    assert "Estimates for 300 rows, from 90 of them" in page
    assert r"| sales | \*so\* uth\| | " in page
    assert "stratified sampling, in each stratum simple random sampling without replacement" in page


def test_unknown_sample_is_refused_with_the_definitions() -> None:
    kind = Estimate.model_validate({"sample": "third", "estimates": {"sales": {"mean": "sales"}}})
    with pytest.raises(InvalidArgumentError, match="^sample must be a sample of the dataset: tenth, not 'third'"):
        kind.check(DeclaredDataset("shops", samples=["tenth"]))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"mean": "y", "total": "y"},
        {"quantile": "y"},
        {"mean": "y", "q": 0.5},
        {"regression": "y"},
        {"ratio": ["y"]},
    ],
)
def test_malformed_requests_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Estimate.model_validate({"sample": "third", "estimates": {"wrong": wrong}})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"estimates": {"y": {"meen": "y"}}}, "estimates.y.meen: there is no field `meen`. Fields: total, mean, "),
        ({"confidence": 95}, "confidence: 95 is not accepted: input should be less than 1."),
        ({"confidence": True}, "confidence: true is no number."),
        ({"estimates": {"y": {"total": True}}}, "estimates.y.total: True is not accepted: input should be a valid"),
        ({"known": {"totals": {"y": True}}}, "known.totals: true is no number."),
        ({"design": {**SRS, "drawn": None}}, "design.drawn: `drawn` has no value"),
        ({"design": "bernoulli"}, "design: fields such as `name: value` are expected here, not 'bernoulli'."),
    ],
)
def test_wrong_field_of_a_question_is_one_sentence_with_field_and_value(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidQuestionError) as caught:
        estimate(four_rows(), **{"design": SRS, "estimates": {"y": {"mean": "y"}}, **fields})
    assert str(caught.value).startswith(f"The question for estimates is wrong. {problem}")
    assert "pydantic" not in str(caught.value)


def test_number_is_an_expression_also_in_the_schema_of_yaml_files() -> None:
    asked = Estimate.model_validate({"sample": "third", "estimates": {"rows": {"total": 1}}})
    assert asked.estimates["rows"].total == "1"
    total = Estimate.model_json_schema()["$defs"]["EstimateRequest"]["properties"]["total"]
    assert {"type": "number"} in total["anyOf"]


def test_sample_that_is_no_frame_and_no_file_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"^sample must be a file that exists, not 'nothing\.parquet'"):
        estimate("nothing.parquet", SRS, {"y": {"mean": "y"}})
    with pytest.raises(InvalidArgumentError, match=r"^sample must be a frame of polars, such as `pl\.from_pandas"):
        estimate([1, 2], SRS, {"y": {"mean": "y"}})  # type: ignore[arg-type]


def test_rows_without_a_value_are_left_out_and_counted() -> None:
    row = estimate(four_rows(), SRS, {"y": {"mean": "y"}}).row(0, named=True)
    assert (row["value"], row["rows"], row["missing_rows"], row["population_rows"]) == (2, 3, 1, 30)


def test_condition_that_every_row_fulfils_has_an_interval_below_1() -> None:
    row = estimate(four_rows(), SRS, {"late": {"proportion": "late"}}).row(0, named=True)
    assert (row["value"], row["standard_error"], row["upper"]) == (1, 0, 1)
    assert row["lower"] == pytest.approx(0.025 ** (1 / 4))  # Clopper and Pearson


def test_domain_of_one_row_has_a_value_and_no_interval() -> None:
    found = estimate(four_rows(), SRS, {"y": {"mean": "y"}}, by="text").filter(domain="a").row(0, named=True)
    assert (found["value"], found["lower"], found["degrees_of_freedom"]) == (1, None, 0)


def test_two_stages_with_every_cluster_have_the_freedom_of_their_rows() -> None:
    rows = four_rows(cluster=pl.Series(["a", "a", "b", "b"]), cluster_probability=1.0)
    row = estimate(rows, {**SRS, "design": "two_stage"}, {"text": {"proportion": "text = 'a'"}}).row(0, named=True)
    assert row["degrees_of_freedom"] == 2
    assert 0 < row["lower"] < row["value"] < row["upper"] < 1


def test_empty_sample_has_no_value() -> None:
    design = {"design": "bernoulli", "drawn": 0, "frame": {"population_size": 40}}
    asked = {"y": {"mean": "y"}, "median": {"quantile": "y", "q": 0.5}, "late": {"proportion": "late"}}
    found = estimate(four_rows().clear(), design, asked, by="text")
    assert found["value"].to_list() == [None, None, None]


@pytest.mark.parametrize(
    ("asked", "options", "message"),
    [
        ({"mean": "text"}, {}, "estimates: it must be a number for each row"),
        ({"mean": "1 / (y - 1)"}, {}, "in row 1 of the sample must be finite"),
        ({"proportion": "y"}, {}, "a condition"),
        ({"mean": "y"}, {"by": ["nowhere"]}, "by must be among the columns"),
        ({"mean": "y"}, {"by": ["rows"]}, "by must be of other columns"),
        ({"regression": "y", "explained_by": ["y", "2 * y"]}, {}, "none follows from the others"),
        ({"mean": "y"}, {"known": {"rows": {"text": {"a": 40}}}}, "each value of the sample, also of b, c, d"),
        ({"mean": "y"}, {"known": {"rows": {"late": {"true": 39}}}}, "agree with the others"),
    ],
)
def test_what_cannot_be_estimated_is_refused(asked: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        estimate(four_rows(rows=pl.lit(1)), SRS, {"it": asked}, **options)


@pytest.mark.parametrize(
    ("rows", "design", "message"),
    [
        (four_rows().head(3), SRS, "it has 3 rows, and its design says 4"),
        (four_rows(), {**SRS, "design": "snowball"}, "the variance of this design is not known"),
        (
            four_rows(stratum=pl.Series(["a", "a", "a", None])),
            {**SRS, "design": "stratified"},
            r"1 \(null\) has one drawn",
        ),
        (four_rows().head(1), {**SRS, "drawn": 1}, "it has one drawn unit, which shows no variance. Draw two at least"),
    ],
)
def test_samples_that_show_no_variance_are_refused(rows: pl.DataFrame, design: dict[str, Any], message: str) -> None:
    with pytest.raises(NotEstimableError, match=message):
        estimate(rows, design, {"late": {"mean": "late"}})


EXACT = {
    "mean": {"mean": "c"},
    "total": {"total": "c"},
    "ratio": {"ratio": ["0.3 * x", "x"]},
    "line": {"regression": "3 * x + 0.1", "explained_by": ["x"]},
}


@pytest.mark.parametrize("known", [None, {}, {"totals": {"c": 1_500_000}}])
def test_rounding_is_no_standard_error_and_has_no_design_effect(known: dict[str, Any] | None) -> None:
    numbers = pl.int_range(3000, dtype=pl.Int64)
    rows = pl.DataFrame({"c": [500.0] * 3000}).with_columns(
        x=(numbers * 7919 % 3001) / 3001, region=(numbers % 3).cast(pl.String)
    )
    sample = draw(rows, {"design": "stratified", "by": "region", "n": 100})
    found = estimate(sample.rows, sample.design, EXACT, known=known)
    assert found["value"].to_list() == [500, 1_500_000, 0.3, 0.1, 3]
    assert found["standard_error"].to_list() == [0] * 5
    assert found["lower"].to_list() == found["upper"].to_list() == found["value"].to_list()
    assert set(found["design_effect"]) <= {None, 0}


def test_number_of_rows_from_unequal_weights_has_a_standard_error_and_no_design_effect() -> None:
    """A simple random sample knows the number of rows, so there is nothing to compare with."""
    rows = pl.DataFrame({"size": [1 + number % 97 / 7 for number in range(4000)]})
    sample = draw(rows, {"design": "pps", "n": 200, "size": "size", "seed": 1})
    row = estimate(sample.rows, sample.design, {"rows": {"total": 1}}).row(0, named=True)
    assert row["standard_error"] > 100
    assert row["design_effect"] is None


def test_whole_table_keeps_all_digits_before_the_point() -> None:
    rows = pl.DataFrame({"y": [1_234_567_890_123_456, 3, 4]}).with_columns(x=pl.col("y") * 1e-30)
    sample = draw(rows, {"design": "simple_random", "n": 3})
    found = estimate(sample.rows, sample.design, {"y": {"total": "y"}, "x": {"total": "x"}})
    assert found["value"].to_list() == [1_234_567_890_123_463, pytest.approx(1_234_567_890_123_463e-30, rel=1e-14)]


def test_small_standard_error_beside_a_large_mean_is_kept() -> None:
    rows = four_rows(z=pl.Series([1e9, 1e9 + 0.5, 1e9, 1e9 + 0.5]))
    row = estimate(rows, SRS, {"z": {"mean": "z"}}).row(0, named=True)
    assert row["standard_error"] == pytest.approx(math.sqrt(0.9 * (1 / 12) / 4))
    assert row["design_effect"] == pytest.approx(1)


def test_same_sample_gives_the_same_estimates_from_any_chunks() -> None:
    rows, design = published.cluster()
    asked = {"mean": {"mean": "api00"}, "line": {"regression": "api00", "explained_by": ["ell"]}}
    cut = pl.concat([rows.head(7), rows.slice(7, 100), rows.slice(107)], rechunk=False)
    assert estimate(cut, design, asked, by="stype").equals(estimate(rows, design, asked, by="stype"))


@pytest.mark.parametrize(
    ("probability", "degrees", "quantile"),
    [
        (0.975, 1, 12.70620473617),
        (0.975, 14, 2.1447866879178),
        (0.995, 197, 2.60101564168955),
        (0.975, 10**7, 1.95996398),
    ],
)
def test_quantiles_of_student_are_those_of_r(probability: float, degrees: int, quantile: float) -> None:
    assert math.isclose(t_quantile(probability, degrees), quantile, rel_tol=1e-9 if degrees < 10**7 else 1e-8)
