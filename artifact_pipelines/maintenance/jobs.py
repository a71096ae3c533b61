"""The jobs of maintenance, and their nightly schedules, which are off until someone switches them on."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import dagster as dg
import pydantic

from artifact_pipelines.core.durations import spell_duration
from artifact_pipelines.core.retention import RetentionPolicy, Verdict
from artifact_pipelines.io_manager.asked_outputs import retention_policy
from artifact_pipelines.io_manager.failures import failures_explained
from artifact_pipelines.io_manager.metadata import table_metadata
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.assets import catalog_backup
from artifact_pipelines.maintenance.checks import bytes_intact
from artifact_pipelines.maintenance.clean_up import CleanUpReport, clean_up, parse_grace_s
from artifact_pipelines.maintenance.orphans import MAX_SHARE

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
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
backup_schedule = dg.ScheduleDefinition(
    name="catalog_backup_nightly",
    target=dg.AssetSelection.assets(catalog_backup),
    cron_schedule="30 3 * * *",
    description="Backs up the catalog into its store every night. Off until switched on.",
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


def build_clean_up(assets: Iterable[object]) -> dg.Definitions:
    """Return the job that cleans up, and its nightly schedule.

    Args:
        assets: The assets of the code location. Their present retention policies count, even if they were not
            materialized since. The policies of other code locations stay as the catalog has them.
    """
    policies = dict(_declared_policies(assets))

    @dg.op(
        name="clean_up_artifacts",
        description="Releases the versions that retention does not keep, and deletes files that nothing holds.",
    )
    def clean_up_artifacts(
        context: dg.OpExecutionContext, config: CleanUpConfig, artifact_store: ArtifactStore
    ) -> None:
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
        context.add_output_metadata(_metadata(report))

    @dg.job(name="artifact_clean_up", description="Cleans up the artifact store: retention, collection, left-overs.")
    def job() -> None:
        clean_up_artifacts()

    nightly = dg.ScheduleDefinition(
        name="artifact_clean_up_nightly",
        job=job,
        cron_schedule="47 3 * * *",
        description="Cleans up the artifact store every night. Off until switched on.",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    return dg.Definitions(jobs=[job], schedules=[nightly])


def _declared_policies(assets: Iterable[object]) -> Iterator[tuple[str, RetentionPolicy | None]]:
    for asset in assets:
        for spec in asset.specs if isinstance(asset, dg.AssetsDefinition) else ():
            yield spec.key.to_user_string(), retention_policy(spec.metadata)


def _metadata(report: CleanUpReport) -> Mapping[str, Any]:
    return {
        "dry_run": report.is_dry_run,
        "deleted_files": report.freed.files,
        "deleted_bytes": report.freed.size_bytes,
        "released_versions": len(report.released),
        "kept_versions": len(report.kept),
        "reaped_leases": len(report.reaped),
        "deleted": _table(_deleted_rows(report)),
        "released": _table(_verdict_rows(report.released)),
        "kept": _table(_verdict_rows(report.kept)),
    }


def _table(rows: Iterator[Mapping[str, Any]]) -> dg.MetadataValue[Any]:
    return table_metadata(list(islice(rows, _ROWS_SHOWN)))


def _deleted_rows(report: CleanUpReport) -> Iterator[Mapping[str, Any]]:
    for garbage in report.collected:
        yield {
            "what": f"file {garbage.file_id}",
            "asset": garbage.asset,
            "partition": garbage.partition,
            "version": garbage.version,
            "run": garbage.run_id,
            "size_bytes": garbage.size_bytes,
            "age": spell_duration(garbage.age_s),
            "reason": garbage.reason,
        }
    none = dict.fromkeys(("asset", "partition", "version", "run"))
    for left, reason in report.bare_bytes:
        yield {"what": left.name, **none, "size_bytes": left.size_bytes, "age": None, "reason": reason}


def _verdict_rows(verdicts: Sequence[Verdict]) -> Iterator[Mapping[str, Any]]:
    for verdict in verdicts:
        version = verdict.version
        facts = {"made": version.made_at[-1].isoformat(timespec="seconds"), "size_bytes": version.size_bytes}
        yield {**dataclasses.asdict(version.name), **facts, "reason": verdict.reason}
