"""The asset of a sample, for a design that only this test knows."""

from collections.abc import Sequence
from typing import Literal

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines import ArtifactIOManagerFactory, DatasetPipeline
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.sampling.assets import build_sample_asset
from artifact_pipelines.sampling.designs.stratified import Stratified
from artifact_pipelines.sampling.drawn_design import DrawnDesign
from artifact_pipelines.sampling.engine.choice import Choice, chosen_rows
from artifact_pipelines.sampling.engine.rows import Rows
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines_tests.project import FLIGHTS


class FirstRows(ISamplingDesign):
    """Draw the first rows."""

    design: Literal["first_rows"] = "first_rows"
    n: int = 2

    def summary(self) -> str:
        return f"The first {self.n} rows"

    def choose(self, rows: Rows) -> Choice:
        ordinals = next(rows.map(lambda batch: batch.ordinals))[: self.n]
        return Choice(chosen_rows(ordinals, 1.0), rows.count, planned=self.n)


@dg.asset(key=["flights", "table"])
def table() -> pl.DataFrame:
    return pl.DataFrame({"id": [3, 1, 2]})


def test_design_in_one_class_becomes_an_asset_that_knows_its_design(settings: Settings) -> None:
    sample = build_sample_asset("flights", "few", FirstRows(), ["id"], {"group_name": "flights"})
    urls = {"catalog_url": settings.catalog_url, "storage_url": settings.storage_url}
    result = dg.materialize([table, sample], resources={"io_manager": ArtifactIOManagerFactory(**urls)})
    drawn = result.asset_value(["flights", "samples", "few"])
    assert drawn.collect()["id"].to_list() == [3, 1]
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "sizes": True,
        "probabilities": True,
        "weights": False,  # two rows that each stand for themselves, of three
        "representativeness": False,
    }
    [spec] = sample.specs
    assert spec.description is not None
    assert spec.description.startswith("The first 2 rows, of flights")
    assert spec.code_version == "first_rows 1 {} key=['id']"
    with Catalog(settings.catalog_url) as catalog:
        made = catalog.materializations.current("flights/samples/few")
        population = catalog.materializations.current("flights/table")
    design = DrawnDesign.model_validate(made.source["design"])
    assert (design.design, design.key, design.planned, design.drawn) == ("first_rows", ["id"], 2, 2)
    assert (design.frame.rows, design.frame.file_id) == (3, population.file.file_id)


def test_sample_shows_its_strata_and_what_a_reader_would_not_expect(settings: Settings) -> None:
    design = Stratified(by="id", n=2)
    sample = build_sample_asset("flights", "strata", design, ["id"], {})
    urls = {"catalog_url": settings.catalog_url, "storage_url": settings.storage_url}
    result = dg.materialize([table, sample], resources={"io_manager": ArtifactIOManagerFactory(**urls)})
    [made] = result.asset_materializations_for_node("flights__samples__strata")
    assert "| 1 | 1 | 1 | 1 |" in str(made.metadata["sample/strata"].value)
    assert str(made.metadata["chart/planned → drawn"].value).startswith("![")
    summary = str(made.metadata["artifact/summary"].value)
    assert summary.startswith("**2 of 3 rows**, stratified\n\n- **weights failed**: ")
    assert "- **representativeness failed**: id: 33.3 % of the weight" in summary
    assert "- Strata without a row in the sample: 1." in summary


def test_dataset_declared_in_code_takes_a_design_that_is_not_registered() -> None:
    dataset = DatasetPipeline.model_validate({**FLIGHTS, "samples": {"few": FirstRows(n=5)}})
    assert dataset.samples == {"few": FirstRows(n=5)}


@pytest.mark.parametrize("change", [{"n": 3}, {"key": ["id", "day"]}])
def test_another_field_or_key_is_another_code_version(change: dict[str, object]) -> None:
    def code_version(n: int = 2, key: Sequence[str] = ("id",)) -> str | None:
        [spec] = build_sample_asset("flights", "few", FirstRows(n=n), key, {}).specs
        return spec.code_version

    assert code_version(**change) != code_version()  # type: ignore[arg-type]
