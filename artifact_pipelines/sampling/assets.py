"""The asset of a sample of any design."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.sampling.interfaces import ISamplingDesign


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
        metadata={"artifact/design": {**design.model_dump(mode="json"), "key": list(key)}},
        **attributes,
    )
    def drawn(table: pl.LazyFrame) -> pl.LazyFrame:
        with failures_explained():
            return design.draw(table, key)

    return drawn
