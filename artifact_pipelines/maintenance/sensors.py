"""The sensor that follows wipes: what is wiped in Dagster's UI is released here too, and can be taken back.

One idea: a row is in the catalog before Dagster knows of the materialization. So what was made after a wipe is told
from what was made before only when its run is through, or Dagster knows of it already; until then the wipe waits.
"""

import datetime
from collections.abc import Iterator, Sequence, Set
from itertools import islice

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.io_manager.publishing import decide_on
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.retention import plan_retention, release_versions

CANDIDATES_PER_TICK = 100
"""Each costs some questions to the event log for every check, and one more for each page of what it has found since."""

_RUNLESS = ""  # Dagster files events that belong to no run under this run ID
_FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
_UNFINISHED = dg.RunsFilter(statuses=[status for status in dg.DagsterRunStatus if status not in _FINISHED])
WIPES_PER_TICK = 100
_EVENTS_A_PAGE = 1_000


@dg.sensor(
    name="artifact_wipes",
    description="Releases the files of assets that were wiped. `artifact-pipelines restore ASSET` takes it back.",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    jobs=[],
)
def artifact_wipes(context: dg.SensorEvaluationContext, artifact_store: ArtifactStore) -> dg.SensorResult:
    """Follow the wipes since the last tick, up to one that has to wait."""
    wipes = list(islice(_wipes(context.instance, context.cursor), WIPES_PER_TICK))
    if not wipes:
        return dg.SensorResult(skip_reason="Nothing was wiped.")
    said, cursor = [], context.cursor
    with artifact_store.open() as (catalog, _):
        for event, cursor_behind in wipes:
            is_over, text = _follow(context.instance, catalog, event)
            said.append(text)
            if not is_over:
                break
            cursor = cursor_behind
    return dg.SensorResult(skip_reason="; ".join(said), cursor=cursor)


def _wipes(instance: dg.DagsterInstance, cursor: str | None) -> Iterator[tuple[dg.EventLogEntry, str]]:
    """Yield the wipes behind a cursor, each with the cursor that is behind it."""
    # Of a run's events, for only so the default event log finds those that belong to no run.
    wiped = dg.DagsterEventType.ASSET_WIPED
    while (page := instance.get_records_for_run(_RUNLESS, cursor, of_type=wiped, limit=1)).records:
        cursor = page.cursor
        yield page.records[0].event_log_entry, cursor


def _follow(instance: dg.DagsterInstance, catalog: Catalog, entry: dg.EventLogEntry) -> tuple[bool, str]:
    """Follow one wipe. Returns whether that is over, and what there is to say."""
    event = entry.get_dagster_event().asset_wiped_data
    asset = event.asset_key.to_user_string()
    if event.partition_keys is not None:  # no event log that this was tried with can
        return True, f"{asset}: only some partitions were wiped, nothing is released"
    # In this order: a run that made a row, and is not seen as unfinished any more, has told Dagster of it by now.
    run_of = catalog.retention.wipeable(asset)
    unfinished = set(instance.get_run_ids(_UNFINISHED))
    later = _runs_since_wipe(instance, event.asset_key)
    runs = {run for run in run_of.values() if run is not None}
    if unclear := sorted(runs & unfinished - later):
        return False, f"{asset}: was wiped, and waits for the end of run {unclear[0]}"
    happened_at = datetime.datetime.fromtimestamp(entry.timestamp, datetime.UTC)
    wiped = catalog.retention.wipe(asset, runs & later, max(run_of, default=0), happened_at)
    released = release_versions(catalog, plan_retention(catalog, [asset]))
    return True, f"{asset}: {wiped} materializations wiped, {len(released)} versions released"


def _runs_since_wipe(instance: dg.DagsterInstance, key: dg.AssetKey) -> Set[str]:
    """Return the runs that made an asset after it was last wiped: Dagster remembers no others."""
    runs: set[str] = set()
    cursor, has_more = None, True
    while has_more:
        page = instance.fetch_materializations(key, limit=_EVENTS_A_PAGE, cursor=cursor)
        runs.update(record.run_id for record in page.records)
        cursor, has_more = page.cursor, page.has_more
    return runs


@dg.sensor(
    name="artifact_publisher",
    description=(
        "Makes outputs of assets with `artifact/publish: after_checks` current once their blocking checks have passed, "
        "and keeps aside what failed one. `artifact-pipelines publish ASSET --version N` overrides it."
    ),
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    jobs=[],
)
def artifact_publisher(context: dg.SensorEvaluationContext, artifact_store: ArtifactStore) -> dg.SensorResult:
    """Look at the next candidates behind those of the tick before; behind the last of all comes the first again.

    Dagster keeps no cursor of a tick that fails: where others wait behind those that cannot be decided upon, the tick
    says so instead, and they have their turn. What is wrong with each is in the tick's log.
    """
    place = int(context.cursor or 0)
    with artifact_store.open() as (catalog, _):
        candidates = catalog.candidates.next_waiting(place, CANDIDATES_PER_TICK)
        decided = decide_on(context.instance, catalog, candidates)
    for error in decided.errors:
        context.log.error("Could not decide: " + _explained(error))
    last = candidates[-1].materialization_id if len(candidates) == CANDIDATES_PER_TICK else 0
    if last == place:
        decided.raise_first()
    told = [*_told(decided.errors), *decided.done] or ["Nothing was published or rejected."]
    return dg.SensorResult(skip_reason="; ".join(told), cursor=str(last))


def _told(errors: Sequence[Exception]) -> Sequence[str]:
    """Return what people are told of errors, if there are any."""
    return [f"{len(errors)} could not be decided upon, the first for {_explained(error)}" for error in errors[:1]]


def _explained(error: Exception) -> str:
    return f"{type(error).__name__} {', '.join(error.__notes__)}: {error}"
