"""The sensor that repeats runs without fault: their process, machine or store failed, not their data; see `retries`."""

import collections
import dataclasses
import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.core.log_lines import log_done, now_s
from artifact_pipelines.datasets.failed_runs import faults_of_steps, retry_of
from artifact_pipelines.datasets.landing.outcomes import has_ingested, tried
from artifact_pipelines.datasets.requests import REQUEST_TAG
from artifact_pipelines.datasets.retries import Fault, Retry, fault_of
from artifact_pipelines.instance.tick_log import sayer_of_tick

RETRY_SENSOR = "artifact_retries"
PARTITION_TAG = "dagster/partition"
_EVERY_S = 30
"""Each tick costs Dagster about 0.1 s of processor time, and what is repeated has failed before."""
_LATELY = datetime.timedelta(days=1)
_MOST_RUNS = 100


@dataclasses.dataclass(frozen=True)
class RepeatedAssets:
    """The assets of a dataset whose runs are repeated.

    Attributes:
        step_of: Key of the step that makes each asset.
        ingesting: Keys of the steps that ingest a file. Until they have succeeded, the landing sensor repeats its run.
    """

    assets: Sequence[dg.AssetsDefinition]
    ingesting: Sequence[str]

    @property
    def step_of(self) -> Mapping[dg.AssetKey, str]:
        """The key of the step that makes each asset."""
        return {key: asset.node_def.name for asset in self.assets for key in asset.keys}


class RetrySensor(dg.SensorDefinition):
    """Requests assets of datasets again if their last run failed without their fault."""

    def __init__(
        self,
        repeated: Sequence[RepeatedAssets],
        name: str = RETRY_SENSOR,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.repeated = repeated
        super().__init__(
            name,
            evaluation_fn=self._repeat,
            description="Repeats runs of datasets whose process, machine or store failed, after growing pauses.",
            asset_selection=dg.AssetSelection.assets(*(asset for each in repeated for asset in each.assets)),
            minimum_interval_seconds=_EVERY_S,
            default_status=dg.DefaultSensorStatus.RUNNING,
            metadata=metadata,
        )

    def with_attributes(self, *, jobs: Any = None, metadata: Any = None) -> dg.SensorDefinition:
        """Return a copy that is a retry sensor still: Dagster calls this when it loads a YAML file."""
        return RetrySensor(self.repeated, self.name, metadata)

    def _repeat(self, context: dg.SensorEvaluationContext) -> dg.SensorResult:
        started_s = now_s()
        waiting = [
            (record, keys, fault, retry_of(context.instance, record, fault))
            for record, keys, fault in self._failed(context.instance)
        ]
        due = [(record, keys, retry) for record, keys, _, retry in waiting if retry and retry.is_due]
        requests = [_request(*each) for each in due]
        for record, keys, _ in due:
            run_id = record.dagster_run.run_id
            log_done(sayer_of_tick(context), "requested", started_s, asset=_named(keys), after_run=run_id)
        reasons = [f"{_named(keys)}: {retry or _given_up(fault)}" for _, keys, fault, retry in waiting]
        reason = "; ".join(reasons) or "Nothing waits for a retry."
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else reason)

    def _failed(self, instance: dg.DagsterInstance) -> Iterator[tuple[dg.RunRecord, Sequence[dg.AssetKey], Fault]]:
        """Yield each run that was the last for some assets and failed to make them, not for their data."""
        of_dataset = {key: each for each in self.repeated for key in each.step_of}
        for record, keys in [*_last_runs(instance, [*of_dataset]), *_runs_of_partitions(instance, {*of_dataset})]:
            run = record.dagster_run
            dataset = of_dataset[keys[0]]
            if REQUEST_TAG in run.tags and not has_ingested(instance, run.run_id, dataset.ingesting):
                continue  # the landing sensor repeats it
            faults = {} if fault_of(run.tags) else faults_of_steps(instance, run.run_id)
            steps = {dataset.step_of[key] for key in keys}
            missed = [key for key, step in dataset.step_of.items() if step in steps and faults.get(step) != Fault.DATA]
            fault = fault_of(run.tags) or next((fault for fault in faults.values() if fault != Fault.DATA), None)
            if faults and not fault:
                fault = Fault.LEFT_OUT  # such as the report of all results, if one of them fails
            if fault and missed:
                yield record, missed, fault


def _last_runs(
    instance: dg.DagsterInstance, assets: Sequence[dg.AssetKey]
) -> Iterator[tuple[dg.RunRecord, Sequence[dg.AssetKey]]]:
    """Yield each failed run that was the last for some assets and has not made them; not those of partitions."""
    keys_of: dict[str, list[dg.AssetKey]] = collections.defaultdict(list)
    for entry in (record.asset_entry for record in instance.get_asset_records(assets)):
        made = entry.last_materialization
        if entry.last_run_id and (made is None or made.run_id != entry.last_run_id):
            keys_of[entry.last_run_id].append(entry.asset_key)
    for record in instance.get_run_records(dg.RunsFilter(run_ids=list(keys_of))) if keys_of else ():
        run = record.dagster_run
        if run.status == dg.DagsterRunStatus.FAILURE and PARTITION_TAG not in run.tags:
            yield record, keys_of[run.run_id]


def _runs_of_partitions(
    instance: dg.DagsterInstance, assets: Collection[dg.AssetKey]
) -> Iterator[tuple[dg.RunRecord, Sequence[dg.AssetKey]]]:
    """Yield each run of a partition that failed lately, with the assets that neither it nor a later run of it made."""
    # Their age is looked at here: Dagster's filter refuses every time, for its own type of it is unknown when it runs.
    since = datetime.datetime.now(datetime.UTC) - _LATELY
    for record in instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=_MOST_RUNS):
        run = record.dagster_run
        partition = run.tags.get(PARTITION_TAG)
        if partition is None or record.update_timestamp < since:
            continue
        others = instance.get_run_records(dg.RunsFilter(tags={PARTITION_TAG: partition}), limit=_MOST_RUNS)
        later = [each.dagster_run for each in others if each.storage_id > record.storage_id]
        done = {key for each in later for key in each.asset_selection or ()} | _made(instance, run.run_id)
        if keys := [key for key in sorted(run.asset_selection or ()) if key in assets and key not in done]:
            yield record, keys


def _made(instance: dg.DagsterInstance, run_id: str) -> set[dg.AssetKey]:
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    records = instance.get_records_for_run(run_id, of_type=kind).records
    return {record.asset_key for record in records if record.asset_key}


def _request(record: dg.RunRecord, keys: Sequence[dg.AssetKey], retry: Retry) -> dg.RunRequest:
    run = record.dagster_run
    config = run.run_config if run.asset_selection == set(keys) else {}
    partition = run.tags.get(PARTITION_TAG)
    request = f"after {run.run_id}"
    tags = {**retry.tags, **({} if partition is None else {PARTITION_TAG: partition})}
    return dg.RunRequest(request, config, tags, asset_selection=keys, partition_key=partition)


def _named(keys: Sequence[dg.AssetKey]) -> str:
    return ", ".join(key.to_user_string() for key in keys)


def _given_up(fault: Fault) -> str:
    return f"{tried(fault)}; materialize it again by hand"
