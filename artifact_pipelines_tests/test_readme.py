"""The README and the documents work as they are shown."""

import io
import os
import pathlib
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import yaml

import artifact_pipelines
from artifact_pipelines import DatasetPipeline, open_store
from artifact_pipelines.cli.main import main
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.definitions import build_definitions
from artifact_pipelines.handlers.interfaces import ITypeHandler
from artifact_pipelines.handlers.registry import register_type_handler, unregister_type_handler
from artifact_pipelines_tests.handlers.table_of_types import Point
from artifact_pipelines_tests.project import Project

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(code: str, namespace: dict[str, Any]) -> dict[str, Any]:
    exec(compile(code, "document", "exec"), namespace)
    return namespace


def test_declared_dataset_makes_the_assets_that_the_readme_names(settings: Settings) -> None:
    [text] = blocks("yaml")
    declared = yaml.safe_load(text)
    assert declared["type"] == "artifact_pipelines.DatasetPipeline"
    assert len(text.splitlines()) <= 11
    dataset = DatasetPipeline.model_validate(declared["attributes"])
    definitions: Any = build_definitions(dataset.definitions(), settings)
    specs = definitions.resolve_all_asset_specs()
    names = {spec.key.to_user_string() for spec in specs if spec.group_name == "cities"}
    assert names == {
        "cities/raw",
        "cities/table",
        "cities/samples/hundred",
        "cities/analyses/profile",
        "cities/quarantine",
        "cities/report",
    }


def test_make_never_writes_over_settings_of_dagster(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "home" / "dagster.yaml"
    make = ["make", "--silent", "--directory", str(ROOT), f"DAGSTER_HOME={target.parent}", str(target)]
    subprocess.run(make, check=True)
    assert target.read_text() == (ROOT / "dagster.yaml").read_text()
    target.write_text("telemetry: {enabled: false}")
    os.utime(target, (0, 0))  # older than the one of the project
    subprocess.run(make, check=True)
    assert target.read_text() == "telemetry: {enabled: false}"


def test_notebook_code_of_the_readme_reads_the_store_of_the_pipeline(
    settings: Settings, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.html").write_text("<html>")
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance)
        project.drop("carrier,number,delay\nUA,1,5\n")
        project.settle()
    shown = run(blocks("python")[0], {})
    assert shown["frame"].collect().height == 1
    with open_store() as store:
        assert store.info(shown["file_id"]).file_type == "html"


def test_project_of_the_readme_stores_and_loads_frames(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.csv").write_text("order,days\n1,5\n2,20\n")
    definitions = run(blocks("python")[1], {"__name__": "own"})["defs"]
    assert definitions.resolve_implicit_global_asset_job_def().execute_in_process().success
    with open_store() as store:
        assert store.load("late_orders").collect()["order"].to_list() == [2]


@pytest.fixture
def _unregistered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Unregister the handlers that a test registers."""
    registered: list[ITypeHandler] = []

    def register(handler: ITypeHandler) -> None:
        register_type_handler(handler)
        registered.append(handler)

    monkeypatch.setattr(artifact_pipelines, "register_type_handler", register)
    yield
    for handler in registered:
        unregister_type_handler(handler)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
@pytest.mark.usefixtures("_unregistered")
def test_python_code_of_the_documents_runs(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_SECRET", "secret")
    public = {name: getattr(artifact_pipelines, name) for name in artifact_pipelines.__all__}
    namespace = {**public, "dg": dg, "defs": dg.Definitions()}
    for code in blocks("python", path.read_text()):
        run(code, namespace)


class Anything:
    """A class that no built-in handler stores."""

    def __init__(self, number: int) -> None:
        self.number = number


def make_asset(name: str, value: object) -> dg.AssetsDefinition:
    @dg.asset(name=name)
    def make() -> Any:
        return value

    return make


@pytest.mark.usefixtures("_unregistered")
def test_handler_of_the_guide_stores_any_object(settings: Settings) -> None:
    [code] = [code for code in blocks("python", (ROOT / "docs" / "io_manager.md").read_text()) if "pickle" in code]
    run(code, {"__name__": "own"})
    values = {"anything": Anything(5), "point": Point(1, 2), "number": 7, "stream": io.BytesIO(b"data")}
    makers = [make_asset(name, value) for name, value in values.items()]
    own_store = artifact_pipelines.ArtifactStore(catalog_url=settings.catalog_url, storage_url=settings.storage_url)
    manager = artifact_pipelines.ArtifactIOManagerFactory(store=own_store)
    assert dg.materialize(makers, resources={"io_manager": manager}).success
    with open_store() as store:
        assert store.load("anything").number == store.load("anything", Anything).number == 5
        assert (store.load("point", Point), store.load("number"), store.load("stream")) == (Point(1, 2), 7, b"data")


@pytest.mark.parametrize("path", [ROOT / "README.md", *DOCUMENTS], ids=lambda path: path.name)
def test_commands_and_links_of_the_documents_exist(path: pathlib.Path) -> None:
    text = path.read_text()
    assert {*re.findall(r"artifact-pipelines ([a-z]+)", text)} <= {*main.commands}
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / link).is_file(), link
