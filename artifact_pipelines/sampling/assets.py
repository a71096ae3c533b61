"""The assets of samples: wiring of the pure functions of this slice."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from artifact_pipelines.io_manager.failures import failures_explained
from artifact_pipelines.sampling.designs import simple_random_sample

SAMPLE_CODE_VERSION = "1"


def build_simple_random_sample_asset(
    dataset: str, sample: str, n: int, seed: int, key: Sequence[str], attributes: Mapping[str, Any]
) -> dg.AssetsDefinition:
    """Return the asset that draws a simple random sample from a dataset's table.

    Args:
        n: Rows to draw.
        seed: Which of all possible samples.
        key: Columns that identify a row; none: its position does.
        attributes: Group, owners, tags and the automation condition.
    """
    identity = f"identified by {', '.join(key)}" if key else "identified by their position"

    @dg.asset(
        key=[dataset, "samples", sample],
        ins={"table": dg.AssetIn(key=[dataset, "table"])},
        description=(
            f"Simple random sample of {n:,} rows of {dataset} without replacement, by permanent random numbers "
            f"(seed {seed}), rows {identity}.\n\nColumns: those of the table, then `inclusion_probability` and "
            "`sampling_weight`.\n\nCaveats: a larger sample with the same seed contains this one."
        ),
        kinds={"parquet", "polars"},
        code_version=f"{SAMPLE_CODE_VERSION}:n={n},seed={seed},key={list(key)}",
        metadata={"artifact/design": {"design": "simple_random", "n": n, "seed": seed, "key": list(key)}},
        **attributes,
    )
    def simple_random(table: pl.LazyFrame) -> pl.LazyFrame:
        with failures_explained():
            return simple_random_sample(table, n=n, seed=seed, key=key)

    return simple_random
