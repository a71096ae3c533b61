"""The quarantine of a dataset in Dagster: an asset that shows it, a check that it is empty, and a job that replays it.

The landing sensor reports asset and check whenever the quarantine has changed, so no run is needed to see it.
"""

import datetime
import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import dagster as dg
import pydantic

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.log_lines import log_done, now_s
from artifact_pipelines.datasets.landing.outcomes import last_runs
from artifact_pipelines.datasets.quarantine import Quarantine, Waiting
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.instance.page import table_metadata
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.storage.staging import hash_stream

EMPTY_CHECK = "is_empty"
EMPTY_CURSOR = "quarantine: empty"
"""Cursor of a dataset whose quarantine is empty; the sensor's page shows it."""
_MOST_SHOWN = 100
_REASON_CHARACTERS = 2000


class Replay(dg.Config):
    """The files to ingest once more."""

    files: list[str] = pydantic.Field(
        default=[], description="Paths below the landing zone, as the asset `quarantine` shows them; empty: all."
    )


def build_quarantine(
    dataset: str, owners: Sequence[str], tags: Mapping[str, str]
) -> tuple[dg.AssetSpec, dg.AssetChecksDefinition, dg.JobDefinition]:
    """Return the asset, its check and the job."""
    spec = dg.AssetSpec(
        [dataset, "quarantine"],
        description=(
            f"Files of {dataset} that could not be ingested, each with its reason. They wait until you drop them again "
            f"fixed, replay them (job `{dataset}_replay`, or `artifact-pipelines quarantine replay`), or discard them "
            "(`artifact-pipelines quarantine discard`). They hold up no other file."
        ),
        group_name=dataset,
        owners=list(owners),
        tags=dict(tags),
        kinds={"quarantine"},
        code_version="1",
    )

    @dg.asset_check(
        asset=spec.key, name=EMPTY_CHECK, description=f"All files of {dataset} are ingested; none waits in quarantine."
    )
    def is_empty(landing_zone: LandingZone) -> dg.AssetCheckResult:
        with Catalog(landing_zone.store.catalog_url) as catalog:
            waiting = Quarantine(catalog, dataset).waiting()
        return dg.AssetCheckResult(passed=not waiting, severity=dg.AssetCheckSeverity.WARN, metadata=_metadata(waiting))

    @dg.op(name=f"replay_{dataset}", description="Takes files out of the quarantine; the sensor ingests them.")
    def replay(context: dg.OpExecutionContext, config: Replay, landing_zone: LandingZone) -> None:
        started_s = now_s()
        with failures_explained(), Catalog(landing_zone.store.catalog_url) as catalog:
            files = Quarantine(catalog, dataset).replay(
                landing_zone.open(), landing_zone.read_stored, config.files or None
            )
        for file in files:
            log_done(context.log.info, "replayed", started_s, dataset=dataset, file=file.path)
        context.add_output_metadata({"quarantine/replayed": len(files)})

    @dg.job(
        name=f"{dataset}_replay",
        description=f"Ingests files from the quarantine of {dataset} once more, after contract or parser have changed.",
    )
    def job() -> None:
        replay()

    return spec, is_empty, job


def report_quarantine(
    catalog: Catalog, instance: dg.DagsterInstance, dataset: str, cursor: str | None
) -> tuple[Sequence[dg.AssetMaterialization | dg.AssetCheckEvaluation], str]:
    """Return the events that show the quarantine, if it has changed since the cursor, and the new cursor."""
    files = Quarantine(catalog, dataset).files()
    digest = hash_stream(io.BytesIO(repr(files).encode())).content_hash[:16]
    now = f"quarantine: {digest}" if files else EMPTY_CURSOR
    if now == cursor:
        return [], now
    waiting = Quarantine(catalog, dataset).waiting()
    runs = last_runs(instance, [str(each.file.run_key) for each in waiting[:_MOST_SHOWN] if each.file.run_key])
    key, metadata = dg.AssetKey([dataset, "quarantine"]), _metadata(waiting, runs)
    check = dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=EMPTY_CHECK,
        passed=not waiting,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )
    return [dg.AssetMaterialization(key, metadata=metadata), check], now


def _metadata(waiting: Sequence[Waiting], runs: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Return what the page shows, with a link to the run of the file that was dropped last.

    Args:
        runs: ID of the run that failed, by run key.
    """
    shown = [(each, runs.get(str(each.file.run_key))) for each in waiting[:_MOST_SHOWN]]
    files = {"quarantine/files": table_metadata([_row(*each) for each in shown], _REASON_CHARACTERS)} if shown else {}
    failed = [(each.file.changed_ns, run_id) for each, run_id in shown if run_id]
    last = {"quarantine/last_run": dg.MetadataValue.dagster_run(max(failed)[1])} if failed else {}
    return {"quarantine/waiting": len(waiting), **last, **files}


def _row(waiting: Waiting, run_id: str | None) -> dict[str, str]:
    """Return two columns: with a third one, the reason would stand in a column of a few characters."""
    file, raw = waiting.file, waiting.raw
    dropped = datetime.datetime.fromtimestamp(file.changed_ns // 10**9, datetime.UTC)
    texts = [
        file.path,
        f"dropped {dropped:%Y-%m-%d %H:%M:%S} UTC" if file.changed_ns else "",
        f"{waiting.attempts} attempts" if waiting.attempts > 1 else "",
        f"stored as raw version {raw.version}" if raw else "",
        f"run {run_id[:8]}" if run_id else "",
    ]
    return {"file": ", ".join(filter(None, texts)), "reason": file.reason or ""}
