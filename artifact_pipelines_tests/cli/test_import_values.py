"""A project that lived with Dagster's default moves in."""

import pathlib
import textwrap

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines import open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.definitions import resources
from artifact_pipelines.moving_in import import_values
from artifact_pipelines_tests.cli.commands import run, run_json

PROJECT = textwrap.dedent("""
    import dagster as dg
    import artifact_pipelines

    @dg.asset(code_version="7", io_manager_key="artifact_io_manager")
    def frame() -> "pl.DataFrame": ...

    @dg.asset(key=["own", "pair"], io_manager_key="artifact_io_manager")
    def pair() -> tuple[int, str]: ...

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b", "c"]), io_manager_key="artifact_io_manager")
    def parts(): ...

    @dg.asset(io_manager_key="artifact_io_manager")
    def broken(): ...

    @dg.asset(io_manager_key="artifact_io_manager")
    def odd(): ...

    @dg.asset
    def stays_outside(): ...

    defs = dg.Definitions(
        [frame, pair, parts, broken, odd, stays_outside],
        resources={**artifact_pipelines.resources(), "io_manager": dg.FilesystemIOManager(base_dir="old")},
    )
""").replace("\nimport dagster as dg\n", "\nimport dagster as dg\nimport polars as pl\n", 1)


def store_with_dagsters_default(folder: pathlib.Path) -> None:
    manager = dg.FilesystemIOManager(base_dir=str(folder)).create_io_manager(dg.build_init_resource_context())
    values = {"frame": pl.DataFrame({"a": [1, 2]}), "own/pair": (1, "one"), "odd": slice(1), "stays_outside": 1}
    for key, value in values.items():
        manager.handle_output(dg.build_output_context(asset_key=key.split("/")), value)
    days = dg.StaticPartitionsDefinition(["a", "b", "c"])
    for day in "ab":
        context = dg.build_output_context(asset_key="parts", partition_key=day, asset_partitions_def=days)
        manager.handle_output(context, {"day": day})
    (folder / "broken").write_bytes(b"no pickle")


@pytest.fixture
def project(settings: Settings, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    (tmp_path / "project_that_moves.py").write_text(PROJECT)
    store_with_dagsters_default(tmp_path / "old")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "project_that_moves", raising=False)
    instance = dg.DagsterInstance.ephemeral()
    monkeypatch.setattr(dg.DagsterInstance, "get", lambda: instance)
    return instance


@pytest.mark.usefixtures("project")
def test_values_of_dagsters_default_become_versions_of_their_assets(project: dg.DagsterInstance) -> None:
    printed = run("import", "old", "-m", "project_that_moves", "--yes", code=2)
    assert "4 values stored, 2 not." in printed
    assert "odd  UnsupportedTypeError: Cannot store a value of type builtins.slice" in printed
    assert "broken  It cannot be loaded. UnpicklingError" in printed
    with open_store() as store:
        assert store.load("frame")["a"].to_list() == [1, 2]
        assert store.load("own/pair", tuple[int, str]) == (1, "one")
        assert [store.load("parts", partition=day) for day in "ab"] == [{"day": "a"}, {"day": "b"}]
    assert {row["asset"] for row in run_json("ls")} == {"frame", "own/pair", "parts"}
    reported = project.get_latest_materialization_event(dg.AssetKey("frame"))
    assert reported
    assert reported.asset_materialization
    assert (reported.asset_materialization.tags or {})["dagster/code_version"] == "7"


@pytest.mark.usefixtures("project")
def test_pickles_are_loaded_only_if_they_are_trusted() -> None:
    assert "can run code" in run("import", "old", "-m", "project_that_moves", code=1)
    assert "one with the definitions `defs`" in run("import", "old", "-m", "nothing_here", "--yes", code=2)


def test_partitions_of_an_asset_that_was_never_made_are_not_asked_for(
    settings: Settings, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset(partitions_def=dg.MonthlyPartitionsDefinition("2000-01-01"))
    def months() -> int:
        return 1

    asked: list[dg.InputContext] = []
    monkeypatch.setattr("dagster._core.storage.upath_io_manager.UPathIOManager.load_input", asked.append)
    own = dg.Definitions([months], resources={"io_manager": resources(settings)["artifact_io_manager"]})
    with dg.DagsterInstance.ephemeral() as instance:
        assert list(import_values(own, str(tmp_path), instance)) == []
    assert asked == []
