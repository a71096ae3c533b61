"""The assets of analyses: wiring of the pure functions of this slice."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl

from artifact_pipelines.analysis.profile import profile
from artifact_pipelines.analysis.query import run_query
from artifact_pipelines.io_manager.failures import failures_explained
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.verified_path import verified_path

PROFILE_CODE_VERSION = "1"
QUERY_CODE_VERSION = "1"


def build_profile_asset(dataset: str, analysis: str, attributes: Mapping[str, Any]) -> dg.AssetsDefinition:
    """Return the asset that describes every column of a dataset's table.

    Args:
        attributes: Group, owners, tags and the automation condition.
    """

    @dg.asset(
        key=[dataset, "analyses", analysis],
        ins={"table": dg.AssetIn(key=[dataset, "table"])},
        description=(
            f"One row for each column of {dataset}: type, nulls, distinct values, range, mean and spread.\n\n"
            "Caveats: above a limit the number of distinct values is an estimate, and says so."
        ),
        kinds={"parquet", "polars"},
        code_version=PROFILE_CODE_VERSION,
        **attributes,
    )
    def table_profile(table: Artifact) -> pl.DataFrame:
        with failures_explained(), verified_path(table) as file, file.path.open("rb") as stream:
            return profile(stream)

    return table_profile


def build_query_asset(dataset: str, analysis: str, sql: str, attributes: Mapping[str, Any]) -> dg.AssetsDefinition:
    """Return the asset that answers one SELECT over a dataset's table.

    Args:
        sql: One SELECT; the table has the dataset's name.
        attributes: Group, owners, tags and the automation condition.
    """

    @dg.asset(
        key=[dataset, "analyses", analysis],
        ins={"table": dg.AssetIn(key=[dataset, "table"])},
        description=f"The answer of a query over {dataset}.\n\n```sql\n{sql.strip()}\n```",
        kinds={"parquet", "duckdb", "sql"},
        code_version=f"{QUERY_CODE_VERSION}:{sql.strip()}",
        **attributes,
    )
    def query_result(table: Artifact) -> Iterator[dg.Output[Any]]:
        with (
            failures_explained(),
            verified_path(table) as file,
            run_query(sql, {dataset: file.path}) as batches,
        ):
            yield dg.Output(file.batches(batches))

    return query_result
