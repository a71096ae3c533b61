"""Clean-up and wipes in Dagster, with a real instance."""

import logging
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import AssetWipedData, DagsterEvent

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import CollectedVersionsError, NeverMaterializedError
from artifact_pipelines.catalog.retention import RetentionCatalog
from artifact_pipelines.core.retention import RetentionPolicy
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.definitions import build_definitions
from artifact_pipelines.io_manager import artifact_io_manager
from artifact_pipelines.io_manager.reporting import report_written
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.clean_up import clean_up
from artifact_pipelines.maintenance.sensors import artifact_wipes
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines_tests.catalog.test_file_catalog import counts_agree
from artifact_pipelines_tests.project import NO_LOGS

DAYS = dg.StaticPartitionsDefinition(["mon", "tue"])


@dg.asset(metadata={"artifact/retention": {"keep_last": 1}}, io_manager_key="artifact_io_manager")
def runs(context: dg.AssetExecutionContext) -> str:
    return context.run.run_id


@dg.asset(partitions_def=DAYS, io_manager_key="artifact_io_manager")
def daily(context: dg.AssetExecutionContext) -> str:
    return str(context.partition_key)


both_event_logs = pytest.mark.parametrize("instance", ["ephemeral", "as a user has it"], indirect=True)
"""The default event log stores events without a run, which wipes are, separately."""


@pytest.fixture(params=["ephemeral", pytest.param("as a user has it", marks=pytest.mark.long)])
def instance(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    folder = tmp_path_factory.mktemp("dagster") if request.param != "ephemeral" else None
    on_disk = dg.DagsterInstance.local_temp(str(folder), NO_LOGS) if folder else None
    with on_disk or dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def catalog_url(settings: Settings) -> str:
    return settings.catalog_url


class Project:
    def __init__(self, settings: Settings, instance: dg.DagsterInstance, catalog: Catalog) -> None:
        self.definitions = build_definitions(dg.Definitions(assets=[runs, daily]), settings)
        self.instance = instance
        self.catalog = catalog
        self.settings = settings
        self.cursor: str | None = None

    def make(self, asset: str, partition: str | None = None) -> str:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            asset_selection=[dg.AssetKey(asset)], partition_key=partition, instance=self.instance
        )
        assert result.success
        return result.run_id

    def tick(self) -> str:
        """Evaluate the sensor as the daemon does."""
        store = ArtifactStore(catalog_url=self.settings.catalog_url, storage_url=self.settings.storage_url)
        context = dg.build_sensor_context(
            self.instance, cursor=self.cursor, resources={"artifact_store": store}, definitions=self.definitions
        )
        result: Any = artifact_wipes(context)
        self.cursor = result.cursor or self.cursor
        return str(result.skip_reason.skip_message)

    def clean_up(self, **config: Any) -> dg.ExecuteInProcessResult:
        run_config = {"ops": {"clean_up_artifacts": {"config": config}}}
        job = self.definitions.resolve_job_def("artifact_clean_up")
        return job.execute_in_process(run_config=run_config, instance=self.instance, raise_on_error=False)

    def versions(self, asset: str) -> list[int]:
        return [m.version for m in self.catalog.materializations.history(asset)]


@pytest.fixture
def project(settings: Settings, instance: dg.DagsterInstance, catalog: Catalog) -> Project:
    return Project(settings, instance, catalog)


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    [output] = [e for e in result.all_node_events if e.event_type == dg.DagsterEventType.STEP_OUTPUT]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def test_job_makes_an_older_version_current_and_reports_it(project: Project) -> None:
    for _ in range(2):
        project.make("runs")
    job = project.definitions.resolve_job_def("artifact_rollback")
    run_config = {"ops": {"roll_back_asset": {"config": {"asset": "runs", "to_version": 1}}}}
    result = job.execute_in_process(run_config=run_config, instance=project.instance)
    assert "rolled_back asset=runs version=1 withdrawn=2 seconds=" in str(project.instance.all_logs(result.run_id))
    assert project.versions("runs") == [1, 2, 1]
    event = project.instance.get_latest_materialization_event(dg.AssetKey("runs"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["artifact/rolled_back_to"].value == "1"


def test_launchpad_shows_what_a_rollback_needs(project: Project) -> None:
    job = project.definitions.resolve_job_def("artifact_rollback")
    assert job.run_config == {"ops": {"roll_back_asset": {"config": {"asset": "DATASET/table", "to_version": 1}}}}
    result = job.execute_in_process(instance=project.instance, raise_on_error=False)
    assert not result.success
    assert "DATASET/table" in str(result.all_events[-1].event_specific_data)


def test_declared_retention_policy_is_recorded(project: Project) -> None:
    project.make("runs")
    assert project.catalog.retention.policies() == {"runs": RetentionPolicy(keep_last=1)}


def test_output_of_the_job_lists_deleted_and_kept_versions(project: Project) -> None:
    for _ in range(3):
        project.make("runs")
    would = metadata_of(project.clean_up(dry_run=True))
    assert (would["clean_up/dry_run"], would["clean_up/released_versions"]) == (True, 2)
    assert project.versions("runs") == [3, 2, 1]
    assert metadata_of(project.clean_up())["clean_up/released_versions"] == 2
    assert project.versions("runs") == [3]
    [row] = [record.data for record in would["clean_up/kept"].records]
    assert (row["asset"], row["version"], row["reason"]) == ("runs", 3, "current, one of the last 1")
    released = [record.data["reason"] for record in would["clean_up/released"].records]
    assert released == ["retention: not among the last 1"] * 2


def test_job_applies_the_present_retention_policies(project: Project) -> None:
    project.make("runs")
    project.catalog.retention.set_policy("runs", RetentionPolicy(keep_last=9))
    project.catalog.retention.set_policy("daily", RetentionPolicy(keep_last=9))
    project.catalog.retention.set_policy("of another code location", RetentionPolicy(keep_last=9))
    before = project.catalog.retention.policies()
    would = metadata_of(project.clean_up(dry_run=True))
    assert [record.data["reason"] for record in would["clean_up/kept"].records] == ["current, one of the last 1"]
    assert project.catalog.retention.policies() == before
    assert project.clean_up().success
    assert project.catalog.retention.policies() == {
        "runs": RetentionPolicy(keep_last=1),
        "of another code location": RetentionPolicy(keep_last=9),
    }


@pytest.mark.parametrize("config", [{"grace": "59m"}, {"grace": "soon"}, {"ops_within": "23h"}])
def test_job_with_invalid_configuration_fails_with_the_reason(project: Project, config: dict[str, Any]) -> None:
    result = project.clean_up(**config)
    [failure] = result.get_step_failure_events()
    assert f"{next(iter(config))} must be" in str(failure.step_failure_data.error_display_string)


@both_event_logs
def test_wipe_releases_versions_and_restore_undoes_it_until_collection(
    project: Project, engine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "artifact_pipelines")
    project.make("runs")
    project.make("runs")
    assert project.tick() == "Nothing was wiped."
    project.instance.wipe_assets([dg.AssetKey("runs")])
    assert project.tick() == "runs: 2 materializations wiped, 2 versions released"
    assert "wiped asset=runs materializations=2 released_versions=2 seconds=" in caplog.text
    with pytest.raises(NeverMaterializedError):
        project.catalog.materializations.current("runs")
    assert project.tick() == "Nothing was wiped."
    assert [name.version for name in project.catalog.retention.restore("runs")] == [1, 2]
    assert project.catalog.materializations.current("runs").version == 2
    assert counts_agree(engine)
    project.instance.wipe_assets([dg.AssetKey("runs")])
    project.tick()
    backend = open_backend(project.settings.storage_url)
    assert len(clean_up(project.catalog, backend, grace_s=0).collected) == 2
    assert list(backend.list_files()) == []
    with pytest.raises(CollectedVersionsError):
        project.catalog.retention.restore("runs")


def test_versions_made_after_the_wipe_are_kept(project: Project) -> None:
    project.make("runs")
    project.instance.wipe_assets([dg.AssetKey("runs")])
    later = project.make("runs")
    assert project.tick() == "runs: 1 materialization wiped, 1 version released"
    assert project.catalog.materializations.current("runs").run_id == later


@pytest.mark.parametrize(
    "moment", ["between our row and Dagster's event", "between the sensor's questions and its wipe"]
)
def test_version_made_after_the_wipe_during_a_tick_is_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    project.make("runs")
    project.instance.wipe_assets([dg.AssetKey("runs")])
    if moment.endswith("event"):
        reports = list[str]()
        monkeypatch.setattr(
            artifact_io_manager,
            "report_written",
            lambda *args: reports.append(project.tick()) or report_written(*args),  # type: ignore[func-returns-value]
        )
        later = project.make("runs")
        assert reports == [f"runs: was wiped, and waits for the end of run {later}"]
    else:
        wipe, made = RetentionCatalog.wipe, list[str]()

        def wipe_late(self: RetentionCatalog, *given: Any) -> int:
            made.append(project.make("runs"))
            return wipe(self, *given)

        with monkeypatch.context() as late:
            late.setattr(RetentionCatalog, "wipe", wipe_late)
            assert project.tick() == "runs: 1 materialization wiped, 1 version released"
        [later] = made
    assert project.catalog.materializations.current("runs").run_id == later
    assert project.tick() in ("runs: 1 materialization wiped, 1 version released", "Nothing was wiped.")
    assert [m.run_id for m in project.catalog.materializations.history("runs")] == [later]


@both_event_logs
def test_waiting_wipe_does_not_repeat_earlier_wipes(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.instance.wipe_assets([dg.AssetKey("other"), dg.AssetKey("runs")])
    reports = list[str]()
    monkeypatch.setattr(
        artifact_io_manager,
        "report_written",
        lambda *args: reports.append(project.tick()) or report_written(*args),  # type: ignore[func-returns-value]
    )
    project.make("runs")
    assert reports[0].startswith("other: 0 materializations wiped, 0 versions released; runs: was wiped, and waits")
    assert project.tick() == "runs: 0 materializations wiped, 0 versions released"


def test_wipe_of_some_partitions_releases_nothing(project: Project) -> None:
    for partition in ("mon", "tue"):
        project.make("daily", partition)
    report_partition_wipe(project.instance, "daily", ["mon"])
    assert project.tick() == "daily: only some partitions were wiped, nothing is released"
    assert len(project.catalog.materializations.history("daily")) == 2


def report_partition_wipe(instance: dg.DagsterInstance, asset: str, partitions: list[str]) -> None:
    """Report a wipe of partitions, as Dagster does with an event log that supports it. No open-source one does."""
    data = AssetWipedData(asset_key=dg.AssetKey(asset), partition_keys=partitions)
    event = DagsterEvent(dg.DagsterEventType.ASSET_WIPED.value, "<none>", event_specific_data=data)
    instance.report_dagster_event(event, run_id="")


@both_event_logs
def test_reset_cursor_does_not_repeat_wipes(project: Project) -> None:
    project.make("runs")
    project.instance.wipe_assets([dg.AssetKey("runs")])
    project.tick()
    project.catalog.retention.restore("runs")
    project.cursor = None
    assert project.tick() == "runs: 0 materializations wiped, 0 versions released"
    assert project.catalog.materializations.current("runs").version == 1
    project.instance.wipe_assets([dg.AssetKey("runs")])
    assert project.tick() == "runs: 2 materializations wiped, 1 version released", "including the restored one"


def test_wipe_of_an_unknown_asset_is_ignored(project: Project) -> None:
    project.instance.wipe_assets([dg.AssetKey(["not", "ours"])])
    assert project.tick() == "not/ours: 0 materializations wiped, 0 versions released"


def test_many_wipes_are_spread_over_ticks(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artifact_pipelines.maintenance.sensors.WIPES_PER_TICK", 2)
    project.instance.wipe_assets([dg.AssetKey(name) for name in "abc"])
    reports = [project.tick() for _ in range(3)]
    assert [text.count("wiped,") for text in reports] == [2, 1, 0]
