"""A drop makes all assets of its dataset in one run, and one sensor looks for all datasets."""

import io
import pathlib
import threading
import time
from collections.abc import Iterator, Sequence

import dagster as dg
import pytest

from artifact_pipelines import open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.dataset_pipeline import DatasetPipeline
from artifact_pipelines.datasets import sensors
from artifact_pipelines.datasets.landing.folder import LandingFolder
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.datasets.sensors import LANDING_SENSOR
from artifact_pipelines.definitions import build_definitions, resources
from artifact_pipelines.demo import drop
from artifact_pipelines.instance import code_server
from artifact_pipelines_tests.project import ALL, CSV, FLIGHTS, Project

ENOUGH = {"enough": {"kind": "row_count", "min": 3, "blocking": True}}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def project(settings: Settings, instance: dg.DagsterInstance) -> Project:
    return Project(settings, instance)


def test_one_run_makes_all_assets_and_automation_starts_none_again(
    project: Project, instance: dg.DagsterInstance
) -> None:
    for rows in (CSV, CSV + "DL,4,2\n"):
        project.drop(rows)
        [run] = project.tick()
        assert sorted(project.materialized_by(run)) == ALL
        assert run.job_name == "flights_pipeline"
        assert run.tags[".dagster/repository"] == "__repository__@artifact_pipelines", "the UI shows it with its job"
        assert project.settle()[0] == []
    assert instance.get_runs_count() == 2


def test_failed_blocking_check_holds_back_what_depends_on_the_table(project: Project) -> None:
    project.declare(checks=ENOUGH)
    project.drop(CSV)
    assert sorted(project.settle()[0]) == ALL
    project.drop("carrier,number,delay\nUA,1,5\n")
    made, reasons = project.settle()
    assert made == ["raw", "table", "failing_rows/enough"] or made == ["raw", "table"]
    assert "flights.csv: quarantined (" in reasons[LANDING_SENSOR]


def test_failed_analysis_does_not_hold_up_its_file(project: Project) -> None:
    broken = {"kind": "sql", "query": "SELECT error(carrier) AS x FROM flights"}
    project.declare(analyses={"broken": broken})
    project.drop(CSV)
    made, reasons = project.settle()
    assert sorted(made) == ["raw", "samples/few", "table"]
    assert reasons[LANDING_SENSOR] == "flights.csv: ingested"


def test_refused_file_is_shown_with_the_place_of_its_run(project: Project) -> None:
    project.drop("no,such,columns\n1,2,3\n")
    [run] = project.tick()
    _, reasons = project.settle()
    assert "flights.csv: quarantined (SchemaMismatchError: flights.csv" in reasons[LANDING_SENSOR]
    assert reasons[LANDING_SENSOR].endswith(f", see /runs/{run.run_id}")
    made = project.instance.get_latest_materialization_event(dg.AssetKey(["flights", "quarantine"]))
    assert made
    assert made.asset_materialization
    assert made.asset_materialization.metadata["quarantine/last_run"] == dg.MetadataValue.dagster_run(run.run_id)


class TwoDatasets:
    """Definitions of flights and trains, and one tick of the landing sensor."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, watch_s: float) -> None:
        self._settings = settings
        self.declare("flights", "trains")
        self.landing = pathlib.Path(settings.landing_url)
        store = resources(settings)["artifact_store"]
        self._zone = LandingZone(landing_url=settings.landing_url, store=store, settle_s=0, watch_s=watch_s)
        self._instance = instance
        self._cursor: str | None = None

    def declare(self, *names: str) -> None:
        """Load the definitions anew, with these datasets."""
        declared = [
            DatasetPipeline.model_validate({**FLIGHTS, "name": name, "source": f"{name}*.csv", "analyses": {}})
            for name in names
        ]
        merged = dg.Definitions.merge(*(each.definitions() for each in declared))
        self.definitions = build_definitions(merged, self._settings)

    def drop(self, name: str) -> None:
        drop(self.landing, name, io.BytesIO(CSV.encode()))

    def tick(self) -> tuple[Sequence[dg.RunRequest], str]:
        with dg.build_sensor_context(
            instance=self._instance,
            definitions=self.definitions,
            resources={"landing_zone": self._zone},
            cursor=self._cursor,
        ) as context:
            tick = self.definitions.resolve_sensor_def(LANDING_SENSOR).evaluate_tick(context)
        self._cursor = tick.cursor
        return list(tick.run_requests or ()), tick.skip_message or ""


def test_one_sensor_requests_runs_of_each_datasets_job(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = TwoDatasets(settings, instance, watch_s=0)
    assert project.tick() == ([], f"No file in {project.landing} matches 'flights*.csv', 'trains*.csv'.")
    for name in ("flights", "trains"):
        (project.landing / f"{name}.d.csv").mkdir()
    assert project.tick()[1].splitlines() == [
        f"{name}: {name}.d.csv: quarantined (it is a folder, not a regular file)" for name in ("flights", "trains")
    ]
    project.drop("flights.csv")
    project.drop("trains.csv")
    requests, _ = project.tick()
    assert [request.job_name for request in requests] == ["flights_pipeline", "trains_pipeline"]


@pytest.fixture
def threads() -> Iterator[dg.DagsterInstance]:
    """An instance that evaluates its sensors side by side."""
    with dg.DagsterInstance.ephemeral(settings={"sensors": {"use_threads": True}}) as made:
        yield made


def test_file_dropped_during_a_tick_is_requested_by_the_same_tick(
    settings: Settings, threads: dg.DagsterInstance
) -> None:
    project = TwoDatasets(settings, threads, watch_s=60)
    project.tick()  # the first one reports at once that the quarantines are empty
    threading.Timer(0.5, project.drop, ["trains.csv"]).start()
    start = time.monotonic()
    requests, _ = project.tick()
    assert [request.job_name for request in requests] == ["trains_pipeline"]
    assert time.monotonic() - start < 50


@pytest.mark.parametrize("name", code_server.THREADS)
def test_tick_ends_with_its_code_server(settings: Settings, threads: dg.DagsterInstance, name: str) -> None:
    is_over = threading.Event()
    threading.Thread(target=is_over.wait, name=name, daemon=True).start()
    project = TwoDatasets(settings, threads, watch_s=60)
    project.tick()
    threading.Timer(0.5, is_over.set).start()
    start = time.monotonic()
    project.tick()
    assert time.monotonic() - start < 50


def test_tick_without_a_drop_ends_in_time(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = TwoDatasets(settings, instance, watch_s=0.5)
    project.tick()
    start = time.monotonic()
    assert project.tick()[0] == []
    assert time.monotonic() - start >= 0.5


def test_dataset_that_is_gone_takes_no_drops(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = TwoDatasets(settings, instance, watch_s=0)
    project.tick()
    project.declare("flights", "ships")
    project.tick()
    with open_store() as store:
        assert sorted(store.catalog.landing.sources()) == ["flights", "ships"]


def test_large_landing_zone_is_looked_at_less_often(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps: list[float] = []

    def slow_stamp(_: LandingFolder) -> object:
        stamps.append(time.monotonic())
        time.sleep(0.05)
        return "the same"

    monkeypatch.setattr(LandingFolder, "stamp", slow_stamp)
    project = TwoDatasets(settings, instance, watch_s=2.5)
    project.tick()
    stamps.clear()
    project.tick()
    assert len(stamps) <= 4, "one before, then one each second"


def test_tick_is_short_where_other_sensors_wait_for_it(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "SHARED_WATCH_S", 0.1)
    project = TwoDatasets(settings, instance, watch_s=60)
    project.tick()
    start = time.monotonic()
    project.tick()
    assert time.monotonic() - start < 30


def test_report_is_made_although_an_analysis_failed(project: Project) -> None:
    profile, broken = {"kind": "profile"}, {"kind": "sql", "query": "SELECT error(carrier) AS x FROM flights"}
    project.declare(report=True, analyses={"profile": profile, "broken": broken})
    for rows in (CSV, CSV + "DL,4,2\n"):
        project.drop(rows)
        made, _ = project.settle()
        assert made.count("report") == 1


def test_refused_file_is_one_line_in_the_terminal(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    project.drop("no,such,columns\n1,2,3\n")
    [run] = project.tick()
    lines = [line for line in capfd.readouterr().err.splitlines() if "ERROR" in line or line.startswith(" ")]
    assert len(lines) == 1
    assert "SchemaMismatchError: flights.csv does not have the columns" in lines[0]
    assert lines[0].endswith(f"See /runs/{run.run_id}")
