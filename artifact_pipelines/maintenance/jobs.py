"""Clean-up as a Dagster job, with a schedule that is off until someone switches it on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import dagster as dg
import pydantic

from artifact_pipelines.core.durations import parse_duration_s, spell_duration
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.retention import RetentionPolicy, Verdict
from artifact_pipelines.io_manager.failures import failures_explained
from artifact_pipelines.io_manager.metadata import table_metadata
from artifact_pipelines.io_manager.outputs import retention_policy
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.clean_up import LEAST_GRACE_S, CleanUpReport, clean_up
from artifact_pipelines.maintenance.deletion_limit import MAX_SHARE

_ROWS_SHOWN = 500


class CleanUpConfig(dg.Config):
    """What may go."""

    grace: str = pydantic.Field(default="24h", description="How long nothing must have held a file; 1h at the least.")
    dry_run: bool = pydantic.Field(default=False, description="Change nothing, and list what would go.")
    max_share: float = pydantic.Field(
        default=MAX_SHARE, ge=0, le=1, description="Refuse if a larger share of the store would go, of files or bytes."
    )
    ops_within: str | None = pydantic.Field(
        default=None,
        description="How long outputs of ops that are no assets are kept, such as 30d; 1d at the least. Else for ever.",
    )


def build_clean_up(assets: Iterable[object]) -> dg.Definitions:
    """Return the job that cleans up, and a nightly schedule for it, which is off by default.

    Args:
        assets: The assets of the code location: what they declare now is what retention goes by, also for those that
            have not been made since it was declared. Those of other code locations are left as they are.
    """
    policies = dict(_declared(assets))

    @dg.op(
        name="clean_up_artifacts",
        description="Releases what retention does not keep, and deletes files that nothing has held for a while.",
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
                grace_s=_checked_grace_s(config.grace),
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
        description="Cleans up the artifact store every night. Off until it is switched on.",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    return dg.Definitions(jobs=[job], schedules=[nightly])


def _declared(assets: Iterable[object]) -> Iterator[tuple[str, RetentionPolicy | None]]:
    for asset in assets:
        for spec in asset.specs if isinstance(asset, dg.AssetsDefinition) else ():
            yield spec.key.to_user_string(), retention_policy(spec.metadata)


def _checked_grace_s(grace: str) -> float:
    grace_s = parse_duration_s(grace, "grace")
    if grace_s < LEAST_GRACE_S:
        raise InvalidArgumentError("grace", grace, "1h or more; `artifact-pipelines gc --force` goes below")
    return grace_s


def _metadata(report: CleanUpReport) -> Mapping[str, Any]:
    kept = [verdict for verdict in report.verdicts if verdict.is_kept]
    return {
        "dry_run": report.is_dry_run,
        "deleted_files": report.freed.files,
        "deleted_bytes": report.freed.size_bytes,
        "released_versions": len(report.released),
        "kept_versions": len(kept),
        "reaped_leases": len(report.reaped),
        "deleted": _table(_deleted_rows(report)),
        "released": _table(_verdict_rows(report.released)),
        "kept": _table(_verdict_rows(kept)),
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
    for part, reason in report.bare_bytes:
        yield {"what": part.name, **none, "size_bytes": part.size_bytes, "age": None, "reason": reason}


def _verdict_rows(verdicts: Sequence[Verdict]) -> Iterator[Mapping[str, Any]]:
    for verdict in verdicts:
        version = verdict.version
        yield {
            "asset": version.name.asset,
            "partition": version.name.partition,
            "version": version.name.version,
            "made": version.made_at[-1].isoformat(timespec="seconds"),
            "size_bytes": version.size_bytes,
            "reason": verdict.reason,
        }
