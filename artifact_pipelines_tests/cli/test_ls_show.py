"""The commands ls and show."""

import io
import os
import pathlib

import click.testing
import pytest

from artifact_pipelines import Store
from artifact_pipelines.cli.main import main
from artifact_pipelines_tests.cli.commands import run, run_json


@pytest.mark.usefixtures("numbers")
def test_ls_shows_the_current_version_of_each_asset() -> None:
    [row] = run_json("ls")
    assert (row["asset"], row["version"], row["size_bytes"]) == ("numbers", 4, 1)
    text = run("ls")
    assert "numbers" in text
    assert "partition" not in text, "empty columns are left out"


@pytest.mark.usefixtures("numbers")
def test_ls_lists_outputs_of_ops_only_on_demand(op_output: str) -> None:
    assert [row["asset"] for row in run_json("ls")] == ["numbers"]
    assert {row["asset"] for row in run_json("ls", "--ops")} == {"numbers", op_output}
    assert [row["asset"] for row in run_json("history", op_output)] == [op_output]
    text = run("ls", "--ops")
    assert op_output in text
    assert op_output not in run("ls")
    assert "list assets" in run("ls", "--ops", "--files", code=2)


@pytest.mark.usefixtures("op_output")
def test_ls_without_assets_mentions_outputs_of_ops() -> None:
    assert "`ls --ops`" in run("ls")


def test_ls_reports_on_standard_error_that_rows_are_left_out(store: Store) -> None:
    for number in range(3):
        store.create_artifact(io.BytesIO(bytes([number])), "bin")
    report = "Only the first 2 rows are shown. Show more: --limit N."
    for arguments in (["ls", "--files"], ["ls", "--files", "--json"]):
        for limit, error in ((2, report), (3, "")):
            result = click.testing.CliRunner().invoke(main, [*arguments, "--limit", str(limit)])
            assert result.stderr.strip() == error
            assert result.stdout.count("bin") == limit


def test_ls_of_an_empty_store_suggests_first_steps(store: Store) -> None:
    assert "drop a file into the landing zone" in run("ls")
    assert run_json("ls") == []
    assert "put FILE" in run("ls", "--files")


def test_ls_without_assets_mentions_files(csv: pathlib.Path) -> None:
    run("put", csv)
    assert "ls --files" in run("ls")


def test_show_prints_everything_known_about_a_file(csv: pathlib.Path) -> None:
    run("put", csv)
    text = run("show", 1)
    for expected in ("text/csv", "stored", "caller", "8 bytes"):
        assert expected in text


@pytest.mark.usefixtures("towns")
def test_ls_takes_a_pattern_and_dates_have_year_and_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [row["asset"] for row in run_json("ls", "*/rep*")] == ["towns/report"]
    assert len(run_json("ls", "towns")) == 2
    assert "No asset has a name like nothing*" in run("ls", "nothing*")
    [row] = run_json("ls", "towns/table")
    assert f"{row['created_at'][:10]} " in run("ls", "towns/table")
    assert " UTC" in run("ls", "towns/table") or os.environ.get("TZ")
