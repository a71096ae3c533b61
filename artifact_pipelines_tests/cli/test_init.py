"""The command init."""

import importlib
import pathlib

import pytest
import yaml

from artifact_pipelines import open_store
from artifact_pipelines.core.settings import CATALOG_URL, LANDING_URL, STORAGE_URL, Settings
from artifact_pipelines_tests.cli.commands import run, run_json


def test_init_with_a_file_declares_what_is_in_it(tmp_path: pathlib.Path) -> None:
    (tmp_path / "Old Towns.csv").write_text("town;since\nRome;753\n")
    printed = run("init", tmp_path / "project", tmp_path / "Old Towns.csv")
    assert "the dataset old_towns" in printed
    declared = yaml.safe_load((tmp_path / "project/project/defs/old_towns/defs.yaml").read_text())["attributes"]
    assert declared["format"]["delimiter"] == ";"
    assert (tmp_path / "project" / "Old Towns.csv").exists()


def test_init_overwrites_nothing(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "workspace.yaml").write_text("mine")
    assert "workspace.yaml already" in run("init", folder, code=2)
    assert [path.name for path in folder.iterdir()] == ["workspace.yaml"]


def test_state_lies_in_the_project_wherever_dagster_and_commands_start(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init", tmp_path / "agreeing")
    for name in (CATALOG_URL, STORAGE_URL, LANDING_URL):
        monkeypatch.delenv(name)
    monkeypatch.syspath_prepend(tmp_path / "agreeing")
    state = tmp_path / "agreeing" / "state"
    of_dagster = importlib.import_module("agreeing.definitions").defs().resources
    assert of_dagster["landing_zone"].landing_url == str(state / "landing")
    assert of_dagster["artifact_store"].storage_url == str(state / "store")

    monkeypatch.chdir(tmp_path / "agreeing")
    assert Settings.from_environment().landing_url == str(state / "landing")
    run("put", "cities.csv")
    assert (state / "catalog.db").exists()
    with open_store() as store:
        assert store.info(1).file_type == "csv"


def test_init_prints_json(tmp_path: pathlib.Path) -> None:
    assert run_json("init", tmp_path / "towns")["dataset"] == "cities"
