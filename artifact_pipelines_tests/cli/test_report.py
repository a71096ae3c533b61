"""The command report. Reports that are stored: tests of `report`."""

import pathlib

import dagster as dg
import pytest

from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.cli.commands import run
from artifact_pipelines_tests.project import CSV, Project
from artifact_pipelines_tests.report.made_facts import Page


def test_command_makes_a_report_that_is_not_stored(
    settings: Settings, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance, samples={}, analyses={"profile": {"kind": "profile"}})
        project.drop(CSV)
        project.settle()
    output, opened = tmp_path / "mine.html", list[str]()
    monkeypatch.setattr("click.launch", opened.append)
    assert "made now" in run("report", "flights", "-o", str(output), "--open")
    assert opened == [str(output)]
    assert "Mean 4.333" in Page(output.read_bytes()).said
    assert "a dataset, such as flights@v3" in run("report", "flights/raw", code=2)
