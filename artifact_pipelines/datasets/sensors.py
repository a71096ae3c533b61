"""The sensors of a dataset: one requests a run for each new content in the landing zone, one repeats runs that died."""

import collections
from collections.abc import Iterator, Sequence

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import LandingFile, LandingState
from artifact_pipelines.datasets.assets import LandingZone
from artifact_pipelines.datasets.landing_rules import DEFAULT_RULES, LandingRules
from artifact_pipelines.datasets.landing_watch import LandingWatch, RunOutcome
from artifact_pipelines.datasets.quarantine_assets import report_quarantine
from artifact_pipelines.datasets.requests import REQUEST_TAG
from artifact_pipelines.datasets.retries import PAUSES_S, Retry, has_died, next_retry

_MOST_SHOWN = 50
_STATES = {
    dg.DagsterRunStatus.SUCCESS: LandingState.INGESTED,
    dg.DagsterRunStatus.FAILURE: LandingState.QUARANTINED,
    dg.DagsterRunStatus.CANCELED: LandingState.QUARANTINED,
}
_CANCELED = "its run was canceled; replay it to try again"
_GIVEN_UP = f"its runs died {len(PAUSES_S) + 1} times, nothing is known against the file; replay it to try again"


def build_landing_sensor(
    dataset: str,
    source: str,
    raw: dg.AssetsDefinition,
    table: dg.AssetsDefinition,
    rules: LandingRules = DEFAULT_RULES,
    is_union: bool = False,
) -> dg.SensorDefinition:
    """Return the sensor that ingests a dataset's files, one at a time.

    A run materializes the raw file and its table; automation conditions materialize everything downstream.
    """

    @dg.sensor(
        name=f"{dataset}_landing",
        description=f"Ingests complete files that match {source!r} in the landing zone if their content is new.",
        asset_selection=dg.AssetSelection.assets(raw, table),
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def landing_sensor(context: dg.SensorEvaluationContext, landing_zone: LandingZone) -> dg.SensorResult:
        with Catalog(landing_zone.store.catalog_url) as catalog:
            watch = LandingWatch(
                catalog,
                landing_zone.open(),
                dataset,
                source,
                raw.key.to_user_string(),
                landing_zone.settle_s,
                rules,
                landing_zone.read_stored,
                table.key.to_user_string() if is_union else None,
            )
            files = watch.tick(lambda run_key: _outcome(context.instance, run_key))
            events, cursor = report_quarantine(catalog, dataset, context.cursor)
        requested = [file for file in files if file.state == LandingState.REQUESTED]
        requests = [request for file in requested for request in _requests(context.instance, raw.node_def.name, file)]
        reason = None if requests else _explain(source, files)
        return dg.SensorResult(run_requests=requests, skip_reason=reason, asset_events=events, cursor=cursor)

    return landing_sensor


def _requests(instance: dg.DagsterInstance, op: str, file: LandingFile) -> Iterator[dg.RunRequest]:
    """Yield the request for a file's run, if it has none or the next try of one that died is due."""
    run_key = str(file.run_key)
    last = _last_try(instance, run_key)
    retry = _next_retry(last) if last else None
    if last is None or (retry and retry.is_due):
        yield dg.RunRequest(
            # The same run key again starts no second run.
            run_key=f"{run_key} retry {retry.number}" if retry else run_key,
            run_config={"ops": {op: {"config": {"path": file.path}}}},
            tags={"artifact/dataset": file.dataset, REQUEST_TAG: run_key, **(retry.tags if retry else {})},
        )


def _last_try(instance: dg.DagsterInstance, run_key: str) -> dg.RunRecord | None:
    records = instance.get_run_records(filters=dg.RunsFilter(tags={REQUEST_TAG: run_key}), limit=1)
    return records[0] if records else None


def _outcome(instance: dg.DagsterInstance, run_key: str) -> RunOutcome | None:
    last = _last_try(instance, run_key)
    if last is None:
        return None
    if retry := _next_retry(last):
        return RunOutcome(LandingState.REQUESTED, str(retry), has_run=False)
    run, reason = last.dagster_run, None
    if run.status == dg.DagsterRunStatus.CANCELED:
        reason = _CANCELED
    elif run.status == dg.DagsterRunStatus.FAILURE:
        reason = _GIVEN_UP if has_died(run.tags) else _error_of(instance, run.run_id)
    return RunOutcome(_STATES.get(run.status, LandingState.REQUESTED), reason)


def _error_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return the error of the first step that failed: it names the dropped file and what is wrong with it."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1).records
    for record in records:
        data = record.event_log_entry.get_dagster_event().step_failure_data
        failure, error = data.user_failure_data, data.error
        if failure and failure.description:
            return str(failure.description)
        if error:
            return str((error.cause or error).message).strip()
    return f"its run {run_id} failed"


def _next_retry(record: dg.RunRecord) -> Retry | None:
    run = record.dagster_run
    ended_s = record.end_time or record.update_timestamp.timestamp()
    return next_retry(run.tags, ended_s) if run.status == dg.DagsterRunStatus.FAILURE else None


def _explain(source: str, files: Sequence[LandingFile]) -> str:
    if not files:
        return f"No file in the landing zone matches {source!r}."
    # First those that wait or failed: a landing zone may hold thousands of files.
    shown = sorted(files, key=lambda file: file.state in (LandingState.INGESTED, LandingState.DUPLICATE))[:_MOST_SHOWN]
    shown.sort(key=lambda file: file.path)
    more = collections.Counter(file.state for file in files) - collections.Counter(file.state for file in shown)
    texts = [f"{file.path}: {file.state}" + (f" ({file.reason})" if file.reason else "") for file in shown]
    return "; ".join(texts + [f"{count:,} more {state}" for state, count in sorted(more.items())])


def build_retry_sensor(dataset: str, assets: Sequence[dg.AssetsDefinition]) -> dg.SensorDefinition:
    """Return the sensor that requests assets of a dataset again if their last run died.

    The landing sensor repeats its own runs.
    """

    @dg.sensor(
        name=f"{dataset}_retries",
        description=f"Repeats runs of {dataset} that died with their process or machine, after growing pauses.",
        asset_selection=dg.AssetSelection.assets(*assets),
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def retry_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        keys = [key for asset in assets for key in asset.keys]
        waiting = list(_died(context.instance, keys))
        requests = [_repeat(record, keys, retry) for record, keys, retry in waiting if retry and retry.is_due]
        reasons = [f"{', '.join(k.to_user_string() for k in keys)}: {_retry_text(retry)}" for _, keys, retry in waiting]
        reason = "; ".join(reasons) or "No run has died since its assets were last made."
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else reason)

    return retry_sensor


def _died(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]
) -> Iterator[tuple[dg.RunRecord, Sequence[dg.AssetKey], Retry | None]]:
    """Yield each run that died last for some assets before it made them, with the next try of it."""
    keys_of: dict[str, list[dg.AssetKey]] = collections.defaultdict(list)
    for entry in (record.asset_entry for record in instance.get_asset_records(keys)):
        made = entry.last_materialization
        if entry.last_run_id and (made is None or made.run_id != entry.last_run_id):
            keys_of[entry.last_run_id].append(entry.asset_key)
    for record in instance.get_run_records(dg.RunsFilter(run_ids=list(keys_of))) if keys_of else ():
        run = record.dagster_run
        if run.status == dg.DagsterRunStatus.FAILURE and has_died(run.tags) and REQUEST_TAG not in run.tags:
            yield record, keys_of[run.run_id], _next_retry(record)


def _repeat(record: dg.RunRecord, keys: Sequence[dg.AssetKey], retry: Retry) -> dg.RunRequest:
    run = record.dagster_run
    config = run.run_config if run.asset_selection == set(keys) else {}
    return dg.RunRequest(run_key=f"after {run.run_id}", asset_selection=keys, run_config=config, tags=retry.tags)


def _retry_text(retry: Retry | None) -> str:
    return str(retry) if retry else f"its runs died {len(PAUSES_S) + 1} times; materialize it again by hand"
