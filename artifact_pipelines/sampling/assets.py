"""The asset of a sample of any design."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from artifact_pipelines.handlers.scanning import scan_with_polars
from artifact_pipelines.io_manager.asked_outputs import SOURCE_METADATA_KEY
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.sampling.drawing import draw_from
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.population import population_of_scan
from artifact_pipelines.storage.artifact import Artifact

DESIGN_METADATA_KEY = "artifact/design"


def build_sample_asset(
    dataset: str, sample: str, design: ISamplingDesign, key: Sequence[str], attributes: Mapping[str, Any]
) -> dg.AssetsDefinition:
    """Return the asset that draws a sample from a dataset's table."""

    @dg.asset(
        key=[dataset, "samples", sample],
        ins={"table": dg.AssetIn(key=[dataset, "table"])},
        description=design.description(dataset, key),
        kinds={"parquet", "polars"},
        code_version=f"{design.code_version()} key={list(key)}",
        metadata={DESIGN_METADATA_KEY: {**design.model_dump(mode="json", exclude_none=True), "key": list(key)}},
        **attributes,
    )
    def drawn(table: Artifact) -> dg.Output[pl.LazyFrame]:
        with failures_explained():
            with table.open(verify=False) as file:
                population = population_of_scan(scan_with_polars(table), file)
            found = draw_from(population, design, key, table.info)
            said = found.design.model_dump(mode="json")
            return dg.Output(found.rows, metadata={DESIGN_METADATA_KEY: said, SOURCE_METADATA_KEY: {"design": said}})

    return drawn
