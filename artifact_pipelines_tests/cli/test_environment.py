"""The catalog that the environment names: missing, new, read-only, unreachable."""

import pathlib

import pytest

from artifact_pipelines import Store
from artifact_pipelines.catalog.schema import HEAD_REVISION
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.unwritable import unwritable


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


@pytest.mark.parametrize("command", ["put {csv}", "db upgrade", "catalog rebuild"])
def test_first_commands_create_the_catalog(command: str, csv: pathlib.Path) -> None:
    run(*command.format(csv=csv).split())
    assert run("db", "current").startswith(HEAD_REVISION)


@pytest.mark.usefixtures("numbers")
def test_read_only_store_can_be_listed_read_and_verified(store: Store, tmp_path: pathlib.Path) -> None:
    store.close()
    with unwritable(tmp_path):
        assert "numbers" in run("ls")
        assert len(run_json("history", "numbers")) == 4
        assert run("get", 1, "-o", "/dev/null")
        assert "does not note" in run("verify")
        assert "ReadOnlyCatalogError" in run("tag", "numbers", "gold", code=6)


def test_unsupported_catalog_url_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", "mysql://me:secret@host/db")
    text = run("ls", code=2)
    assert "ARTIFACT_CATALOG_URL" in text
    assert "secret" not in text


@pytest.mark.usefixtures("impatient")
def test_unreachable_catalog_exits_with_6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", "postgresql://127.0.0.1:1/db")
    assert "CatalogUnavailableError" in run("ls", code=6)
