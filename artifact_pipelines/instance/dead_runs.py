"""Finds started runs whose process is gone, and ends them, so that they hold neither a run slot nor their assets.

One idea: Dagster's default launcher starts a run as a process beside its code server and notes the process ID in the
run's events. A sensor is evaluated in that code server, so it can see whether the process still lives. A process ID is
used again, so a process is recognized by its ID, its boot and the time of its start.

A run is ended only if that is certain. Another host may have started a run whose process was never seen here, if the
code location moved lately, or if more than one host starts runs.
"""

import dataclasses
import json
import re
import time
from collections.abc import Mapping
from typing import Self

import dagster as dg

from artifact_pipelines.core.processes import boot_id, booted_at_s, process_identity, process_start_s

MOVE_GRACE_S = 600.0
"""How long runs of another host may go on after that was seen last."""

_STARTED_PROCESS = re.compile(r"Started process for run \(pid: (\d+)\)")
_IN_PROGRESS = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_LOCATION_TAG = "dagster/code_location"
_CLOCK_SLACK_S = 2.0
_MOST_TO_START_S = 120.0  # from the start of a process to its first event


@dataclasses.dataclass(frozen=True)
class Watch:
    """What the sensor knows between its ticks.

    Attributes:
        host: Name of the host where the code location runs.
        since_s: When another host was seen last; 0: none was; None: this is the first tick.
        alive: Host and identity of the process of each run that was seen alive, by run ID.
        booted_at_s: By the ID of this boot: its earliest time, as the clock has shown it so far.
    """

    host: str
    since_s: float | None
    alive: Mapping[str, str]
    booted_at_s: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @classmethod
    def resume(cls, cursor: str | None, host: str, now_s: float) -> Self:
        """Return the watch that a cursor describes, for a tick on this host."""
        known = cls(host, None, {}) if cursor is None else cls(**json.loads(cursor))
        boot = boot_id() or ""
        booted = {boot: min(booted_at_s(), known.booted_at_s.get(boot, now_s))}
        return cls(host, known.since_s if known.host == host else now_s, known.alive, booted)

    def cursor(self) -> str:
        """Return the watch as a cursor."""
        return json.dumps(dataclasses.asdict(self))

    def may_be_elsewhere(self) -> bool:
        """True if a run that was never seen here may go on at another host."""
        return time.time() - (self.since_s or 0.0) < MOVE_GRACE_S


def end_dead_runs(
    instance: dg.DagsterInstance, location: str, watch: Watch, starts_here: bool = True
) -> tuple[Watch, list[str]]:
    """End the dead runs of a code location. Returns the watch for the next tick, and the IDs of the ended runs.

    Args:
        starts_here: False if other hosts may start runs too; then only those that were seen here are ended.
    """
    alive, ended = {}, []
    runs = instance.get_runs(dg.RunsFilter(statuses=_IN_PROGRESS, tags={_LOCATION_TAG: location}))
    if watch.since_s is None:  # nobody knows who started runs before
        watch = dataclasses.replace(watch, since_s=time.time() if runs else 0.0)
    for run in runs:
        host, _, seen = watch.alive.get(run.run_id, "").partition(" ")
        if host and host != watch.host and watch.may_be_elsewhere():
            alive[run.run_id] = f"{host} {seen}"
            continue
        if host != watch.host:
            seen = _first_sight(instance, run.run_id, watch, starts_here) or ""
        if not seen:
            continue
        if seen == process_identity(int(seen.split()[0])):
            alive[run.run_id] = f"{watch.host} {seen}"
        elif _end(instance, run.run_id):
            ended.append(run.run_id)
    return dataclasses.replace(watch, alive=alive), ended


def _first_sight(instance: dg.DagsterInstance, run_id: str, watch: Watch, starts_here: bool) -> str | None:
    """Return the identity of a run's process, or its bare ID if the process is gone; None if that is not known yet."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT).records
    entries = [record.event_log_entry for record in records]
    started = [(found, entry.timestamp) for entry in entries if (found := _STARTED_PROCESS.match(_message(entry)))]
    if not started:
        return None
    *_, (found, started_s) = started
    pid = int(found[1])
    if identity := process_identity(pid):
        # The clock may have been set since: with the earliest time of the boot, no process seems younger than it is.
        [booted_s] = watch.booted_at_s.values() or [booted_at_s()]
        to_start_s = started_s - booted_s - process_start_s(pid)
        if to_start_s > _MOST_TO_START_S:
            return None  # perhaps another process with the same ID, as on two hosts: nothing is certain until it ends
        if to_start_s >= -_CLOCK_SLACK_S:
            return identity
    return str(pid) if starts_here and not watch.may_be_elsewhere() else None


def _message(entry: dg.EventLogEntry) -> str:
    return entry.get_dagster_event().message or ""


def _end(instance: dg.DagsterInstance, run_id: str) -> bool:
    """End a run. Returns False if it has finished meanwhile."""
    run = instance.get_run_by_id(run_id)  # it may have finished since the list was read
    if run is None or run.is_finished:
        return False
    message = (
        "The process of this run is gone: it was killed, or its machine went down. artifact_dead_runs ended the run. "
        "Everything that it had published stays."
    )
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, message)
    else:
        instance.report_run_failed(run, message)
    return True
