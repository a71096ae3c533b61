"""The sensors of a dataset: one requests a run for each new content that lands, one repeats runs without fault.

A run is without fault if its process, its machine or the store failed, not its data; see `retries`.
"""

import collections
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import LandingFile, LandingState
from artifact_pipelines.datasets.failed_runs import error_of, fault_of_run, faults_of_steps, retry_of
from artifact_pipelines.datasets.interfaces import ILandingZone
from artifact_pipelines.datasets.landing_rules import DEFAULT_RULES, LandingRules
from artifact_pipelines.datasets.landing_watch import LandingWatch, RunOutcome
from artifact_pipelines.datasets.partition_keys import PartitionKeys
from artifact_pipelines.datasets.quarantine_assets import report_quarantine
from artifact_pipelines.datasets.requests import REQUEST_TAG
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.datasets.retries import PAUSES_S, Fault, Retry, fault_of

_MOST_SHOWN = 50
_PARTITION_TAG = "dagster/partition"
_STATES = {
    dg.DagsterRunStatus.SUCCESS: LandingState.INGESTED,
    dg.DagsterRunStatus.FAILURE: LandingState.QUARANTINED,
    dg.DagsterRunStatus.CANCELED: LandingState.QUARANTINED,
}
_CANCELED = "its run was canceled; replay it to try again"
_GIVEN_UP = "nothing is known against the file; replay it to try again"


def build_landing_sensor(
    dataset: str,
    source: str,
    assets: Sequence[dg.AssetsDefinition],
    rules: LandingRules = DEFAULT_RULES,
    is_union: bool = False,
    keys: PartitionKeys | None = None,
    seen_as: Callable[[ILandingZone], ILandingZone] = lambda zone: zone,
) -> dg.SensorDefinition:
    """Return the sensor that ingests a dataset's files, one at a time, or one of each partition.

    Automation conditions materialize everything downstream.

    Args:
        assets: Those that a run materializes: the raw file first, its table, and what has to follow at once.
        seen_as: See `build_raw_asset`.
    """
    raw = assets[0]

    @dg.sensor(
        name=f"{dataset}_landing",
        description=f"Ingests complete files that match {source!r} in the landing zone if their content is new.",
        asset_selection=dg.AssetSelection.assets(*assets),
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def landing_sensor(context: dg.SensorEvaluationContext, landing_zone: LandingZone) -> dg.SensorResult:
        with Catalog(landing_zone.store.catalog_url) as catalog:
            zone = seen_as(landing_zone.open())
            watch = LandingWatch(
                catalog,
                zone,
                dataset,
                source,
                raw.key.to_user_string(),
                landing_zone.settle_s,
                rules,
                landing_zone.read_stored,
                is_union,
                keys,
            )
            files = watch.tick(lambda run_key: _outcome(context.instance, run_key))
            events, cursor = report_quarantine(catalog, dataset, context.cursor)
        requested = [file for file in files if file.state == LandingState.REQUESTED]
        batches: dict[str, list[LandingFile]] = {}
        for file in sorted(requested, key=lambda file: (file.changed_ns, file.path)):
            batches.setdefault(str(file.run_key), []).append(file)
        requests = [
            request
            for batch in batches.values()
            for request in _requests(context.instance, raw.node_def.name, batch, watch.partition_of(batch[0].path))
        ]
        reason = None if requests else _explain(zone, source, files)
        new = _new_partitions(context.instance, raw.partitions_def, [r.partition_key for r in requests])
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=reason,
            asset_events=events,
            cursor=cursor,
            dynamic_partitions_requests=new,
        )

    return landing_sensor


def _new_partitions(
    instance: dg.DagsterInstance, definition: dg.PartitionsDefinition[Any] | None, keys: Sequence[str | None]
) -> Sequence[dg.AddDynamicPartitionsRequest]:
    """Return the request to add keys that a dynamic definition does not have yet, if there are any."""
    if not isinstance(definition, dg.DynamicPartitionsDefinition):
        return []
    new = [key for key in keys if key and not instance.has_dynamic_partition(str(definition.name), key)]
    return [definition.build_add_request(new)] if new else []


def _requests(
    instance: dg.DagsterInstance, op: str, batch: Sequence[LandingFile], partition: str | None
) -> Iterator[dg.RunRequest]:
    """Yield the request for the run of some files, if it has none or the next try of one that died is due."""
    file, *more = batch
    run_key = str(file.run_key)
    # Dagster would set this tag after it has read all keys, once for each request.
    of = {} if partition is None else {_PARTITION_TAG: partition}
    last = _last_try(instance, run_key)
    retry = retry_of(instance, last) if last else None
    if last is None or (retry and retry.is_due):
        yield dg.RunRequest(
            # The same run key again starts no second run.
            run_key=f"{run_key} retry {retry.number}" if retry else run_key,
            partition_key=partition,
            run_config={"ops": {op: {"config": {"path": file.path, **_more(more)}}}},
            tags={"artifact/dataset": file.dataset, REQUEST_TAG: run_key, **(retry.tags if retry else {}), **of},
        )


def _more(files: Sequence[LandingFile]) -> Mapping[str, Any]:
    return {"more": [file.path for file in files]} if files else {}


def _last_try(instance: dg.DagsterInstance, run_key: str) -> dg.RunRecord | None:
    records = instance.get_run_records(filters=dg.RunsFilter(tags={REQUEST_TAG: run_key}), limit=1)
    return records[0] if records else None


def _outcome(instance: dg.DagsterInstance, run_key: str) -> RunOutcome | None:
    last = _last_try(instance, run_key)
    if last is None:
        return None
    if retry := retry_of(instance, last):
        return RunOutcome(LandingState.REQUESTED, str(retry), has_run=False)
    run, reason = last.dagster_run, None
    if run.status == dg.DagsterRunStatus.CANCELED:
        reason = _CANCELED
    elif run.status == dg.DagsterRunStatus.FAILURE:
        reason = _reason(instance, run)
    return RunOutcome(_STATES.get(run.status, LandingState.REQUESTED), reason)


def _reason(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    fault = fault_of_run(instance, run)
    if fault == Fault.DATA:
        return error_of(instance, run.run_id)
    return f"{_tried(fault)}, {_GIVEN_UP}" + ("" if fault_of(run.tags) else f": {error_of(instance, run.run_id)}")


def _tried(fault: Fault) -> str:
    return f"{fault}, {len(PAUSES_S[fault]) + 1} times"


def _explain(zone: ILandingZone, source: str, files: Sequence[LandingFile]) -> str:
    if not files:
        return f"No file in {zone} matches {source!r}."
    # First those that wait or failed: a landing zone may hold thousands of files.
    shown = sorted(files, key=lambda file: file.state in (LandingState.INGESTED, LandingState.DUPLICATE))[:_MOST_SHOWN]
    shown.sort(key=lambda file: file.path)
    more = collections.Counter(file.state for file in files) - collections.Counter(file.state for file in shown)
    texts = [f"{file.path}: {file.state}" + (f" ({file.reason})" if file.reason else "") for file in shown]
    return "; ".join(texts + [f"{count:,} more {state}" for state, count in sorted(more.items())])


def build_retry_sensor(dataset: str, assets: Sequence[dg.AssetsDefinition]) -> dg.SensorDefinition:
    """Return the sensor that requests assets of a dataset again if their last run failed without their fault.

    The landing sensor repeats its own runs.
    """

    @dg.sensor(
        name=f"{dataset}_retries",
        description=f"Repeats runs of {dataset} whose process, machine or store failed, after growing pauses.",
        asset_selection=dg.AssetSelection.assets(*assets),
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def retry_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        step_of = {key: asset.node_def.name for asset in assets for key in asset.keys}
        waiting = [
            (record, keys, fault, retry_of(context.instance, record, fault))
            for record, keys, fault in _failed(context.instance, step_of)
        ]
        requests = [_repeat(record, keys, retry) for record, keys, _, retry in waiting if retry and retry.is_due]
        reasons = [f"{_named(keys)}: {retry or _given_up(fault)}" for _, keys, fault, retry in waiting]
        reason = "; ".join(reasons) or "Nothing waits for a retry."
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else reason)

    return retry_sensor


def _failed(
    instance: dg.DagsterInstance, step_of: Mapping[dg.AssetKey, str]
) -> Iterator[tuple[dg.RunRecord, Sequence[dg.AssetKey], Fault]]:
    """Yield each run that was the last for some assets and did not make them, although their data are without fault."""
    keys_of: dict[str, list[dg.AssetKey]] = collections.defaultdict(list)
    for entry in (record.asset_entry for record in instance.get_asset_records(list(step_of))):
        made = entry.last_materialization
        if entry.last_run_id and (made is None or made.run_id != entry.last_run_id):
            keys_of[entry.last_run_id].append(entry.asset_key)
    for record in instance.get_run_records(dg.RunsFilter(run_ids=list(keys_of))) if keys_of else ():
        run = record.dagster_run
        if run.status == dg.DagsterRunStatus.FAILURE and REQUEST_TAG not in run.tags:
            faults = {} if fault_of(run.tags) else faults_of_steps(instance, run.run_id)
            steps = {step_of[key] for key in keys_of[run.run_id]}
            keys = [key for key, step in step_of.items() if step in steps and faults.get(step) != Fault.DATA]
            fault = fault_of(run.tags) or next((fault for fault in faults.values() if fault != Fault.DATA), None)
            if fault and keys:
                yield record, keys, fault


def _repeat(record: dg.RunRecord, keys: Sequence[dg.AssetKey], retry: Retry) -> dg.RunRequest:
    run = record.dagster_run
    config = run.run_config if run.asset_selection == set(keys) else {}
    partition = run.tags.get(_PARTITION_TAG)
    request = f"after {run.run_id}"
    tags = {**retry.tags, **({} if partition is None else {_PARTITION_TAG: partition})}
    return dg.RunRequest(request, config, tags, asset_selection=keys, partition_key=partition)


def _named(keys: Sequence[dg.AssetKey]) -> str:
    return ", ".join(key.to_user_string() for key in keys)


def _given_up(fault: Fault) -> str:
    return f"{_tried(fault)}; materialize it again by hand"
