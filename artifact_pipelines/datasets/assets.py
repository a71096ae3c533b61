"""The assets of a dataset: its raw content, and the table read from it."""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.landing_zone import find_file
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.datasets.table_reader import TableContract, open_table
from artifact_pipelines.io_manager.asked_outputs import DATASET_METADATA_KEY
from artifact_pipelines.io_manager.failures import failures_explained
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.verified_path import verified_path

RAW_CODE_VERSION = "1"
TABLE_CODE_VERSION = "1"


class LandedFile(dg.Config):
    """Which file to ingest: its path below the landing zone; left out, the one that changed last."""

    path: str | None = None


def build_raw_asset(dataset: str, source: str, attributes: Mapping[str, Any]) -> dg.AssetsDefinition:
    """Return the asset that takes a file from the landing zone into the store as it is.

    Args:
        source: Glob of the dataset's files below the landing zone.
        attributes: What all assets of the dataset share: group, owners, tags.
    """

    @dg.asset(
        key=[dataset, "raw"],
        description=f"The file of {dataset} as it was dropped, to the byte.\n\nSource: landing zone, `{source}`.",
        kinds={"file"},
        code_version=RAW_CODE_VERSION,
        metadata={DATASET_METADATA_KEY: dataset},
        **attributes,
    )
    def raw(config: LandedFile, landing_zone: LandingZone) -> pathlib.Path:
        with failures_explained():
            return find_file(landing_zone.folder, dataset, source, config.path)

    return raw


def build_table_asset(
    dataset: str, description: str, contract: TableContract, attributes: Mapping[str, Any]
) -> dg.AssetsDefinition:
    """Return the asset that reads the raw content into a typed table, streamed.

    Args:
        description: What the dataset is, for its users.
        contract: What the dataset declares about its table.
        attributes: Group, owners, tags and the automation condition.
    """

    @dg.asset(
        key=[dataset, "table"],
        ins={"raw": dg.AssetIn(key=[dataset, "raw"])},
        description=description,
        kinds={"parquet", "duckdb"},
        code_version=f"{TABLE_CODE_VERSION} {contract.code_version()}",
        **attributes,
    )
    def table(raw: Artifact) -> Iterator[dg.Output[Any]]:
        info = raw.info
        label = f"{dataset}/raw (file {info.file_id})"
        with (
            failures_explained(),
            verified_path(raw) as file,
            open_table(RawFile(file.path, info.file_type, info.compression_type, label), contract) as batches,
        ):
            yield dg.Output(file.batches(batches))

    return table
