"""Finds started runs whose process is gone, and ends them, so that they hold neither a run slot nor their assets.

One idea: Dagster's default launcher starts a run as a process beside its code server and notes the process ID in the
run's events. A sensor is evaluated in that code server, so it can see whether the process still lives. A process ID is
used again, so a process is recognized by its ID, its boot and the time of its start.

When a code location moves to another host, its sensor cannot see the processes of the old one. It gives their runs time
to finish before it ends them.
"""

import dataclasses
import json
import re
import time
from collections.abc import Mapping
from typing import Self

import dagster as dg

from artifact_pipelines.core.processes import process_age_s, process_identity

MOVE_GRACE_S = 600.0
"""How long runs of the old host may go on after a code location moved."""

_STARTED_PROCESS = re.compile(r"Started process for run \(pid: (\d+)\)")
_IN_PROGRESS = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_LOCATION_TAG = "dagster/code_location"
_CLOCK_SLACK_S = 2.0


@dataclasses.dataclass(frozen=True)
class Watch:
    """What the sensor knows between its ticks.

    Attributes:
        host: Name of the host where the code location runs.
        since_s: When it moved there; 0: it was always there.
        alive: Identity of the process of each run that was seen alive, by run ID.
    """

    host: str
    since_s: float
    alive: Mapping[str, str]

    @classmethod
    def resume(cls, cursor: str | None, host: str, now_s: float) -> Self:
        """Return the watch that a cursor describes; on another host it starts anew."""
        if cursor is None:
            return cls(host, 0.0, {})
        known = cls(**json.loads(cursor))
        return known if known.host == host else cls(host, now_s, {})

    def cursor(self) -> str:
        """Return the watch as a cursor."""
        return json.dumps(dataclasses.asdict(self))


def end_dead_runs(instance: dg.DagsterInstance, location: str, watch: Watch) -> tuple[Watch, list[str]]:
    """End the dead runs of a code location. Returns the watch for the next tick, and a report for each ended run."""
    alive, ended = {}, []
    runs = instance.get_runs(dg.RunsFilter(statuses=_IN_PROGRESS, tags={_LOCATION_TAG: location}))
    for run in runs:
        seen = watch.alive.get(run.run_id) or _first_sight(instance, run.run_id, watch)
        if seen is None:
            continue
        if seen == process_identity(int(seen.split()[0])):
            alive[run.run_id] = seen
        elif (report := _end(instance, run.run_id)) is not None:
            ended.append(report)
    return dataclasses.replace(watch, alive=alive), ended


def _first_sight(instance: dg.DagsterInstance, run_id: str, watch: Watch) -> str | None:
    """Return the identity of a run's process, or its bare ID if the process is gone; None if that is not known yet."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    entries = [record.event_log_entry for record in records]
    started = [(found, entry.timestamp) for entry in entries if (found := _STARTED_PROCESS.match(_message(entry)))]
    if not started:
        return None
    [(found, started_s), *_] = started
    pid, now_s = int(found[1]), time.time()
    identity = process_identity(pid)
    if identity is not None and process_age_s(pid) + _CLOCK_SLACK_S >= now_s - started_s:
        return identity
    may_be_elsewhere = started_s < watch.since_s and now_s - watch.since_s < MOVE_GRACE_S
    return None if may_be_elsewhere else str(pid)


def _message(entry: dg.EventLogEntry) -> str:
    return entry.get_dagster_event().message or ""


def _end(instance: dg.DagsterInstance, run_id: str) -> str | None:
    run = instance.get_run_by_id(run_id)  # it may have finished since the list was read
    if run is None or run.is_finished:
        return None
    message = (
        "The process of this run is gone: it was killed, or its machine went down. artifact_dead_runs ended the run. "
        "Everything that it had published stays."
    )
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, message)
    else:
        instance.report_run_failed(run, message)
    return f"run {run_id}: its process is gone, ended"
