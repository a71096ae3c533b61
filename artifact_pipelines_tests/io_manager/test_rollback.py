"""A rollback by command, as Dagster's instance sees it: which assets are stale, and which its conditions request."""

import json
import os
import pathlib
import shlex
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import CATALOG_URL
from artifact_pipelines.instance.metadata import numeral
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.project import NO_LOGS
from artifact_pipelines_tests.storage.back_door import BackDoor

ON_CHANGE = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())


class Project:
    """Asset `a`, and `b` made from it, in the instance of DAGSTER_HOME."""

    def __init__(self, catalog: Catalog, producer: ArtifactProducer, home: str, partition: str | None) -> None:
        self.catalog = catalog
        self.instance = dg.DagsterInstance.from_config(home)
        self.partition = partition
        self.partitions = dg.StaticPartitionsDefinition([partition, "other"]) if partition else None
        self.io_manager = ArtifactIOManager(catalog, producer)
        self._cursor: Any = None
        self.definitions = self.define("-")

    def define(self, value: str, data_version: str | None = None) -> list[dg.AssetsDefinition]:
        @dg.asset(partitions_def=self.partitions)
        def a() -> dg.Output[str]:
            return dg.Output(value, data_version=dg.DataVersion(data_version) if data_version else None)

        @dg.asset(partitions_def=self.partitions, automation_condition=ON_CHANGE)
        def b(a: str) -> str:
            return a.upper()

        return [a, b]

    def make(
        self, value: str, *names: str, data_version: str | None = None, later: dg.AssetsDefinition | None = None
    ) -> dg.ExecuteInProcessResult:
        also = [later] if later else []
        return dg.materialize(
            [*self.define(value, data_version), *also],
            selection=[*names, *(["later"] if later else [])],
            resources={"io_manager": self.io_manager},
            instance=self.instance,
            partition_key=self.partition,
        )

    def roll_back(self, version: int, *options: str) -> str:
        partition = ["--partition", self.partition] if self.partition else []
        return run("rollback", "a", "--to", version, *partition, *options)

    def is_stale(self, name: str) -> bool:
        graph = dg.Definitions(self.definitions).resolve_asset_graph()
        resolver = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        return resolver.get_status(dg.AssetKey(name), self.partition) == StaleStatus.STALE

    def requested(self) -> list[str]:
        result = dg.evaluate_automation_conditions(self.definitions, instance=self.instance, cursor=self._cursor)
        self._cursor = result.cursor
        return [name for name in "ab" if result.get_num_requested(dg.AssetKey(name))]

    def reported(self) -> dg.AssetMaterialization:
        partitions = [self.partition] if self.partition else None
        which = dg.AssetRecordsFilter(asset_key=dg.AssetKey("a"), asset_partitions=partitions)
        event = self.instance.fetch_materializations(which, limit=1).records[0].asset_materialization
        assert event is not None
        return event

    def count_reports(self) -> int:
        return len(self.instance.fetch_materializations(dg.AssetKey("a"), limit=100).records)


@pytest.fixture
def home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").write_text(json.dumps({"telemetry": {"enabled": False}, **NO_LOGS}))
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return str(folder)


@pytest.fixture
def project(
    catalog: Catalog,
    catalog_url: str,
    producer: ArtifactProducer,
    home: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Project]:
    monkeypatch.setenv(CATALOG_URL, catalog_url)
    partition = "mon/day|1" if catalog_url.startswith("postgresql") else None  # each of both once, not all pairs
    project = Project(catalog, producer, home, partition)
    with project.instance:
        yield project


def test_asset_made_from_the_restored_version_is_fresh(project: Project) -> None:
    project.make("one", "a", "b")
    project.make("two", "a")
    assert project.is_stale("b")
    assert project.requested() == [], "a first evaluation requests nothing"
    text = project.roll_back(1)
    assert "version 1 is current again." in text
    assert "Reported to Dagster." in text
    assert not project.is_stale("b")
    # The condition follows changes, not staleness: it requests the asset once, and the result is unchanged.
    assert project.requested() == ["b"]
    assert project.make("-", "b").asset_value("b") == "ONE"
    assert project.catalog.materializations.current("b", project.partition).version == 1
    assert project.requested() == []


def test_asset_made_from_the_replaced_version_is_stale_and_requested(project: Project) -> None:
    for value in ("one", "two"):
        project.make(value, "a", "b")
    assert project.requested() == []
    project.roll_back(1)
    assert project.is_stale("b")
    assert project.requested() == ["b"]
    assert project.make("-", "b").asset_value("b") == "ONE"
    assert not project.is_stale("b")
    assert project.requested() == []


def test_rollback_reports_the_old_data_version_and_metadata(project: Project) -> None:
    project.make("one", "a")
    first = project.reported()
    project.make("two", "a")
    project.roll_back(1)
    reported = project.reported()
    assert reported.tags == first.tags
    assert reported.partition == project.partition
    now = project.catalog.materializations.current("a", project.partition)
    assert (reported.tags or {})["dagster/data_version"] == now.data_version
    assert reported.metadata["artifact/rolled_back_to"].value == reported.metadata["artifact/version"].value == "1"
    assert reported.metadata["artifact/file_id"] == first.metadata["artifact/file_id"] == numeral(now.file.file_id)
    assert reported.metadata["artifact/preview"] == first.metadata["artifact/preview"]
    assert reported.metadata["artifact/bytes_added"].value == 0


def test_rollback_reports_the_data_version_set_by_the_user(project: Project) -> None:
    project.make("one", "a", "b", data_version="mine 1")
    project.make("two", "a", data_version="mine 2")
    project.roll_back(1)
    assert (project.reported().tags or {})["dagster/data_version"] == "mine 1"
    assert not project.is_stale("b")


def test_rollback_of_a_deleted_run_reports_the_catalogs_data_version(project: Project) -> None:
    first = project.make("one", "a")
    project.make("two", "a")
    project.instance.delete_run(first.run_id)
    project.roll_back(1)
    now = project.catalog.materializations.current("a", project.partition)
    assert project.reported().tags == {"dagster/data_version": now.data_version}
    assert project.reported().metadata["artifact/rolled_back_to"].value == "1"


def test_rollback_ignores_events_of_other_partitions(project: Project) -> None:
    @dg.asset(deps=["a"], partitions_def=project.partitions)
    def later(context: dg.AssetExecutionContext) -> None:
        context.log_event(dg.AssetMaterialization("a", partition="other", tags={"dagster/data_version": "other's"}))

    [first] = project.make("one", "a", later=later).asset_materializations_for_node("a")
    project.make("two", "a")
    project.roll_back(1)
    assert project.reported().tags == first.tags


def test_repeated_rollback_reports_only_what_dagster_lacks(
    project: Project, monkeypatch: pytest.MonkeyPatch, home: str, tmp_path: pathlib.Path
) -> None:
    for value in ("one", "two"):
        project.make(value, "a")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "gone"))
    partition = ["--partition", project.partition] if project.partition else []
    failed = run("rollback", "a", "--to", 1, *partition, code=6)
    assert "DagsterNotToldError" in failed
    assert "no such folder" in failed
    assert project.count_reports() == 2
    monkeypatch.setenv("DAGSTER_HOME", home)
    text = project.roll_back(1)
    assert "version 1 is already current." in text
    assert "Reported to Dagster." in text
    assert "Dagster already knows." in project.roll_back(1)
    assert project.count_reports() == 3
    assert len(project.catalog.materializations.history("a")) == 3


def test_rollback_without_dagster_explains_how_to_report_later(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    for value in ("one", "two"):
        project.make(value, "a")
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.setattr("artifact_pipelines.cli.publish_rollback.state_folder", lambda: tmp_path / "state")
    assert "run the same command again" in project.roll_back(1)
    assert project.catalog.materializations.current("a", project.partition).version == 1


def test_rollback_prints_json_for_programs(project: Project) -> None:
    for value in ("one", "two"):
        project.make(value, "a")
    partition = ["--partition", project.partition] if project.partition else []
    facts = run_json("rollback", "a", "--to", 1, *partition)
    assert facts == {
        "asset": "a",
        "partition": project.partition,
        "version": 1,
        "file_id": 1,
        "data_version": project.catalog.materializations.version("a", 1, project.partition).data_version,
        "changed": True,
        "withdrawn": 2,
        "reported": True,
    }


def test_run_that_makes_withdrawn_content_again_leaves_the_older_version_current_and_says_so(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in ("one", "two"):
        project.make(value, "a", "b")
    project.requested()
    printed = project.roll_back(1)
    of_partition = f" --partition {shlex.quote(project.partition)}" if project.partition else ""
    assert "Version 2 is withdrawn" in printed
    assert f"To undo: artifact-pipelines rollback a --to 2{of_partition}" in printed
    project.make("one", "b")
    project.requested()
    assert project.make("two", "a", "b").output_for_node("b") == "ONE", "a step of the same run reads what is current"
    said = project.reported().metadata
    assert (said["artifact/version"].value, said["artifact/file_id"].value) == ("1", "1")
    assert "made the content of version 2 again" in str(said["artifact/withdrawn"].value)
    assert "which a rollback has withdrawn" in capsys.readouterr().err
    assert project.requested() == []
    assert not project.is_stale("b")
    assert "version 2 is current again" in project.roll_back(2)
    assert project.catalog.materializations.current("a", project.partition).version == 2


def test_rollback_to_a_missing_version_or_to_missing_bytes_is_refused(project: Project, back_door: BackDoor) -> None:
    for value in ("one", "two"):
        project.make(value, "a")
    partition = ["--partition", project.partition] if project.partition else []
    assert "the newest is 2" in run("rollback", "a", "--to", 3, *partition, code=3)
    back_door.delete(project.catalog.materializations.version("a", 1, project.partition).file.storage_path)
    assert "MissingBytesError" in run("rollback", "a", "--to", 1, *partition, code=4)
    assert project.catalog.materializations.current("a", project.partition).version == 2


def test_rollback_of_an_op_output_is_not_reported_to_dagster(
    project: Project,
) -> None:
    @dg.op
    def make() -> str:
        return "one"

    @dg.job(resource_defs={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(project.io_manager)})
    def plain() -> None:
        make()

    output = f"{plain.execute_in_process(instance=project.instance).run_id}/make/result"
    for _ in range(2):
        text = run("rollback", output, "--to", 1)
        assert "already current" in text
        assert "Not reported to Dagster: the output of an op is not an asset." in text
        assert run_json("rollback", output, "--to", 1)["reported"] is False
        project.catalog.retention.wipe(output)
        run("restore", output)
    assert project.instance.all_asset_keys() == []


def test_rollback_uses_the_projects_instance_without_dagster_home(
    project: Project, home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    for value in ("one", "two"):
        project.make(value, "a")
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.setattr("artifact_pipelines.cli.publish_rollback.state_folder", lambda: pathlib.Path(home).parent)
    assert os.environ.get("DAGSTER_HOME") is None
    assert "Reported to Dagster." in project.roll_back(1)
    assert project.count_reports() == 3
