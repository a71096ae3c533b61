"""The commands release and restore."""

import pathlib

import click.testing
import pytest

from artifact_pipelines.cli.main import main
from artifact_pipelines_tests.cli.commands import run, run_json


def test_release_drops_what_recovery_of_a_catalog_holds(tmp_path: pathlib.Path, csv: pathlib.Path) -> None:
    run("put", csv)
    csv.write_text("a,b\n2,2\n")
    run("put", csv)
    for file in tmp_path.glob("catalog.db*"):
        file.unlink()
    run("catalog", "rebuild")
    run("put", csv)
    asked = click.testing.CliRunner().invoke(main, ["release", "--rebuilt"], input="n\n")
    assert asked.exit_code == 1
    assert "Release 1 file, 8 bytes?" in asked.output
    assert [run_json("show", file_id)["holders"] for file_id in (1, 2)] == [["rebuilt"], ["caller", "rebuilt"]]
    assert run_json("release", "--rebuilt", "--yes") == {"files": 1, "size_bytes": 8}
    assert [run_json("show", file_id)["holders"] for file_id in (1, 2)] == [[], ["caller", "rebuilt"]]
    assert "still held by: rebuilt" in run("release", 2)
    assert "Nothing else holds it" in run("release", 2)
    assert "no reference of holder 'caller'" in run("release", 2, code=2)
    assert run("release", "--rebuilt").startswith("0 files released")
    assert run_json("gc", "--grace", "0s", "--force", "--max-share", "100%")["files"] == 2


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(("arguments", "code"), [((), 2), ((1, "--rebuilt"), 2), ((99,), 3), ((0,), 2)])
def test_release_without_a_target_is_an_error(arguments: tuple[object, ...], code: int) -> None:
    run("release", *arguments, code=code)


@pytest.mark.usefixtures("numbers")
def test_restore_brings_a_released_version_back() -> None:
    run("gc")
    assert run("restore", "numbers", "--version", 1).startswith("numbers version 1 is restored.\n")
    assert [row["version"] for row in run_json("history", "numbers")] == [4, 3, 1]
    assert run_json("restore", "numbers", "--version", 2) == [{"asset": "numbers", "partition": None, "version": 2}]
    assert run_json("pin", "numbers", "--version", 2)["version"] == 2


@pytest.mark.usefixtures("towns")
def test_release_of_an_asset_names_who_holds_its_file() -> None:
    assert "NotHeldError" in run("release", "towns/table", code=2)
