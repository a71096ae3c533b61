"""All commands: exit codes, messages, where the catalog is."""

import pathlib

import pytest

from artifact_pipelines import Store
from artifact_pipelines.catalog.schema import HEAD_REVISION
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.unwritable import unwritable


def test_every_command_prints_json_on_demand(csv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    put = run_json("put", csv)
    assert (put["file_id"], put["new"], put["size_bytes"], put["file_type"]) == (1, True, 8, "csv")
    assert run_json("get", 1, "-o", tmp_path / "out")["output"] == str(tmp_path / "out")
    assert [row["file_id"] for row in run_json("ls", "--files")] == [1]
    assert run_json("show", 1)["holders"] == ["caller"]
    assert run_json("db", "current") == {"current": HEAD_REVISION, "needed": HEAD_REVISION}


@pytest.mark.parametrize(
    "arguments",
    [
        "ls",
        "ls --files",
        "show 1",
        "get 1 -o out",
        "history a",
        "lineage a",
        "pin a",
        "unpin a",
        "tag a gold",
        "untag a gold",
        "publish a --version 1",
        "rollback a --to 1",
        "restore a",
        "release 1",
        "release --rebuilt",
        "gc",
        "verify",
        "catalog backup",
        "db current",
    ],
)
def test_missing_catalog_is_an_error_and_is_not_created(
    arguments: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'a' / 'typo.db'}"
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", url)
    text = run(*arguments.split(), code=3)
    for expected in ("NoCatalogError", url, "ARTIFACT_CATALOG_URL", "make demo"):
        assert expected in text
    assert [path.name for path in tmp_path.iterdir()] == ["landing"]


@pytest.mark.usefixtures("numbers")
def test_read_only_store_can_be_listed_read_and_verified(store: Store, tmp_path: pathlib.Path) -> None:
    store.close()
    with unwritable(tmp_path):
        assert "numbers" in run("ls")
        assert len(run_json("history", "numbers")) == 4
        assert run("get", 1, "-o", "/dev/null")
        assert "does not note" in run("verify")
        assert "ReadOnlyCatalogError" in run("tag", "numbers", "gold", code=6)


@pytest.mark.parametrize("command", ["put {csv}", "db upgrade", "catalog rebuild"])
def test_first_commands_create_the_catalog(command: str, csv: pathlib.Path) -> None:
    run(*command.format(csv=csv).split())
    assert run("db", "current").startswith(HEAD_REVISION)


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


def test_unsupported_catalog_url_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", "mysql://me:secret@host/db")
    text = run("ls", code=2)
    assert "ARTIFACT_CATALOG_URL" in text
    assert "secret" not in text


@pytest.mark.usefixtures("impatient")
def test_unreachable_catalog_exits_with_6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", "postgresql://127.0.0.1:1/db")
    assert "CatalogUnavailableError" in run("ls", code=6)


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_help_and_version_name_the_program(option: str) -> None:
    assert "artifact" in run(option).lower()
