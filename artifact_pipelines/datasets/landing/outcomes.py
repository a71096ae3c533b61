"""Tells what became of the files whose runs the landing sensor requested.

One idea: a run also makes what depends on the table, so a file is ingested once the steps that ingest it have
succeeded, whatever became of the others. The retry sensor repeats those.
"""

from collections.abc import Collection, Mapping

import dagster as dg

from artifact_pipelines.core.types import LandingState
from artifact_pipelines.core.wording import counted
from artifact_pipelines.datasets.failed_runs import error_of, fault_of_run, retry_of
from artifact_pipelines.datasets.landing.watch import RunOutcome
from artifact_pipelines.datasets.requests import REQUEST_TAG
from artifact_pipelines.datasets.retries import PAUSES_S, Fault, fault_of

_ENDED_EARLY = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_CANCELED = "its run was canceled; replay it to try again"
_GIVEN_UP = "nothing is known against the file; replay it to try again"


class LastTries:
    """The last run of each request, found with one query."""

    def __init__(self, instance: dg.DagsterInstance, run_keys: Collection[str]) -> None:
        self._instance = instance
        filters = dg.RunsFilter(tags={REQUEST_TAG: sorted(run_keys)})
        self._last: dict[str, dg.RunRecord] = {}
        for record in instance.get_run_records(filters) if run_keys else ():  # the newest first
            self._last.setdefault(record.dagster_run.tags[REQUEST_TAG], record)

    def of(self, run_key: str) -> dg.RunRecord | None:
        """Return the last run for a run key; None: there is none."""
        return self._last.get(run_key)

    def outcome_of(self, run_key: str, steps: Collection[str]) -> RunOutcome | None:
        """Return the outcome of the runs for a run key so far; None: there is no run.

        Args:
            steps: Keys of the steps that ingest a file.
        """
        last = self.of(run_key)
        if last is None:
            return None
        run = last.dagster_run
        if run.status in _ENDED_EARLY and has_ingested(self._instance, run.run_id, steps):
            return RunOutcome(LandingState.INGESTED)
        if retry := retry_of(self._instance, last):
            return RunOutcome(LandingState.REQUESTED, str(retry), has_run=False)
        if run.status == dg.DagsterRunStatus.CANCELED:
            return RunOutcome(LandingState.QUARANTINED, _CANCELED)
        if run.status == dg.DagsterRunStatus.FAILURE:
            return RunOutcome(LandingState.QUARANTINED, _reason(self._instance, run))
        is_done = run.status == dg.DagsterRunStatus.SUCCESS
        return RunOutcome(LandingState.INGESTED if is_done else LandingState.REQUESTED)


def has_ingested(instance: dg.DagsterInstance, run_id: str, steps: Collection[str]) -> bool:
    """True if the steps that ingest a file have succeeded in a run; a blocking check that failed is no success."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_SUCCESS).records
    return set(steps) <= {record.event_log_entry.step_key for record in records}


def last_runs(instance: dg.DagsterInstance, run_keys: Collection[str]) -> Mapping[str, str]:
    """Return the ID of each request's last run, by run key."""
    tries = LastTries(instance, run_keys)
    found = {run_key: tries.of(run_key) for run_key in run_keys}
    return {run_key: record.dagster_run.run_id for run_key, record in found.items() if record}


def _reason(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    fault = fault_of_run(instance, run)
    if fault == Fault.DATA:
        return error_of(instance, run.run_id)
    return f"{tried(fault)}, {_GIVEN_UP}" + ("" if fault_of(run.tags) else f": {error_of(instance, run.run_id)}")


def tried(fault: Fault) -> str:
    """Return how often a run was tried, and why it failed, in words."""
    return f"{fault}, {counted(len(PAUSES_S[fault]) + 1, 'time')}"
