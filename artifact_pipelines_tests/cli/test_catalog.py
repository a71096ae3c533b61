"""The commands that move, back up, restore, rebuild and upgrade the catalog."""

import pathlib

import pytest

from artifact_pipelines import open_store
from artifact_pipelines.catalog.schema import HEAD_REVISION
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.cli.commands import run, run_json


@pytest.fixture(autouse=True)
def csv(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    run("put", path)
    return path


def lose_the_catalog(folder: pathlib.Path) -> None:
    for file in folder.glob("catalog.db*"):
        file.unlink()


def test_lost_catalog_is_restored_from_its_newest_backup(tmp_path: pathlib.Path, csv: pathlib.Path) -> None:
    assert run("catalog", "backup").startswith("2\t")
    made = run_json("catalog", "backup")
    assert made["rows"]["files"] == 2
    csv.write_text("a,b\n1,3\n")
    run("put", csv)
    lose_the_catalog(tmp_path)
    assert run_json("catalog", "restore")["backup_file_id"] == made["file_id"] == 3
    assert [row["version"] for row in run_json("history", "artifact_store/catalog_backup")] == [1]
    assert [row["file_id"] for row in run_json("ls", "--files")] == [4, 3, 2, 1]
    with open_store() as store, store.open(4) as stream:
        assert stream.read() == csv.read_bytes()


def test_restore_reports_what_it_restored(tmp_path: pathlib.Path) -> None:
    run("catalog", "backup")
    run("catalog", "backup")
    lose_the_catalog(tmp_path)
    text = run("catalog", "restore", "--file-id", 2)
    assert "0 materializations and 1 file from" in text
    assert "2 files created" in text
    assert "artifact-pipelines verify" in text
    assert "is not empty" in run("catalog", "restore", code=2)
    assert "is not empty" in run("catalog", "rebuild", code=2)


def test_lost_catalog_without_backup_is_rebuilt_from_files(tmp_path: pathlib.Path) -> None:
    lose_the_catalog(tmp_path)
    assert "catalog rebuild" in run("catalog", "restore", code=3)
    assert run("catalog", "rebuild").startswith("1 file;")
    assert run_json("show", 1)["holders"] == ["rebuilt"]
    assert run_json("release", 1) == {"file_id": 1, "holders": []}
    lose_the_catalog(tmp_path)
    assert run_json("catalog", "rebuild") == {"files": 1, "duplicates": 0, "highest_file_id": 1_000_001}


def test_migrate_copies_rows_and_names_the_next_step(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = f"sqlite:///{tmp_path / 'catalog.db'}", f"sqlite:///{tmp_path / 'moved.db'}"
    text = run("catalog", "migrate", source, target)
    assert "files\t1" in text
    assert "Set ARTIFACT_CATALOG_URL" in text
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", target)
    assert run_json("ls", "--files")[0]["file_id"] == 1
    assert "is not empty" in run("catalog", "migrate", source, target, code=2)
    assert run_json("catalog", "migrate", source, f"sqlite:///{tmp_path / 'third.db'}")["rows"]["files"] == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("sqlite:////gone/catalog.db", "postgresql://me:secret@127.0.0.1:1/db", 3),
        ("postgresql://me:secret@127.0.0.1:1/db", "sqlite:///{folder}/new.db", 6),
        ("sqlite:///{folder}/catalog.db", "postgresql://me:secret@127.0.0.1:1/db", 6),
        ("sqlite:///{folder}/catalog.db", "mysql://me:secret@host/db", 2),
    ],
)
def test_errors_never_show_a_password(source: str, target: str, code: int, tmp_path: pathlib.Path) -> None:
    folder = str(tmp_path)
    text = run("catalog", "migrate", source.replace("{folder}", folder), target.replace("{folder}", folder), code=code)
    assert "secret" not in text


def test_migrate_refuses_the_same_url_twice(settings: Settings) -> None:
    assert "are the same" in run("catalog", "migrate", settings.catalog_url, settings.catalog_url, code=2)


def test_upgrade_reports_revisions_before_and_after(tmp_path: pathlib.Path) -> None:
    lose_the_catalog(tmp_path)
    assert run("db", "upgrade") == f"Schema: none -> {HEAD_REVISION}\n"
    assert run("db", "upgrade") == f"Schema: {HEAD_REVISION} -> {HEAD_REVISION}\n"
