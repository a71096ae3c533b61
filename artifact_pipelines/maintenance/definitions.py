"""Everything that keeps a store in order, for any Dagster project that uses the IO manager."""

from collections.abc import Iterable

import dagster as dg
import pydantic

from artifact_pipelines.catalog.stored_names import find_materialization
from artifact_pipelines.core.log_lines import log_done, now_s
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.instance.page import table_metadata
from artifact_pipelines.instance.runless_reports import report_rollback
from artifact_pipelines.io_manager.asked_outputs import retention_policy
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.alerts import alert_url
from artifact_pipelines.maintenance.assets import ARTIFACT_STORE, artifact_store_size, bytes_intact, catalog_backup
from artifact_pipelines.maintenance.clean_up import clean_up, parse_grace_s
from artifact_pipelines.maintenance.orphans import MAX_SHARE
from artifact_pipelines.maintenance.sensors import (
    artifact_dead_runs,
    artifact_failure_alerts,
    artifact_publisher,
    artifact_wipes,
)
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

_ROWS_SHOWN = 500

verification_job = dg.define_asset_job(
    "verify_artifact_store",
    selection=dg.AssetSelection.checks(bytes_intact),
    description="Verifies a share of the stored files, those verified longest ago first.",
)
verification_schedule = dg.ScheduleDefinition(
    name="verify_artifact_store_daily",
    job=verification_job,
    cron_schedule="17 3 * * *",
    description="Verifies a share of the stored files every night. Off until switched on.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
backup_schedule = dg.ScheduleDefinition(
    name="catalog_backup_nightly",
    target=dg.AssetSelection.assets(catalog_backup),
    cron_schedule="30 3 * * *",
    description="Backs up the catalog into its store every night. Off until switched on.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
size_schedule = dg.ScheduleDefinition(
    name="artifact_store_size_daily",
    target=dg.AssetSelection.assets(artifact_store_size),
    cron_schedule="55 3 * * *",
    description="Measures the store every day, for its plots over time. Off until switched on.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)


class CleanUpConfig(dg.Config):
    """How much to delete."""

    grace: str = pydantic.Field(
        default="24h", description="Delete files that nothing has held for this long; at least 1h."
    )
    dry_run: bool = pydantic.Field(
        default=False, description="Change nothing; list what would be deleted and released."
    )
    max_share: float = pydantic.Field(
        default=MAX_SHARE, ge=0, le=1, description="Refuse to delete more than this share of the files or bytes."
    )
    ops_within: str | None = pydantic.Field(
        default=None,
        description="Keep outputs of ops that are not assets for this long: 1d or more, such as 30d. Default: forever.",
    )


class RollbackConfig(dg.Config):
    """Which version becomes current again."""

    asset: str = pydantic.Field(description="Asset key, such as flights/table; or a dataset, for its table.")
    to_version: int = pydantic.Field(
        gt=0, description="Number of the version, which its asset page shows; of a dataset as `datasets log` shows it."
    )
    partition: str | None = pydantic.Field(default=None, description="Partition key of a partitioned asset.")


@dg.op(description="Makes an older version of an asset current again, and withdraws the later one.")
def roll_back_asset(context: dg.OpExecutionContext, config: RollbackConfig, artifact_store: ArtifactStore) -> None:
    """Do what `artifact-pipelines rollback` does, and report it to Dagster."""
    started_s = now_s()
    with failures_explained(), artifact_store.open() as (catalog, backend):
        producer = ArtifactProducer(catalog.files, backend)
        found = find_materialization(catalog, config.asset, config.partition, config.to_version)
        uri, *_ = [producer.uri(file) for file in found.files]  # an error if bytes are missing, before any change
        done = catalog.materializations.roll_back(found.asset, found.version, found.partition)
        if not done.now.is_op_output:
            report_rollback(context.instance, catalog, done, uri)
    withdrawn = f"; version {done.withdrawn} is withdrawn" if done.withdrawn else ""
    name = VersionName(found.asset, found.partition, found.version)
    undo = f"asset: {found.asset}, to_version: {done.withdrawn or '…'}"
    facts = {"partition": found.partition, "version": found.version, "withdrawn": done.withdrawn}
    log_done(context.log.info, "rolled_back", started_s, asset=found.asset, **facts)
    context.log.info(f"{name} is current{withdrawn}. To undo, run this job with {undo}.")


@dg.job(
    name="artifact_rollback",
    description=(
        "Makes an older version of an asset current again; no bytes move. The later version is withdrawn: no "
        "schedule, sensor or run makes its content current again, until a rollback goes back to it."
    ),
    config={"ops": {"roll_back_asset": {"config": {"asset": "DATASET/table", "to_version": 1}}}},  # for the Launchpad
)
def rollback_job() -> None:
    """Roll an asset back from the Dagster UI."""
    roll_back_asset()


def build_maintenance(store: ArtifactStore, assets: Iterable[object] = ()) -> dg.Definitions:
    """Return definitions that a project merges into its own to keep its store in order.

    Three sensors are on: they publish outputs whose checks have passed, release assets that were wiped in the UI, and
    end runs whose process is gone. Four nightly schedules are off until someone switches them on: clean-up,
    verification, backup of the catalog, size of the store. A fourth sensor, which tells of failed runs, exists where
    `ARTIFACT_ALERT_URL` is set.

    Args:
        store: Where the IO manager keeps rows and bytes; it becomes the resource `artifact_store`.
        assets: The project's assets. Clean-up follows the retention policies in their present metadata, even if they
            were not materialized since. The policies of other code locations stay as the catalog has them.
    """
    alerts = [artifact_failure_alerts] if alert_url() else []
    clean_up_job = _clean_up_job(assets)
    clean_up_schedule = dg.ScheduleDefinition(
        name="artifact_clean_up_nightly",
        job=clean_up_job,
        cron_schedule="47 3 * * *",
        description="Cleans up the artifact store every night. Off until switched on.",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    return dg.Definitions(
        assets=[ARTIFACT_STORE, artifact_store_size, catalog_backup],
        asset_checks=[bytes_intact],
        jobs=[verification_job, clean_up_job, rollback_job],
        schedules=[verification_schedule, backup_schedule, clean_up_schedule, size_schedule],
        sensors=[artifact_publisher, artifact_wipes, artifact_dead_runs, *alerts],
        resources={"artifact_store": store},
    )


def _clean_up_job(assets: Iterable[object]) -> dg.JobDefinition:
    specs = [spec for asset in assets if isinstance(asset, dg.AssetsDefinition) for spec in asset.specs]
    policies = {spec.key.to_user_string(): retention_policy(spec.metadata) for spec in specs}

    @dg.op(
        name="clean_up_artifacts",
        description="Releases the versions that retention does not keep, and deletes files that nothing holds.",
    )
    def clean_up_artifacts(
        context: dg.OpExecutionContext, config: CleanUpConfig, artifact_store: ArtifactStore
    ) -> None:
        started_s = now_s()
        with failures_explained(), artifact_store.open() as (catalog, backend):
            for asset, policy in () if config.dry_run else policies.items():
                catalog.retention.set_policy(asset, policy)
            report = clean_up(
                catalog,
                backend,
                grace_s=parse_grace_s(config.grace, "grace"),
                dry_run=config.dry_run,
                max_share=config.max_share,
                declared=policies,
                ops_within=config.ops_within,
                progress=context.log.info,
            )
        tables = {f"clean_up/{name}": table_metadata(rows[:_ROWS_SHOWN]) for name, rows in report.tables().items()}
        counts = {
            "clean_up/dry_run": report.is_dry_run,
            "clean_up/deleted_files": report.freed.files,
            "clean_up/deleted_bytes": report.freed.size_bytes,
            "clean_up/released_versions": len(report.released),
            "clean_up/kept_versions": sum(verdict.is_kept for verdict in report.verdicts),
            "clean_up/reaped_leases": len(report.reaped),
            "clean_up/skipped": list(report.skipped),
        }
        context.add_output_metadata({**counts, **tables})
        log_done(
            context.log.info,
            "cleaned_up",
            started_s,
            dry_run=report.is_dry_run,
            files=report.freed.files,
            bytes=report.freed.size_bytes,
            released_versions=len(report.released),
        )

    @dg.job(name="artifact_clean_up", description="Cleans up the artifact store: retention, collection, left-overs.")
    def job() -> None:
        clean_up_artifacts()

    return job
