"""Commands on the versions of datasets, after files were dropped and ingested."""

import pathlib
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.project import CSV, Project
from artifact_pipelines_tests.saved_store import copy_saved, settings_in

SECOND = "carrier,number,delay,gate\nUA,1,6,=A1\nUA,3,1,\nDL,4,0,B2\n"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A project that has ingested two files."""
    folder = tmp_path_factory.mktemp("flights")
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings_in(folder), instance, samples={}, analyses={})
        for text in (CSV, SECOND):
            project.drop(text)
            project.settle()
    return folder


@pytest.fixture
def two_versions(filled: pathlib.Path, tmp_path: pathlib.Path) -> None:
    copy_saved(filled, tmp_path)


@pytest.fixture
def project(settings: Settings, two_versions: None) -> Iterator[Project]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Project(settings, instance, samples={}, analyses={})


def test_log_lists_each_content_with_its_files_source_rows_and_dialect(project: Project) -> None:
    newest, oldest = run_json("datasets", "log", "flights")
    assert (newest["version"], oldest["version"], newest["marks"]) == ("v2", "v1", "current")
    assert (newest["source"], newest["rows"], newest["key"]) == ("flights.csv", 3, ["carrier", "number"])
    assert newest["dialect"]["delimiter"] == ","
    assert newest["schema"] == {"carrier": "string", "number": "int64", "delay": "int64", "gate": "string"}
    assert len({row[name] for row in (newest, oldest) for name in ("raw_file_id", "table_file_id")}) == 4
    assert "v2" in run("datasets", "log", "flights").splitlines()[1]
    project.drop("carrier,number,delay\nUA,1,soon\n")
    project.settle()
    bad, good, _ = run_json("datasets", "log", "flights")
    assert (bad["table_file_id"], bad["marks"], good["marks"]) == (None, "no table", "current")
    [row] = run_json("datasets", "ls")
    assert (row["dataset"], row["version"]) == ("flights", "v2")


def test_log_counts_the_bad_rows_of_each_version(settings: Settings) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance, samples={}, analyses={}, on_bad_rows="quarantine")
        for delays in ("1 x y 4", "1 2", "z 2 3"):
            rows = [f"UA,{number},{delay}" for number, delay in enumerate(delays.split())]
            project.drop("\n".join(["carrier,number,delay", *rows, ""]))
            project.settle()
    assert [row["bad_rows"] for row in run_json("datasets", "log", "flights")] == [1, None, 2]
    assert "bad_rows" in run("datasets", "log", "flights").splitlines()[0]


@pytest.mark.usefixtures("two_versions")
def test_diff_shows_columns_and_rows_that_changed() -> None:
    lines = run("datasets", "diff", "flights@v1", "flights").splitlines()
    assert lines == [
        "columns added: gate VARCHAR",
        "row count: 3 as before",
        "rows: 1 added, 1 removed, 1 changed (delay: 1)",
    ]
    found = run_json("datasets", "diff", "flights@v1", "flights@v2", "--key", "number")
    assert found["rows"]["changed_in"] == {"delay": 1}
    assert "columns of flights@v1" in run("datasets", "diff", "flights@v1", "flights@v2", "--key", "gate", code=2)


@pytest.mark.usefixtures("two_versions")
def test_tag_names_a_version_and_moves() -> None:
    run("datasets", "tag", "flights@v1", "golden")
    assert [row["marks"] for row in run_json("datasets", "log", "flights")] == ["current", "golden"]
    assert "row count: 3 as before" in run("datasets", "diff", "flights@golden", "flights@v2")
    assert [row["marks"] for row in run_json("history", "flights/table")] == ["current", "golden"]
    run("datasets", "tag", "flights", "golden")
    assert [row["marks"] for row in run_json("datasets", "log", "flights")] == ["current, golden", None]
    run("datasets", "untag", "flights@golden")
    assert "Its newest versions: v2, v1" in run("datasets", "untag", "flights@golden", code=3)
    assert "numbers of versions" in run("datasets", "tag", "flights", "v7", code=2)


@pytest.mark.usefixtures("two_versions")
def test_version_or_dataset_that_does_not_exist_names_those_that_do() -> None:
    assert "Its newest versions: v2, v1" in run("datasets", "export", "flights@v9", "-o", "x.csv", code=3)
    assert "Known datasets: flights" in run("datasets", "log", "fligths", code=3)


@pytest.mark.usefixtures("two_versions")
def test_export_writes_the_table_or_the_dropped_file(tmp_path: pathlib.Path) -> None:
    run("datasets", "export", "flights@v1", "-o", tmp_path / "t.parquet")
    assert pl.read_parquet(tmp_path / "t.parquet")["delay"].to_list() == [5, 7, 1]
    run("datasets", "export", "flights@v1", "--raw", "-o", tmp_path / "raw.txt")
    assert (tmp_path / "raw.txt").read_text() == CSV
    run("datasets", "export", "flights", "-o", tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines()[1:3] == ['"UA",1,6,"=A1"', '"UA",3,1,']
    run("datasets", "export", "flights", "--spreadsheet", "-o", tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert pl.read_csv(tmp_path / "s.csv")["gate"].to_list() == ["'=A1", None, "B2"]
    assert ".parquet or .csv" in run("datasets", "export", "flights", "-o", tmp_path / "t.xlsx", code=2)


def test_version_whose_file_made_no_table_says_so(project: Project, tmp_path: pathlib.Path) -> None:
    project.drop("carrier,number,delay\nUA,1,soon\n")
    project.settle()
    assert "flights@v3 has no table" in run("datasets", "export", "flights@v3", "-o", tmp_path / "t.csv", code=3)
    assert not (tmp_path / "t.csv").exists()


def test_rollback_takes_a_dataset_and_the_log_shows_the_version_of_its_table(project: Project) -> None:
    project.drop("carrier,number,delay\nUA,1,soon\n")  # flights@v3 has no table
    project.settle()
    project.drop(SECOND.replace(",6,", ",8,"))
    project.settle()
    log = run_json("datasets", "log", "flights")
    assert [(row["version"], row["table_version"]) for row in log] == [("v4", 3), ("v3", None), ("v2", 2), ("v1", 1)]
    assert "table version" in run("datasets", "log", "flights")
    assert "flights/table version 2 is current again." in run("rollback", "flights@v2")
    assert run_json("datasets", "log", "flights")[0]["marks"] == "withdrawn"
    project.drop(SECOND.replace(",6,", ",8,"), "flights_again.csv")
    assert "same content as version 4, whose table is not current" in project.settle()[1]["artifact_landing"]
    facts = run_json("rollback", "flights", "--to", 4)
    assert (facts["asset"], facts["version"], facts["changed"]) == ("flights/table", 3, True)
    assert "version 1 is current again" in run("rollback", "flights/table", "--to", 1)
    assert "flights@v3 has no table" in run("rollback", "flights", "--to", 3, code=3)
    assert "--to N, or flights@v3" in run("rollback", "flights", code=2)
    assert "Asset fligths has nothing stored" in run("rollback", "fligths@v1", code=3)


def test_without_versions_the_list_says_how_to_get_one(settings: Settings) -> None:
    run("db", "upgrade")
    assert "No dataset has a version yet" in run("datasets", "ls")


def test_commands_take_the_partition_of_a_partitioned_dataset(settings: Settings, tmp_path: pathlib.Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        options: dict[str, Any] = {"samples": {}, "analyses": {}, "files": None, "partitions": "by_file"}
        project = Project(settings, instance, source="flights_{partition}.csv", **options)
        for name, text in (("north", CSV), ("south", CSV), ("north", CSV.replace("7", "8"))):
            project.drop(text, f"flights_{name}.csv")
            project.settle()
        project.drop("carrier,number,delay\nUA,1,soon\n", "flights_west.csv")
        project.settle()
    log = run_json("datasets", "log", "flights")
    assert [(row["partition"], row["version"], row["marks"]) for row in log] == [
        ("west", "v1", "no table"),
        ("north", "v2", "current"),
        ("south", "v1", "current"),
        ("north", "v1", None),
    ]
    assert [row["partition"] for row in run_json("datasets", "log", "flights", "--partition", "south")] == ["south"]
    [row] = run_json("datasets", "ls")
    assert (row["partitions"], row["rows"], row["partition"], row["version"]) == (2, 6, "north", "v2")
    assert "north" in run("datasets", "ls")
    lines = run("datasets", "diff", "flights@v1", "flights@v2", "--partition", "north")
    assert "0 added, 0 removed, 1 changed (delay: 1)" in lines
    run("datasets", "tag", "flights@v1", "golden", "--partition", "north")
    output = tmp_path / "a.csv"
    run("datasets", "export", "flights@golden", "--partition", "north", "-o", output)
    assert ",7" in output.read_text()
    run("datasets", "untag", "flights@golden", "--partition", "north")
    assert "Name one with `--partition`" in run("datasets", "export", "flights@v1", "-o", output, code=2)


def test_infer_prints_json(csv: pathlib.Path) -> None:
    assert run_json("datasets", "infer", csv)["attributes"]["name"] == "x"
