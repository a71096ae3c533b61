"""Every kind of hostile entry lies in the landing zone at once: all good files are ingested, nothing from outside."""

import os
import pathlib
import socket
import zipfile
from collections.abc import Callable, Mapping

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines import open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.project import ALL, Project
from artifact_pipelines_tests.unwritable import unwritable

SECRET = "carrier,number,delay\nsecret,1,1\n"
HEADER = "carrier,number,delay\n"


def _deep(landing: pathlib.Path) -> None:
    handle = os.open(landing, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("x" * 200, dir_fd=handle)
        inner = os.open("x" * 200, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(os.open("deep.csv", os.O_CREAT, dir_fd=handle))
    os.close(handle)


def _socket(landing: pathlib.Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(landing / "socket.csv"))


def _closed(landing: pathlib.Path, rights: int) -> None:
    folder = landing / f"rights {rights:o}"
    folder.mkdir()
    (folder / "inside.csv").write_text(HEADER)
    folder.chmod(rights)


def _unreadable(landing: pathlib.Path) -> None:
    (landing / "unreadable.csv").write_text(HEADER)
    (landing / "unreadable.csv").chmod(0o000)


def _bomb(landing: pathlib.Path) -> None:
    with zipfile.ZipFile(landing / "bomb.csv", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flights.csv", HEADER + "\0" * (300 << 20))


def _write(name: bytes, content: bytes) -> Callable[[pathlib.Path], object]:
    return lambda landing: pathlib.Path(os.fsdecode(os.fsencode(landing) + b"/" + name)).write_bytes(content)


HOSTILE: Mapping[str, Callable[[pathlib.Path], object]] = {
    "link to a file": lambda landing: (landing / "link.csv").symlink_to(landing.parent / "secret.csv"),
    "link to a folder": lambda landing: (landing / "linked").symlink_to(landing.parent),
    "link to nothing": lambda landing: (landing / "dangling.csv").symlink_to("nowhere"),
    "link to itself": lambda landing: (landing / "loop.csv").symlink_to("loop.csv"),
    "link upwards": lambda landing: (landing / "up").symlink_to(".."),
    "pipe": lambda landing: os.mkfifo(landing / "pipe.csv"),
    "socket": _socket,
    "folder": lambda landing: (landing / "folder.csv").mkdir(),
    "path over the limit": _deep,
    "folder without rights": lambda landing: _closed(landing, 0o000),
    "folder to list only": lambda landing: _closed(landing, 0o444),
    "folder to enter only": lambda landing: _closed(landing, 0o111),
    "file without rights": _unreadable,
    "empty": _write(b"empty.csv", b""),
    "other columns": _write(b"columns.csv", b"no,such\n1,2\n"),
    "bytes": _write(b"bytes.csv", bytes(range(256)) * 100),
    "other format": _write(b"parquet.csv", b"PAR1" + b"\xff" * 1000 + b"PAR1"),
    "endless quote": _write(b"quote.csv", b'carrier,number,delay\n"UA,1,1\n' + b"x" * 1_000_000),
    "zip bomb": _bomb,
}
GOOD_NAMES = (
    b"caf\xe9.csv",
    b"new\nline.csv",
    b"'; DROP TABLE files; --.csv",
    b"back\\slash.csv",
    b"\xff\xfe.csv",
    b"%s {name} $(reboot).csv",
    b"x" * 250 + b".csv",
    " \u202evsc.csv".encode(),
)


@pytest.mark.long
def test_good_files_are_ingested_beside_every_hostile_entry_at_once(
    tmp_path: pathlib.Path, settings: Settings, landing: pathlib.Path
) -> None:
    (landing.parent / "secret.csv").write_text(SECRET)
    for number, name in enumerate(GOOD_NAMES):
        _write(name, f"{HEADER}UA,{number},1\n".encode())(landing)
    for make in HOSTILE.values():
        make(landing)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with dg.DagsterInstance.ephemeral() as instance, unwritable(elsewhere):
        project = Project(settings, instance, source="**/*.csv", files="all", file_column="file")
        made, reasons = project.settle()
        project.drop(HEADER + "AA,99,1\n", "last.csv")
        later, reasons = project.settle()
    assert set(made) == set(ALL)
    assert "table" in later
    states = reasons["artifact_landing"]
    assert states.count(": ingested") == len(GOOD_NAMES) + 1
    assert states.count(": quarantined (") == len(HOSTILE) - 1, "all but the folder, which is looked into"
    with open_store() as store:
        table = store.load("flights/table", pl.DataFrame)
        assert sorted(table["number"].to_list()) == [*range(len(GOOD_NAMES)), 99]
    stored = [path.read_bytes() for path in pathlib.Path(settings.storage_url).rglob("*") if path.is_file()]
    assert stored
    assert not any(b"secret,1,1" in content for content in stored)
