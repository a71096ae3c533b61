"""Sensors that carry decisions from Dagster into the catalog (wipes in the UI, passed checks), and those about runs.

The catalog records a materialization before Dagster does. So whether a row is older or newer than a wipe is certain
only when its run has ended, or when Dagster has the materialization. Until then the wipe waits.
"""

import datetime
import socket
import time
from collections.abc import Iterator, Set
from itertools import islice

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.log_lines import log_done, now_s
from artifact_pipelines.core.wording import counted
from artifact_pipelines.instance.dead_runs import Watch, end_dead_runs
from artifact_pipelines.instance.outages import is_middle_try
from artifact_pipelines.instance.tick_log import sayer_of_tick
from artifact_pipelines.io_manager.publishing import decide_on
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.alerts import FailedRun, alert_url, send_alert
from artifact_pipelines.maintenance.retention import plan_retention, release_versions

CANDIDATES_PER_TICK = 100
"""Each candidate costs a few queries to the event log for every check, and one more for each page of results."""

WIPES_PER_TICK = 100
_PUBLISHED_WITHIN_S = 30
"""A step that loads a candidate decides on it at once, so this is for assets that nothing loads."""
_SELDOM_S = 60
"""Each tick costs Dagster's daemon and the code server about 0.1 s of processor time."""
_EVENTS_PER_PAGE = 1_000
_RUNLESS = ""  # Dagster's run ID of events without a run
_FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
_UNFINISHED = dg.RunsFilter(statuses=[status for status in dg.DagsterRunStatus if status not in _FINISHED])


@dg.sensor(
    name="artifact_wipes",
    description="Releases the files of assets that were wiped. `artifact-pipelines restore ASSET` undoes it.",
    minimum_interval_seconds=_SELDOM_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    jobs=[],
)
def artifact_wipes(context: dg.SensorEvaluationContext, artifact_store: ArtifactStore) -> dg.SensorResult:
    """Release the assets wiped since the last tick, up to a wipe that has to wait."""
    wipes = list(islice(_wipes(context.instance, context.cursor), WIPES_PER_TICK))
    if not wipes:
        return dg.SensorResult(skip_reason="Nothing was wiped.")
    reports, cursor = [], context.cursor
    with artifact_store.open() as (catalog, _):
        for event, cursor_after in wipes:
            is_over, text = _release_wiped(context, catalog, event)
            reports.append(text)
            if not is_over:
                break
            cursor = cursor_after
    return dg.SensorResult(skip_reason="; ".join(reports), cursor=cursor)


def _wipes(instance: dg.DagsterInstance, cursor: str | None) -> Iterator[tuple[dg.EventLogEntry, str]]:
    """Yield the wipes after a cursor, each with the cursor after it."""
    # Ask for events of a run: only this query finds events without a run in the default event log.
    wiped = dg.DagsterEventType.ASSET_WIPED
    while (page := instance.get_records_for_run(_RUNLESS, cursor, of_type=wiped, limit=1)).records:
        cursor = page.cursor
        yield page.records[0].event_log_entry, cursor


def _release_wiped(context: dg.SensorEvaluationContext, catalog: Catalog, entry: dg.EventLogEntry) -> tuple[bool, str]:
    """Release an asset that was wiped. Returns whether that is done, and a report for people."""
    instance, started_s = context.instance, now_s()
    event = entry.get_dagster_event().asset_wiped_data
    asset = event.asset_key.to_user_string()
    if event.partition_keys is not None:  # no known event log supports this
        return True, f"{asset}: only some partitions were wiped, nothing is released"
    # Ask in this order: if a run made a row and has ended since, Dagster knows the materialization by now.
    run_of = catalog.retention.wipeable(asset)
    unfinished = set(instance.get_run_ids(_UNFINISHED))
    later = _runs_since_wipe(instance, event.asset_key)
    runs = {run for run in run_of.values() if run is not None}
    if unclear := sorted(runs & unfinished - later):
        return False, f"{asset}: was wiped, and waits for the end of run {unclear[0]}"
    happened_at = datetime.datetime.fromtimestamp(entry.timestamp, datetime.UTC)
    wiped = catalog.retention.wipe(asset, runs & later, max(run_of, default=0), happened_at)
    released = release_versions(catalog, plan_retention(catalog, [asset]))
    counts = {"materializations": wiped, "released_versions": len(released)}
    log_done(sayer_of_tick(context), "wiped", started_s, asset=asset, **counts)
    return True, f"{asset}: {counted(wiped, 'materialization')} wiped, {counted(len(released), 'version')} released"


def _runs_since_wipe(instance: dg.DagsterInstance, key: dg.AssetKey) -> Set[str]:
    """Return the runs that made an asset after its last wipe. Dagster has forgotten the earlier ones."""
    runs: set[str] = set()
    cursor, has_more = None, True
    while has_more:
        page = instance.fetch_materializations(key, limit=_EVENTS_PER_PAGE, cursor=cursor)
        runs.update(record.run_id for record in page.records)
        cursor, has_more = page.cursor, page.has_more
    return runs


@dg.sensor(
    name="artifact_publisher",
    description=(
        "Makes outputs of assets with `artifact/publish: after_checks` current once their blocking checks have passed, "
        "and rejects those that failed one. `artifact-pipelines publish ASSET --version N` overrides a rejection."
    ),
    minimum_interval_seconds=_PUBLISHED_WITHIN_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    jobs=[],
)
def artifact_publisher(context: dg.SensorEvaluationContext, artifact_store: ArtifactStore) -> dg.SensorResult:
    """Decide on the next candidates after those of the last tick. After the last candidate comes the first again.

    A failed tick would not move Dagster's cursor. So if other candidates wait behind those that cannot be decided, the
    tick reports the errors and moves on. The tick's log has every error.
    """
    place, started_s = int(context.cursor or 0), now_s()
    with artifact_store.open() as (catalog, _):
        candidates = catalog.candidates.next_waiting(place, CANDIDATES_PER_TICK)
        decided = decide_on(context.instance, catalog, candidates)
    for report in decided.done:
        log_done(sayer_of_tick(context), "decided", started_s, result=report)
    for error in decided.errors:
        context.log.error("Could not decide: " + _explained(error))
    last = candidates[-1].materialization_id if len(candidates) == CANDIDATES_PER_TICK else 0
    if last == place:
        decided.raise_first()
    reports = [*decided.done]
    if decided.errors:
        first = _explained(decided.errors[0])
        reports.insert(0, f"{len(decided.errors)} could not be decided, the first because of {first}")
    return dg.SensorResult(skip_reason="; ".join(reports) or "Nothing was published or rejected.", cursor=str(last))


def _explained(error: Exception) -> str:
    return f"{type(error).__name__} {', '.join(error.__notes__)}: {error}"


@dg.sensor(
    name="artifact_dead_runs",
    description="Ends started runs whose process is gone, for example after a kill or a power cut.",
    minimum_interval_seconds=_SELDOM_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    jobs=[],
)
def artifact_dead_runs(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Look at the runs of this code location that are in progress."""
    if not isinstance(context.instance.run_launcher, dg.DefaultRunLauncher):
        return dg.SkipReason("This run launcher starts no processes here; Dagster's run monitoring watches its runs.")
    if context.code_location_origin is None:
        return dg.SkipReason("Not evaluated by a code server.")
    started_s = now_s()
    watch = Watch.resume(context.cursor, socket.gethostname(), time.time())
    # Without a queue, the webserver starts runs too, perhaps on another host.
    is_queued = isinstance(context.instance.run_coordinator, dg.QueuedRunCoordinator)
    watch, ended = end_dead_runs(context.instance, context.code_location_origin.location_name, watch, is_queued)
    for run_id in ended:
        log_done(sayer_of_tick(context), "ended", started_s, run=run_id)
    reports = "; ".join(f"run {run_id}: its process is gone, ended" for run_id in ended)
    return dg.SensorResult(skip_reason=reports or "Every run has its process.", cursor=watch.cursor())


@dg.run_failure_sensor(
    name="artifact_failure_alerts",
    description="Posts a few words about each failed run to the address in ARTIFACT_ALERT_URL.",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def artifact_failure_alerts(context: dg.RunFailureSensorContext) -> None:
    """Send an alert, for the first and the last of several tries. If nobody takes it, the tick shows why."""
    run = _failed(context)
    if (url := alert_url()) and not is_middle_try(context.dagster_run.tags, set(run.errors.values())):
        started_s = now_s()
        send_alert(url, run)
        log_done(context.log.info, "alerted", started_s, run=run.run_id, job=run.job)


def _failed(context: dg.RunFailureSensorContext) -> FailedRun:
    run = context.dagster_run
    errors = {
        str(event.step_key): str((error.cause or error).cls_name)
        for event in context.get_step_failure_events()
        if (error := event.step_failure_data.error)
    }
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    retried = run.tags.get("dagster/will_retry") == "true"
    return FailedRun(run.run_id, run.job_name, assets, run.tags.get("dagster/partition"), errors, retried)
