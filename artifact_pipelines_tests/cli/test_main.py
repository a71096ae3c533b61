"""All commands: help, exit codes, messages, JSON."""

import ast
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from artifact_pipelines.catalog.schema import HEAD_REVISION
from artifact_pipelines.cli.main import main
from artifact_pipelines_tests.cli.commands import run, run_json


def test_every_command_prints_json_on_demand(csv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    put = run_json("put", csv)
    assert (put["file_id"], put["new"], put["size_bytes"], put["file_type"]) == (1, True, 8, "csv")
    assert run_json("get", 1, "-o", tmp_path / "out")["output"] == str(tmp_path / "out")
    assert [row["file_id"] for row in run_json("ls", "--files")] == [1]
    assert run_json("show", 1)["holders"] == ["caller"]
    assert run_json("db", "current") == {"current": HEAD_REVISION, "needed": HEAD_REVISION}


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("get", 1), 2, "name a file with -o"),
        (("get", 99, "-o", "x"), 3, "No file has ID 99"),
        (("show", 99), 3, "UnknownFileError"),
        (("show", "--", -1), 2, "positive whole number"),
        (("show", "x"), 3, "Asset x has nothing stored"),
        (("history", "nothing"), 3, "Materialize it first"),
        (("put", "gone.csv"), 2, "'gone.csv' does not exist"),
        (("put", "."), 2, "is a directory"),
        (("put", "/dev/full"), 5, "not a regular file"),
        (("history", "[b]markup[/i]x"), 2, "[b]markup[/i]x"),
        (("get", 1, "-o", "nowhere/x"), 2, "There is no folder 'nowhere'"),
        (("get", 1, "-o", "."), 2, "is a directory"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_errors_state_a_remedy_and_exit_with_the_code_of_their_kind(
    arguments: tuple[object, ...], code: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    arguments = (*arguments, "--json") if arguments == ("get", 1) else arguments
    assert text in run(*arguments, code=code)


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_help_and_version_name_the_program(option: str) -> None:
    assert "artifact" in run(option).lower()


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_every_help_has_examples_that_name_options_of_the_command() -> None:
    for path, command in commands():
        printed = run(*path, "--help")
        assert "Examples:\n    " in printed, path
        names = [f"artifact-pipelines {' '.join(path)}", f"artifact-pipelines {path[-1]} "]  # `datasets diff` is `diff`
        examples = [line for line in printed.splitlines() if any(name in line for name in names)]
        assert examples, path
        words = " ".join(examples).translate(str.maketrans("'\"()", "    ")).split()
        options = {name for one in command.params for name in one.opts}
        if not isinstance(command, click.Group):
            assert {word for word in words if word.startswith("--")} <= options, path


def test_every_command_that_prints_data_prints_json_too() -> None:
    without = {
        " ".join(path)
        for path, command in commands()
        if not isinstance(command, click.Group) and not any("--json" in one.opts for one in command.params)
    }
    assert without <= {"cat", "completion", "serve"}  # bytes, a script, and a server


def test_help_loads_neither_dagster_nor_an_engine_nor_the_catalog() -> None:
    code = (
        "import sys; from artifact_pipelines.cli.main import main; main(['ls', '--help'], standalone_mode=False); "
        "print(sorted({'dagster', 'duckdb', 'polars', 'pyarrow', 'rich.console', 'sqlalchemy'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert ast.literal_eval(printed.splitlines()[-1]) == []
