"""Runs that fail with the machinery are requested again, a few times with growing pauses; bad data are not."""

import pathlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines import dataset_definitions
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.datasets import retries
from artifact_pipelines.datasets.landing import outcomes as landing_outcomes
from artifact_pipelines.datasets.retries import Fault, fault_of_error
from artifact_pipelines.io_manager.outputs import OutputWriter
from artifact_pipelines.storage.exceptions import StorageUnavailableError
from artifact_pipelines_tests.project import ALL, CSV, Project, without_waiting

SAMPLE = dg.AssetKey(["flights", "samples", "few"])
PAUSES_S = (1000.0, 2000.0, 4000.0)
"""Longer than the tests take."""


class Clock:
    """The time that the sensors see."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(retries, "now_s", clock)
    pauses_s = {Fault.DATA: (), Fault.DEATH: PAUSES_S, Fault.OUTAGE: (*PAUSES_S, 8000.0)}
    monkeypatch.setattr(retries, "PAUSES_S", pauses_s)
    monkeypatch.setattr(landing_outcomes, "PAUSES_S", pauses_s)
    return clock


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


class Crashing:
    """A project whose requested runs die on demand, as if their process was killed."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, **changes: Any) -> None:
        self.project = Project(settings, instance, **changes)
        self.instance = instance
        self._resources = without_waiting(settings)

    def tick(self, sensor: str) -> tuple[list[dg.RunRequest], str]:
        """Evaluate a sensor as the daemon does; return its requests, and its reason to request nothing."""
        definition = self.project.definitions.resolve_sensor_def(sensor)
        with dg.build_sensor_context(
            instance=self.instance,
            definitions=self.project.definitions,
            resources={name: self._resources[name] for name in definition.required_resource_keys},
        ) as context:
            tick = definition.evaluate_tick(context)
        return list(tick.run_requests or ()), tick.skip_message or ""

    def die(self, request: dg.RunRequest, canceled: bool = False) -> None:
        """Start the run of a request, and end it as Dagster ends one whose process is gone."""
        self.die_on(request.asset_selection or [], {**request.tags, "dagster/run_key": str(request.run_key)}, canceled)

    def die_on(self, assets: Sequence[dg.AssetKey], tags: Mapping[str, str], canceled: bool = False) -> None:
        job = self.project.definitions.resolve_implicit_global_asset_job_def().get_subset(asset_selection=set(assets))
        run = self.instance.create_run_for_job(job, tags=dict(tags), asset_selection=frozenset(assets))
        report = self.instance.report_run_canceled if canceled else self.instance.report_run_failed
        report(run, "The process is gone.")


@pytest.fixture
def crashing(settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Crashing:
    monkeypatch.setattr(dataset_definitions, "RETRY_DELAY_S", 0)
    return Crashing(settings, instance)


def test_file_whose_run_died_is_ingested_by_a_retry_after_a_pause(crashing: Crashing, clock: Clock) -> None:
    crashing.project.drop(CSV)
    [request], _ = crashing.tick("artifact_landing")
    crashing.die(request)
    requests, reason = crashing.tick("artifact_landing")
    assert requests == []
    assert "flights.csv: requested (its run died, not its data; retry 1 of 3 starts at" in reason
    clock.ahead_s = PAUSES_S[0]
    [retry], _ = crashing.tick("artifact_landing")
    assert retry.run_key == f"{request.run_key} retry 1"
    assert sorted(crashing.project.settle()[0]) == ALL
    assert crashing.tick("artifact_landing") == ([], "flights.csv: ingested")


def test_pauses_grow_until_the_file_is_given_up_and_a_touch_starts_anew(
    crashing: Crashing, clock: Clock, settings: Settings
) -> None:
    crashing.project.drop(CSV)
    for pause_s in PAUSES_S:
        [request], _ = crashing.tick("artifact_landing")
        crashing.die(request)
        clock.ahead_s = pause_s / 2
        assert crashing.tick("artifact_landing")[0] == []
        clock.ahead_s = pause_s
    [request], _ = crashing.tick("artifact_landing")
    crashing.die(request)
    clock.ahead_s = 100_000
    requests, reason = crashing.tick("artifact_landing")
    assert requests == []
    assert "quarantined (its run died, not its data, 4 times, nothing is known against the file; replay it" in reason
    crashing.project.drop(CSV)
    assert sorted(crashing.project.settle()[0]) == ALL


def test_dead_run_keeps_its_place_before_later_files(crashing: Crashing, clock: Clock) -> None:
    crashing.project.drop(CSV)
    [request], _ = crashing.tick("artifact_landing")
    crashing.die(request)
    crashing.project.drop(CSV + "UA,9,9\n", "flights2.csv")
    clock.ahead_s = PAUSES_S[0]
    crashing.project.settle()
    [latest] = crashing.instance.fetch_materializations(dg.AssetKey(["flights", "table"]), limit=1).records
    assert latest.asset_materialization
    assert latest.asset_materialization.metadata["dagster/row_count"].value == 4


def test_file_that_vanishes_during_the_pause_does_not_hold_up_others(
    crashing: Crashing, clock: Clock, landing: pathlib.Path
) -> None:
    crashing.project.drop(CSV)
    [request], _ = crashing.tick("artifact_landing")
    crashing.die(request)
    crashing.tick("artifact_landing")
    (landing / "flights.csv").unlink()
    crashing.project.drop(CSV, "flights2.csv")
    crashing.tick("artifact_landing")
    [request], _ = crashing.tick("artifact_landing")
    assert request.tags["artifact/landing_request"].startswith("flights/flights2.csv#")


def test_canceled_run_is_no_death(crashing: Crashing, clock: Clock, instance: dg.DagsterInstance) -> None:
    crashing.project.drop(CSV)
    [request], _ = crashing.tick("artifact_landing")
    crashing.die(request, canceled=True)
    clock.ahead_s = 100_000
    requests, reason = crashing.tick("artifact_landing")
    assert requests == []
    assert "quarantined (its run was canceled; replay it to try again)" in reason


def test_failed_step_is_no_death(crashing: Crashing, clock: Clock) -> None:
    crashing.project.drop("no,such,columns\n1,2,3\n")
    crashing.project.settle()
    clock.ahead_s = 100_000
    requests, reason = crashing.tick("artifact_landing")
    assert requests == []
    assert "flights.csv: quarantined (SchemaMismatchError: flights.csv does not have the columns" in reason


def test_sample_whose_run_died_is_requested_again(crashing: Crashing, clock: Clock) -> None:
    crashing.project.drop(CSV)
    crashing.project.settle()
    assert crashing.tick("artifact_retries")[0] == []
    crashing.die_on([SAMPLE], {"dagster/from_automation_condition": "true"})
    requests, reason = crashing.tick("artifact_retries")
    assert requests == []
    assert "flights/samples/few: its run died, not its data; retry 1 of 3" in reason
    clock.ahead_s = PAUSES_S[0]
    [request], _ = crashing.tick("artifact_retries")
    assert request.asset_selection == [SAMPLE]
    assert crashing.project.settle()[0] == ["samples/few"]
    assert crashing.tick("artifact_retries")[0] == []


def test_sample_of_a_partition_whose_run_died_is_requested_again_though_another_partition_was_made(
    settings: Settings, instance: dg.DagsterInstance, clock: Clock
) -> None:
    crashing = Crashing(settings, instance, partitions="by_file", source="flights-{partition}.csv")
    crashing.project.drop(CSV, "flights-a.csv")
    crashing.project.settle()
    crashing.die_on([SAMPLE], {"dagster/partition": "a"})
    crashing.project.drop(CSV, "flights-b.csv")
    crashing.project.settle()
    clock.ahead_s = PAUSES_S[0]
    [request], _ = crashing.tick("artifact_retries")
    assert (request.asset_selection, request.partition_key) == ([SAMPLE], "a")
    crashing.die_on([SAMPLE], {**request.tags, "dagster/partition": "a"})
    assert "retry 2 of 3" in crashing.tick("artifact_retries")[1]
    assert crashing.project.materialize("samples/few", partition="a").success
    assert crashing.tick("artifact_retries") == ([], "Nothing waits for a retry.")


def test_sample_is_given_up_after_the_last_retry(crashing: Crashing, clock: Clock) -> None:
    crashing.die_on([SAMPLE], {"artifact/retry": str(len(PAUSES_S))})
    clock.ahead_s = 100_000
    assert crashing.tick("artifact_retries") == (
        [],
        "flights/samples/few: its run died, not its data, 4 times; materialize it again by hand",
    )


def test_retry_leaves_to_dagster_what_dagster_repeats(crashing: Crashing, clock: Clock) -> None:
    """Dagster's `run_retries` start the run again within seconds. If they do not, the pause ends a minute later."""
    crashing.die_on([SAMPLE], {"dagster/will_retry": "true"})
    clock.ahead_s = PAUSES_S[0]
    assert crashing.tick("artifact_retries")[0] == []
    clock.ahead_s += 60
    assert len(crashing.tick("artifact_retries")[0]) == 1


class Outage:
    """A store that fails for some assets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.assets: Collection[str] = ()
        write = OutputWriter.write

        def failing(writer: OutputWriter, asked: Any, value: object) -> Any:
            if asked.asset in self.assets:
                raise StorageUnavailableError("s3://bucket", "no answer")
            return write(writer, asked, value)

        monkeypatch.setattr(OutputWriter, "write", failing)


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    return Outage(monkeypatch)


def test_file_waits_for_a_store_that_is_away(crashing: Crashing, clock: Clock, outage: Outage) -> None:
    crashing.project.drop(CSV)
    outage.assets = ["flights/table"]
    crashing.project.settle()
    requests, reason = crashing.tick("artifact_landing")
    assert requests == []
    assert "requested (storage or catalog failed, not its data; retry 1 of 4 starts at" in reason
    outage.assets = ()
    clock.ahead_s = PAUSES_S[0]
    assert sorted(crashing.project.settle()[0]) == ALL


@pytest.mark.long
def test_file_is_given_up_with_the_error_if_the_store_stays_away(
    crashing: Crashing, clock: Clock, outage: Outage
) -> None:
    crashing.project.drop(CSV)
    outage.assets = ["flights/table"]
    for _ in range(5):
        crashing.project.settle()
        clock.ahead_s += 10_000
    requests, reason = crashing.tick("artifact_landing")
    assert requests == []
    assert "quarantined (storage or catalog failed, not its data, 5 times, nothing is known against" in reason
    assert "Storage failed at s3://bucket: no answer" in reason


def test_sample_waits_for_a_store_that_is_away(crashing: Crashing, clock: Clock, outage: Outage) -> None:
    crashing.project.drop(CSV)
    outage.assets = ["flights/samples/few"]
    crashing.project.settle()
    assert (
        "flights/samples/few: storage or catalog failed, not its data; retry 1" in crashing.tick("artifact_retries")[1]
    )
    outage.assets = ()
    clock.ahead_s = PAUSES_S[0]
    assert crashing.project.settle()[0] == ["samples/few"]


def test_pauses_grow() -> None:
    assert all(list(pauses_s) == sorted(pauses_s) for pauses_s in retries.PAUSES_S.values())


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["DagsterExecutionLoadInputError", "CatalogUnavailableError", "OperationalError"], Fault.OUTAGE),
        (["RetryRequestedFromPolicy", "ValueError", "CatalogUnavailableError"], Fault.DATA),
        (["Failure", "StorageUnavailableError"], Fault.DATA),
        (["RetryRequestedFromPolicy", "StorageFullError"], Fault.DEATH),
        (["ChildProcessCrashException"], Fault.DEATH),
        ([], Fault.DATA),
    ],
)
def test_type_of_the_error_tells_the_fault(names: Sequence[str], fault: Fault) -> None:
    assert fault_of_error(names) == fault
