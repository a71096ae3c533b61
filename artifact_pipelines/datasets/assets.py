"""The assets of a dataset: its raw file, and the table read from it; and the landing zone as a resource."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, BinaryIO

import dagster as dg
import pydantic

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import LANDING_URL, check_place, folder_from
from artifact_pipelines.core.types import StoragePath
from artifact_pipelines.datasets.interfaces import IFileFormat, ILandingZone, RawFile
from artifact_pipelines.datasets.landing_folder import LandingFolder
from artifact_pipelines.datasets.landing_rules import DEFAULT_RULES, LandingRules
from artifact_pipelines.datasets.landing_zone import find_landed, open_landed
from artifact_pipelines.datasets.reading.contract import Contract, VersionBefore
from artifact_pipelines.datasets.table_reader import open_table
from artifact_pipelines.io_manager.asked_outputs import DATASET_METADATA_KEY, SOURCE_METADATA_KEY
from artifact_pipelines.io_manager.changes import KEY_METADATA_KEY
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.resources import ArtifactStore, checked_url
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines.storage.local_paths import verified_path

RAW_CODE_VERSION = "1"
TABLE_CODE_VERSION = "2"


class LandingZone(dg.ConfigurableResource[None]):
    """Where people drop files.

    Attributes:
        landing_url: A folder, as a path or `file:///folder`, or `s3://bucket/prefix` on the server of the store.
        store: Its catalog remembers the files and their states.
        settle_s: Seconds that a file must stay unchanged to count as complete.
    """

    landing_url: Annotated[str, checked_url(check_place, LANDING_URL)]
    store: ArtifactStore
    settle_s: float = 1.0

    def open(self) -> ILandingZone:
        """Return the landing zone."""
        if self.landing_url.startswith("s3://"):
            from artifact_pipelines.datasets.landing_bucket import LandingBucket  # loads slowly, and most are folders

            return LandingBucket(self.landing_url, self.store.s3.settings())
        return LandingFolder(folder_from(self.landing_url, LANDING_URL))

    def read_stored(self, path: StoragePath) -> BinaryIO:
        """Open stored bytes, to check that they are there."""
        return open_backend(self.store.storage_url, self.store.s3.settings()).read_stream(path)


class LandedFile(dg.Config):
    """The file to ingest."""

    path: str | None = pydantic.Field(
        default=None,
        description=(
            "Path below the landing zone, as the sensor shows it (a backslash begins an escaped byte); "
            "left out: the matching file that changed last."
        ),
    )


def build_raw_asset(
    dataset: str, source: str, attributes: Mapping[str, Any], rules: LandingRules = DEFAULT_RULES
) -> dg.AssetsDefinition:
    """Return the asset that stores a dropped file unchanged.

    Args:
        source: The dataset's glob.
        attributes: Further arguments of `dg.asset`, such as the group.
        rules: Which names count.
    """
    glob = rules.glob(source)

    @dg.asset(
        key=[dataset, "raw"],
        description=f"The dropped file of {dataset}, byte for byte.\n\nSource: landing zone, `{source}`.",
        kinds={"file"},
        code_version=RAW_CODE_VERSION,
        metadata={DATASET_METADATA_KEY: dataset},
        **attributes,
    )
    def raw(config: LandedFile, landing_zone: LandingZone) -> Iterator[dg.Output[Any]]:
        with failures_explained():
            zone = landing_zone.open()
            path = config.path or find_landed(zone, dataset, glob)
            stream = open_landed(zone, dataset, glob, path)
            yield dg.Output(stream, metadata={SOURCE_METADATA_KEY: {"file": path}})

    return raw


def build_table_asset(
    dataset: str,
    description: str,
    file_format: IFileFormat,
    contract: Contract,
    attributes: Mapping[str, Any],
) -> dg.AssetsDefinition:
    """Return the asset that reads the raw file into a typed table, in a stream.

    Args:
        contract: As the dataset declares it; the version before is added at run time.
    """
    rules = f"{TABLE_CODE_VERSION} {file_format.code_version()} columns={dict(contract.columns)}"

    @dg.asset(
        key=[dataset, "table"],
        ins={"raw": dg.AssetIn(key=[dataset, "raw"])},
        description=description,
        kinds={"parquet"},
        code_version=f"{rules} key={list(contract.key)}",
        metadata={KEY_METADATA_KEY: list(contract.key)},
        **attributes,
    )
    def table(raw: Artifact, landing_zone: LandingZone) -> Iterator[dg.Output[Any]]:
        with failures_explained():
            with landing_zone.store.open() as (catalog, _):
                name = _source_name(catalog, dataset, raw)
                expected = dataclasses.replace(contract, before=_version_before(catalog, dataset, rules))
            with verified_path(raw) as file:
                source = RawFile(file.path, raw.info.file_type, name)
                with open_table(source, file_format, expected) as opened:
                    wider = expected.widened(opened.batches.schema)
                    read = {
                        "file": name,
                        "read_as": dict(opened.read_as),
                        "widened": wider,
                        "rules": rules,
                        "key": list(contract.key),
                    }
                    yield dg.Output(file.batches(opened.batches), metadata={SOURCE_METADATA_KEY: read})

    return table


def _source_name(catalog: Catalog, dataset: str, raw: Artifact) -> str:
    """Return the name under which a raw file was dropped."""
    versions = catalog.materializations.history(f"{dataset}/raw")
    made = next((each for each in versions if each.file.file_id == raw.info.file_id), None)
    return str(made.source["file"]) if made and "file" in made.source else f"{dataset}/raw"


def _version_before(catalog: Catalog, dataset: str, rules: str) -> VersionBefore | None:
    """Return the current table; None: there is none, or it was read by other rules, which no longer count."""
    current = catalog.materializations.find(f"{dataset}/table", [None]).get(None)
    if current is None or current.schema is None or current.source.get("rules") != rules:
        return None
    return VersionBefore(current.version, current.schema, current.source.get("read_as", {}))
