"""A dataset whose versions are folders of files, with real sensors and runs."""

import os
import pathlib
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl
import pydantic
import pytest

from artifact_pipelines import DatasetPipeline, open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.project import FLIGHTS, Project

OPTIONS: dict[str, Any] = {
    "files": "folder",
    "source": "exports/*/**/*.csv",
    "file_column": "file",
    "samples": {},
    "analyses": {},
}
HEADER = "carrier,number,delay\n"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _rows() -> list[tuple[Any, ...]]:
    with open_store() as store:
        frame: pl.DataFrame = store.load("flights/table", as_type=pl.DataFrame)
    return frame.select("number", "file").rows()


def test_folder_with_its_marker_is_one_version_of_all_files_below(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    project = Project(settings, instance, **OPTIONS)
    project.drop_into(HEADER + "UA,2,5\n", "exports/may/b.csv")
    project.drop_into(HEADER + "UA,1,5\n", "exports/may/a/a.csv")
    made, reasons = project.settle()
    assert made == []
    assert "in a folder with _SUCCESS, matches 'exports/*/**/*.csv'" in reasons["artifact_landing"]
    project.drop_into("", "exports/may/_SUCCESS")
    made, reasons = project.settle()
    assert (made, reasons["artifact_landing"]) == (["raw", "table"], "exports/may: ingested")
    assert _rows() == [(1, "exports/may/a/a.csv"), (2, "exports/may/b.csv")]
    project.drop_into(HEADER + "UA,3,5\n", "exports/june/one.csv")
    project.drop_into("", "exports/june/_SUCCESS")
    _, reasons = project.settle()
    assert reasons["artifact_landing"] == "exports/june: ingested; exports/may: ingested (replaced by exports/june)"
    assert _rows() == [(3, "exports/june/one.csv")]


def test_bad_file_puts_its_folder_into_quarantine(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, **OPTIONS)
    project.drop_into(HEADER + "UA,2,x\n", "exports/may/b.csv")
    project.drop_into("", "exports/may/_SUCCESS")
    _, reasons = project.settle()
    said = reasons["artifact_landing"]
    assert said.startswith("exports/may: quarantined")
    assert "exports/may/b.csv, line 2, column 'delay': 'x' is not" in said
    project.drop_into(HEADER + "UA,2,1\n", "exports/may/b.csv")
    project.drop_into("", "exports/may/_SUCCESS")
    project.settle()
    assert _rows() == [(2, "exports/may/b.csv")]


def test_folder_is_archived_with_its_marker(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, **OPTIONS, landing={"afterwards": "archive", "marker": "done.txt"})
    project.drop_into(HEADER + "UA,2,5\n", "exports/may/b.csv")
    project.drop_into("", "exports/may/done.txt")
    project.settle()
    landing = pathlib.Path(settings.landing_url)
    kept = sorted(os.path.relpath(p, landing) for p in landing.rglob("*") if p.is_file())
    assert [path.rpartition("/exports/")[2] for path in kept] == ["may/b.csv", "may/done.txt"]
    assert all(path.startswith(".archive/flights/") for path in kept)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"source": "*.csv"}, "a glob of files in folders"),
        ({"landing": {"marker": "{name}.done"}}, "one marker lies in each folder"),
    ],
)
def test_folders_without_a_place_or_a_marker_of_their_own_are_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=expected):
        DatasetPipeline.model_validate({**FLIGHTS, **OPTIONS, **changes})
