"""Reads from the events of a failed run what was at fault, and what is to be said about it."""

from collections.abc import Iterator, Mapping

import dagster as dg

from artifact_pipelines.datasets.retries import Fault, Retry, fault_of, fault_of_error, next_retry


def retry_of(instance: dg.DagsterInstance, record: dg.RunRecord, fault: Fault | None = None) -> Retry | None:
    """Return the next try of a run, for a fault of its own or of one of its steps; None: it is not tried again."""
    run = record.dagster_run
    if run.status != dg.DagsterRunStatus.FAILURE:
        return None
    ended_s = record.end_time or record.update_timestamp.timestamp()
    return next_retry(run.tags, ended_s, fault or fault_of_run(instance, run))


def fault_of_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Fault:
    """Return the fault of a run that failed: its data, if one of its steps says so."""
    if fault := fault_of(run.tags):
        return fault
    faults = faults_of_steps(instance, run.run_id).values()
    return next((fault for fault in Fault if fault in faults), Fault.DATA)


def faults_of_steps(instance: dg.DagsterInstance, run_id: str) -> Mapping[str, Fault]:
    """Return the fault of each failed step, by step key."""
    return {str(event.step_key): fault_of_error(_names(event)) for event in _failures(instance, run_id)}


def error_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return the error of the first step that failed: it names the dropped file and what is wrong with it."""
    for event in _failures(instance, run_id):
        failure, error = event.step_failure_data.user_failure_data, event.step_failure_data.error
        if failure and failure.description:
            return str(failure.description)
        if error:
            return str((error.cause or error).message).strip()
    return f"its run {run_id} failed"


def _failures(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.DagsterEvent]:
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records:
        yield record.event_log_entry.get_dagster_event()


def _names(event: dg.DagsterEvent) -> Iterator[str]:
    error = event.step_failure_data.error
    while error:
        yield str(error.cls_name)
        error = error.cause or error.context
