"""What the README shows works as it is shown."""

import pathlib
import re
from typing import Any

import dagster as dg
import pytest
import yaml

from artifact_pipelines import DatasetPipeline, open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.definitions import build_definitions
from artifact_pipelines_tests.project import Project

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def _run(code: str, namespace: dict[str, Any]) -> dict[str, Any]:
    exec(compile(code, "README.md", "exec"), namespace)
    return namespace


def test_the_first_data_set_of_ones_own(settings: Settings) -> None:
    [text] = _blocks("yaml")
    declared = yaml.safe_load(text)
    assert declared["type"] == "artifact_pipelines.DatasetPipeline"
    assert len(text.splitlines()) <= 11
    specs = _specs(declared["attributes"], settings)
    names = {spec.key.to_user_string() for spec in specs if spec.group_name == "cities"}
    assert names == {"cities/raw", "cities/table", "cities/samples/hundred", "cities/analyses/profile"}


def _specs(attributes: dict[str, Any], settings: Settings) -> Any:
    dataset = DatasetPipeline.model_validate(attributes)
    return build_definitions(dataset.definitions(), settings).resolve_all_asset_specs()


def test_the_store_in_a_notebook(settings: Settings, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.html").write_text("<html>")
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance)
        project.drop("carrier,number,delay\nUA,1,5\n")
        project.settle()
    shown = _run(_blocks("python")[0], {})
    assert shown["frame"].collect().height == 1
    with open_store() as store:
        assert store.info(shown["file_id"]).file_type == "html"


def test_the_io_manager_in_a_project_of_ones_own(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.csv").write_text("order,days\n1,5\n2,20\n")
    definitions = _run(_blocks("python")[1], {"__name__": "own"})["defs"]
    assert definitions.resolve_implicit_global_asset_job_def().execute_in_process().success
    with open_store() as store:
        assert store.load("late_orders").collect()["order"].to_list() == [2]
