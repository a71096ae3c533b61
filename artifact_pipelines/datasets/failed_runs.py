"""Reads from the events of a failed run what was at fault, and what is to be said about it."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from artifact_pipelines.datasets.retries import Fault, Retry, fault_of, fault_of_error, next_retry
from artifact_pipelines.instance.check_results import FAILING_ROWS, FIRST_FAILING_ROWS

_ROWS_SHOWN = 3
_ROW_CHARACTERS = 200


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
    """Return the error of the first step that failed: it names the dropped file, or the check, and what is wrong."""
    for event in _failures(instance, run_id):
        if checks := failed_checks(instance, run_id, str(event.step_key)):
            return " ".join(map(explain_failed_check, checks))
        failure, error = event.step_failure_data.user_failure_data, event.step_failure_data.error
        if failure and failure.description:
            return str(failure.description)
        if error:
            return str((error.cause or error).message).strip()
    return f"its run {run_id} failed"


def failed_checks(instance: dg.DagsterInstance, run_id: str, step: str) -> Sequence[dg.AssetCheckEvaluation]:
    """Return the blocking checks that failed a step."""
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    records = instance.get_records_for_run(run_id, of_type=kind).records
    events = [record.event_log_entry.get_dagster_event() for record in records]
    found = [event.asset_check_evaluation_data for event in events if event.step_key == step]
    error = dg.AssetCheckSeverity.ERROR
    return [each for each in found if each.blocking and not each.passed and each.severity == error]


def explain_failed_check(check: dg.AssetCheckEvaluation) -> str:
    """Return which check failed and what it found, with the first failing rows and the asset that has more of them."""
    text = f"Check {check.check_name} failed. {check.description or ''}".rstrip()
    first = check.metadata.get(FIRST_FAILING_ROWS)
    if isinstance(first, dg.TableMetadataValue) and first.records:
        names = [column.name for column in first.schema.columns]
        rows = [", ".join(f"{name}={row.data[name]}" for name in names) for row in first.records[:_ROWS_SHOWN]]
        text += f" First rows: {'; '.join(f'{row:.{_ROW_CHARACTERS}}' for row in rows)}."
    if (stored := check.metadata.get(FAILING_ROWS)) is not None:
        text += f" Failing rows: {stored.value}."
    return text


def _failures(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.DagsterEvent]:
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records:
        yield record.event_log_entry.get_dagster_event()


def _names(event: dg.DagsterEvent) -> Iterator[str]:
    error = event.step_failure_data.error
    while error:
        yield str(error.cls_name)
        error = error.cause or error.context
