"""A started run whose process is gone is ended; any other run is left alone. The processes are real."""

import dataclasses
import inspect
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._grpc import impl

from artifact_pipelines.core.processes import process_identity, process_start_s
from artifact_pipelines.instance import dead_runs
from artifact_pipelines.instance.dead_runs import MOVE_GRACE_S, Watch, end_dead_runs
from artifact_pipelines.maintenance.sensors import artifact_dead_runs

HERE = "artifact_pipelines"
FRESH = Watch("host", 0.0, {})


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@dg.job
def any_job() -> None: ...


def start(
    instance: dg.DagsterInstance,
    pid: int | None,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
    location: str = HERE,
) -> str:
    """Make a run in progress, with the event that its process reports first."""
    run = instance.create_run_for_job(any_job, status=status, tags={"dagster/code_location": location})
    if pid is not None:
        message = f"Started process for run (pid: {pid})."
        instance.report_engine_event(message, run, EngineEventData.in_process(pid))
    return run.run_id


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status


def test_run_of_a_killed_process_fails_with_the_reason_in_its_events(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    run_id = start(instance, process.pid)
    watch, ended = end_dead_runs(instance, HERE, FRESH)
    assert (ended, status_of(instance, run_id)) == ([], dg.DagsterRunStatus.STARTED)
    process.kill()
    process.wait()
    watch, ended = end_dead_runs(instance, HERE, Watch.resume(watch.cursor(), "host", time.time()))
    assert ended == [run_id]
    assert status_of(instance, run_id) == dg.DagsterRunStatus.FAILURE
    assert any("The process of this run is gone" in event.message for event in instance.all_logs(run_id))
    watch, ended = end_dead_runs(instance, HERE, watch)
    assert (watch.alive, ended) == ({}, [])


def test_run_that_was_never_seen_alive_is_ended(instance: dg.DagsterInstance, process: subprocess.Popen[bytes]) -> None:
    run_id = start(instance, process.pid, dg.DagsterRunStatus.STARTING)
    process.kill()
    process.wait()
    end_dead_runs(instance, HERE, FRESH)
    assert status_of(instance, run_id) == dg.DagsterRunStatus.FAILURE


def test_killed_process_that_nobody_waited_for_is_gone(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    run_id = start(instance, process.pid)
    process.kill()
    deadline = time.monotonic() + 10
    while process_identity(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    end_dead_runs(instance, HERE, FRESH)
    assert status_of(instance, run_id) == dg.DagsterRunStatus.FAILURE


def test_other_process_with_the_same_id_does_not_keep_a_run(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = start(instance, process.pid)
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 1000)  # the event is old, the process is young
    end_dead_runs(instance, HERE, FRESH)
    assert status_of(instance, run_id) == dg.DagsterRunStatus.FAILURE


def test_jump_of_the_clock_ends_no_run_that_was_seen_alive(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = start(instance, process.pid)
    watch, _ = end_dead_runs(instance, HERE, FRESH)
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 864_000)
    end_dead_runs(instance, HERE, watch)
    assert status_of(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_runs_of_other_code_locations_and_without_a_process_are_left_alone(instance: dg.DagsterInstance) -> None:
    gone = 2**22 + 1  # above the highest process ID of Linux
    runs = [start(instance, gone, location="elsewhere"), start(instance, None)]
    assert end_dead_runs(instance, HERE, FRESH) == (FRESH, [])
    assert {status_of(instance, run_id) for run_id in runs} == {dg.DagsterRunStatus.STARTED}


def test_run_that_was_being_canceled_ends_as_canceled(instance: dg.DagsterInstance) -> None:
    run_id = start(instance, 2**22 + 1, dg.DagsterRunStatus.CANCELING)
    end_dead_runs(instance, HERE, FRESH)
    assert status_of(instance, run_id) == dg.DagsterRunStatus.CANCELED


def test_runs_on_the_old_host_have_time_to_finish_after_a_move(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their processes cannot be seen from here, and may be finishing while the old code server drains."""
    run_id = start(instance, 2**22 + 1)
    moved = Watch.resume(dataclasses.replace(FRESH, host="old").cursor(), "new", time.time() + 1)
    moved, ended = end_dead_runs(instance, HERE, moved)
    assert ended == []
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + MOVE_GRACE_S + 2)
    end_dead_runs(instance, HERE, Watch.resume(moved.cursor(), "new", time.time()))
    assert status_of(instance, run_id) == dg.DagsterRunStatus.FAILURE


def test_two_hosts_that_take_turns_end_only_their_own_runs(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    here, elsewhere = start(instance, process.pid), ""
    watch = FRESH
    for _ in range(2):
        watch, _ = end_dead_runs(instance, HERE, Watch.resume(watch.cursor(), "host", time.time()))
        watch, _ = end_dead_runs(instance, HERE, Watch.resume(watch.cursor(), "other", time.time()))
        elsewhere = elsewhere or start(instance, 2**22 + 1)
    process.kill()
    process.wait()
    for host in ("host", "host", "other", "other", "host"):
        watch, _ = end_dead_runs(instance, HERE, Watch.resume(watch.cursor(), host, time.time()))
    assert status_of(instance, here) == dg.DagsterRunStatus.FAILURE
    assert status_of(instance, elsewhere) == dg.DagsterRunStatus.STARTED


def test_only_runs_that_were_seen_here_are_ended_if_others_start_runs_too(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    here, elsewhere = start(instance, process.pid), start(instance, 2**22 + 1)
    watch, _ = end_dead_runs(instance, HERE, FRESH, starts_here=False)
    process.kill()
    process.wait()
    end_dead_runs(instance, HERE, watch, starts_here=False)
    assert status_of(instance, here) == dg.DagsterRunStatus.FAILURE
    assert status_of(instance, elsewhere) == dg.DagsterRunStatus.STARTED


def test_runs_from_before_the_first_tick_have_time_to_finish(instance: dg.DagsterInstance) -> None:
    run_id = start(instance, 2**22 + 1)
    end_dead_runs(instance, HERE, Watch.resume(None, "host", time.time()))
    assert status_of(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_first_tick_without_runs_knows_that_no_other_host_has_any(instance: dg.DagsterInstance) -> None:
    watch, _ = end_dead_runs(instance, HERE, Watch.resume(None, "host", time.time()))
    run_id = start(instance, 2**22 + 1)
    end_dead_runs(instance, HERE, Watch.resume(watch.cursor(), "host", time.time()))
    assert status_of(instance, run_id) == dg.DagsterRunStatus.FAILURE


def test_clock_that_is_set_before_the_first_sight_ends_no_run(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the sleep of a virtual machine, or when the time is fetched after a boot."""
    watch = Watch.resume(FRESH.cursor(), "host", time.time())
    run_id = start(instance, process.pid)
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 3600)
    end_dead_runs(instance, HERE, Watch.resume(watch.cursor(), "host", time.time()))
    assert status_of(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_older_process_with_the_same_id_is_not_taken_for_the_run(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It belongs to this host, the run perhaps to another one: its end says nothing about the run."""
    monkeypatch.setattr(dead_runs, "process_start_s", lambda pid: process_start_s(pid) - 1000)
    start(instance, process.pid)
    watch, ended = end_dead_runs(instance, HERE, FRESH)
    assert (watch.alive, ended) == ({}, [])


def test_container_with_an_uptime_of_its_own_ends_no_run(
    instance: dg.DagsterInstance, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = pathlib.Path.read_text
    monkeypatch.setattr(
        pathlib.Path, "read_text", lambda path, *a: "1.0 1.0" if path.name == "uptime" else read(path, *a)
    )
    run_id = start(instance, process.pid)
    end_dead_runs(instance, HERE, FRESH)
    assert status_of(instance, run_id) == dg.DagsterRunStatus.STARTED


def test_sensor_leaves_runs_of_other_launchers_to_dagster(instance: dg.DagsterInstance) -> None:
    with dg.build_sensor_context(instance=instance) as context:
        assert "run launcher" in str(artifact_dead_runs.evaluate_tick(context).skip_message)


def test_dagster_still_reports_the_process_of_a_run_in_these_words() -> None:
    assert 'f"Started process for run (pid: {pid})."' in inspect.getsource(impl)
