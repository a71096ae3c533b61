"""The store and the catalog's backup as assets."""

import dagster as dg

from artifact_pipelines.core.retention import RETENTION_METADATA_KEY
from artifact_pipelines.io_manager.failures import failures_explained
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.backup import BACKUP_ASSET, RETENTION, back_up
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

_GROUP = "maintenance"
_OWNERS = ["team:data-platform"]
_CODE_VERSION = "1"

ARTIFACT_STORE = dg.AssetSpec(
    "artifact_store",
    description=(
        "The stored files of all assets, and the catalog that describes them.\n\nCaveats: no run materializes it. Its "
        "check `bytes_intact` reads a share of the files a day, those verified longest ago first, and compares them "
        "with their content hashes."
    ),
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"storage"},
    code_version=_CODE_VERSION,
)


@dg.asset(
    key=BACKUP_ASSET.split("/"),
    group_name=_GROUP,
    owners=_OWNERS,
    kinds={"gzip"},
    code_version=_CODE_VERSION,
    metadata={RETENTION_METADATA_KEY: RETENTION.to_mapping()},
    description=(
        "All rows of the catalog as they were at one moment, as gzipped JSON lines with one row each.\n\n"
        "Caveats: `artifact-pipelines catalog restore` restores a lost catalog from the newest backup. It finds the "
        "backup in the store without a catalog."
    ),
)
def catalog_backup(context: dg.AssetExecutionContext, artifact_store: ArtifactStore) -> dg.MaterializeResult[None]:
    """Store a backup and report its contents to Dagster."""
    with failures_explained(), artifact_store.open() as (catalog, backend):
        producer = ArtifactProducer(catalog.files, backend)
        made = back_up(catalog, producer, run_id=context.run.run_id, code_version=_CODE_VERSION)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(made.data_version),
        metadata={
            "artifact/file_id": made.file.file_id,
            "artifact/size_bytes": made.file.size_bytes,
            "artifact/rows": dict(made.metadata["rows"]),
            "dagster/row_count": made.row_count,
        },
    )
