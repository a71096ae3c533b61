"""The report of a dataset, from the dropped file to the command that writes it."""

import pathlib
from collections.abc import Iterator

import dagster as dg
import pytest

from artifact_pipelines import open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.project import CSV, Project
from artifact_pipelines_tests.report.made_facts import Page

ANALYSES = {
    "profile": {"kind": "profile"},
    "drift": {"kind": "drift"},
    "mean": {"kind": "estimate", "sample": "few", "estimates": {"mean_delay": {"mean": "delay"}}},
    "delays": {"kind": "sql", "query": "SELECT carrier, 10 // min(delay)::BIGINT AS x FROM flights GROUP BY carrier"},
}
CHECKS = {"short": {"kind": "range", "column": "delay", "max": 6}}
SECOND = CSV + "DL,4,9\n"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def _report(version: int | None = None) -> str:
    with open_store() as store:
        return Page(store.load("flights/report", bytes, version=version)).said


def test_report_follows_each_change_once_and_says_what_the_results_say(
    settings: Settings, instance: dg.DagsterInstance, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(settings, instance, report=True, analyses=ANALYSES, checks=CHECKS)
    project.drop(CSV)
    made, _ = project.settle()
    assert made[-1] == "report"
    assert made.count("report") == 1
    project.drop(SECOND)
    made, _ = project.settle()
    assert (made[-1], made.count("report")) == ("report", 1)

    said = _report()
    for expected in (
        "flights v2", "1 more than v1", "Error flights/table: short: 2 rows break the rule.", "1 added",
        "few simple random Rows 2 of 4, planned 2", "Sizes passed", "mean_delay", "Version 2 against 1",
        "representativeness flights/samples/few", "flights/analyses/mean@v2 flights/samples/few@v", "b3sum",
    ):  # fmt: skip
        assert expected in said, expected
    first = _report(version=1)
    assert "This is the first version." in first
    assert "Version 2 against 1" not in first

    monkeypatch.chdir(tmp_path)
    assert "as it was stored" in run("report", "flights@v1")
    assert run_json("report", "flights@v1")["stored"] is True
    assert Page((tmp_path / "flights-v1-report.html").read_bytes()).said == first

    made_again = project.materialize("report")
    assert made_again.success
    with open_store() as store:
        assert len({each.file.content_hash for each in store.history("flights/report")}) == 2


def test_report_after_a_rollback_is_that_of_the_version(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, report=True, samples={}, analyses={}, checks=CHECKS)
    for text in (CSV, SECOND):
        project.drop(text)
        project.settle()
    before = _report(version=1)
    assert "Error flights/table: short: 1 row breaks the rule." in before
    config = {"ops": {"roll_back_asset": {"config": {"asset": "flights/table", "to_version": 1}}}}
    project.definitions.resolve_job_def("artifact_rollback").execute_in_process(config, instance)
    made, _ = project.settle()
    assert "report" in made
    with open_store() as store:
        assert len(store.history("flights/report")) == 3
    assert _report() == before


def test_report_is_made_without_the_analysis_that_failed(settings: Settings, instance: dg.DagsterInstance) -> None:
    bad = {"kind": "sql", "query": "SELECT error(carrier) AS x FROM flights"}
    project = Project(settings, instance, report=True, samples={}, analyses={"bad": bad})
    project.drop(CSV)
    made, _ = project.settle()
    assert made == ["raw", "table", "report"]
    assert "Warning flights/analyses/bad: It has no result for this version" in _report()


def test_each_partition_has_its_report(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(
        settings, instance, report=True, samples={}, analyses={}, source="flights_{partition}.csv", partitions="by_file"
    )
    project.drop(CSV, "flights_a.csv")
    made, _ = project.settle()
    assert made[-1] == "report"
    with open_store() as store:
        assert "flights[a] v1" in Page(store.load("flights/report", bytes, partition="a")).said


def test_each_value_of_a_column_has_its_report(settings: Settings, instance: dg.DagsterInstance) -> None:
    few = {"few": {"n": 1, "seed": 1}}
    project = Project(settings, instance, report=True, samples=few, analyses={}, partitions={"column": "carrier"})
    project.drop(CSV)
    made, _ = project.settle()
    assert made.count("report") == 2
    with open_store() as store:
        said = Page(store.load("flights/report", bytes, partition="UA")).said
    assert "flights[UA] v1 From flights.csv" in said
    assert "few simple random Rows 1 of 2, planned 1" in said
