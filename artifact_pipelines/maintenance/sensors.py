"""The sensor that follows wipes: what is wiped in Dagster's UI is released here too, and can be taken back."""

from collections.abc import Sequence

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.maintenance.resources import ArtifactStore
from artifact_pipelines.maintenance.retention import plan_retention, release_versions

_RUNLESS = ""  # Dagster files events that belong to no run under this run ID
_EVENTS_A_TICK = 100
_EVENTS_A_PAGE = 1_000


@dg.sensor(
    name="artifact_wipes",
    description="Releases the files of assets that were wiped. `artifact-pipelines restore ASSET` takes it back.",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    jobs=[],
)
def artifact_wipes(context: dg.SensorEvaluationContext, artifact_store: ArtifactStore) -> dg.SensorResult:
    """Follow the wipes since the last tick."""
    # Of a run's events, for only so the default event log finds those that belong to no run.
    wipes = context.instance.get_records_for_run(
        _RUNLESS, context.cursor, of_type=dg.DagsterEventType.ASSET_WIPED, limit=_EVENTS_A_TICK
    )
    if not wipes.records:
        return dg.SensorResult(skip_reason="Nothing was wiped.")
    with artifact_store.open() as (catalog, _):
        said = [_follow(context.instance, catalog, record.event_log_entry) for record in wipes.records]
    return dg.SensorResult(skip_reason="; ".join(said), cursor=wipes.cursor)


def _follow(instance: dg.DagsterInstance, catalog: Catalog, entry: dg.EventLogEntry) -> str:
    event = entry.get_dagster_event().asset_wiped_data
    asset, partitions = event.asset_key.to_user_string(), event.partition_keys
    since = None if partitions is None else entry.timestamp
    later = _runs_since(instance, event.asset_key, partitions, since)
    wiped = catalog.retention.wipe(asset, partitions, except_runs=later)
    released = release_versions(catalog, plan_retention(catalog, [asset]))
    return f"{asset}: {wiped} materializations wiped, {len(released)} versions released"


def _runs_since(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Sequence[str] | None, since: float | None
) -> Sequence[str]:
    """Return the runs that made an asset after it was wiped; of a whole asset Dagster remembers no others."""
    records_filter = dg.AssetRecordsFilter(key, asset_partitions=partitions, after_timestamp=since)
    runs: dict[str, None] = {}
    cursor, has_more = None, True
    while has_more:
        page = instance.fetch_materializations(records_filter, limit=_EVENTS_A_PAGE, cursor=cursor)
        runs.update(dict.fromkeys(record.run_id for record in page.records))
        cursor, has_more = page.cursor, page.has_more
    return list(runs)
