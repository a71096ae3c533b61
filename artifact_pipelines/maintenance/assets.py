"""The catalog's backup as an asset, and when it is made."""

import dagster as dg

from artifact_pipelines.core.retention import RETENTION_METADATA_KEY
from artifact_pipelines.io_manager.failures import failures_explained
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.backup import BACKUP_ASSET, RETENTION, back_up
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

_CODE_VERSION = "1"


@dg.asset(
    key=BACKUP_ASSET.split("/"),
    group_name="maintenance",
    owners=["team:data-platform"],
    kinds={"gzip"},
    code_version=_CODE_VERSION,
    metadata={RETENTION_METADATA_KEY: RETENTION.to_mapping()},
    description=(
        "All rows of the catalog as they were at one moment, as gzipped JSON lines: a line a row.\n\n"
        "Caveats: `artifact-pipelines catalog restore` brings a lost catalog back from the newest of these, and finds "
        "it in the store without a catalog."
    ),
)
def catalog_backup(context: dg.AssetExecutionContext, artifact_store: ArtifactStore) -> dg.MaterializeResult[None]:
    """Store a backup and tell Dagster what is in it."""
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


catalog_backup_schedule = dg.ScheduleDefinition(
    name="catalog_backup_nightly",
    target=dg.AssetSelection.assets(catalog_backup),
    cron_schedule="30 3 * * *",
    description="Backs up the catalog into its store every night. Off until it is switched on.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
