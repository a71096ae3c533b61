"""Mistakes of users: each is a typed error with a remedy, and changes neither catalog nor store."""

import errno
import io
import os
import pathlib
import sqlite3
from collections.abc import Callable
from typing import Any, BinaryIO

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManager, Store
from artifact_pipelines.catalog.exceptions import NeverMaterializedError, UnknownVersionError
from artifact_pipelines.core.exceptions import ArtifactError, InvalidArgumentError, InvalidFileIdError, UnknownFileError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.datasets.exceptions import EmptySourceError, LandingZoneMissingError
from artifact_pipelines.datasets.landing.folder import LandingFolder
from artifact_pipelines.datasets.landing.watch import LandingWatch
from artifact_pipelines.datasets.landing.zone import open_landed
from artifact_pipelines.storage.exceptions import (
    SourceStreamError,
    SourceUnreadableError,
    SourceVanishedError,
    StorageFullError,
)
from artifact_pipelines.storage.factory import open_producer
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError


class Torn(io.RawIOBase):
    """A stream that raises midway."""

    _reads = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._reads += 1
        if self._reads > 2:
            raise ConnectionResetError("the line went dead")
        return len(buffer)


def _materialize(store: Store, value: object) -> None:
    @dg.asset
    def numbers() -> Any:
        return value

    producer = open_producer(store.catalog.files, Settings.from_environment().storage_url)
    dg.materialize([numbers], resources={"io_manager": ArtifactIOManager(store.catalog, producer)})


def _watch(store: Store, landing: pathlib.Path) -> Any:
    zone = LandingFolder(landing)
    watch = LandingWatch(store.catalog, zone, "numbers", "numbers*.csv", "numbers/raw", settle_s=0)
    return watch.tick(lambda run_key: None)


def _put_vanishing(store: Store, path: pathlib.Path) -> None:
    path.write_bytes(b"1" * 5_000_000)

    def vanish(stream: BinaryIO) -> BinaryIO:
        path.unlink()
        return stream

    store.put(path, vanish)


def _put_on_a_full_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", fail)
        store.create_artifact(io.BytesIO(b"new"), "txt")


def _store_an_unknown_type(store: Store) -> None:
    with pytest.raises(dg.Failure) as failed:
        _materialize(store, object())
    assert failed.value.allow_retries is False
    assert failed.value.__cause__ is not None
    raise failed.value.__cause__


BAD: dict[str, tuple[Callable[[Store, pathlib.Path, pytest.MonkeyPatch], object], type[ArtifactError], str]] = {
    "a missing landing folder": (lambda s, p, m: _watch(s, p / "gone"), LandingZoneMissingError, "Create it"),
    # A regular file that opens, but cannot be read even by root.
    "an unreadable file": (lambda s, p, m: s.put(pathlib.Path("/proc/self/mem")), SourceUnreadableError, "permission"),
    "a folder for a file": (lambda s, p, m: s.put(p), SourceUnreadableError, "drop the file again"),
    "a file that does not exist": (lambda s, p, m: s.put(p / "gone.csv"), SourceVanishedError, "Check the path"),
    "a file that vanishes while read": (
        lambda s, p, m: _put_vanishing(s, p / "x"),
        SourceVanishedError,
        "Check the path",
    ),
    "an empty file": (
        lambda s, p, m: open_landed(LandingFolder(p), "empty.csv"),
        EmptySourceError,
        "Drop a file with data",
    ),
    "a stream that raises midway": (lambda s, p, m: s.create_artifact(Torn(), "bin"), SourceStreamError, "Fix the"),  # type: ignore[arg-type]
    "a path for a stream": (lambda s, p, m: s.create_artifact("x.csv", "csv"), InvalidArgumentError, "binary stream"),  # type: ignore[arg-type]
    "a full disk": (lambda s, p, m: _put_on_a_full_disk(s, m), StorageFullError, "Free space"),
    "a negative file ID": (lambda s, p, m: s.open(-1), InvalidFileIdError, "positive whole number"),
    "an unknown file ID": (lambda s, p, m: s.open(99), UnknownFileError, "artifact-pipelines ls"),
    "a release of an unknown file ID": (lambda s, p, m: s.release(99), UnknownFileError, "artifact-pipelines ls"),
    "an unknown version": (lambda s, p, m: s.load("numbers", version=7), UnknownVersionError, "the newest is 1"),
    "a negative version": (lambda s, p, m: s.load("numbers", version=-1), InvalidArgumentError, "from 1 up"),
    "an unknown asset": (lambda s, p, m: s.load("letters"), NeverMaterializedError, "Materialize it first"),
    "a value of unknown type": (lambda s, p, m: _store_an_unknown_type(s), UnsupportedTypeError, "Register a handler"),
    "a type without a reader": (
        lambda s, p, m: s.load("numbers", as_type=Torn),
        UnsupportedTypeError,
        "Supported",
    ),
}


def _everything(tmp_path: pathlib.Path) -> tuple[list[str], list[tuple[str, int]]]:
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        # The counter of file IDs may grow: they are never reused.
        rows = [line for line in connection.iterdump() if 'INTO "sqlite_sequence"' not in line]
    connection.close()
    return rows, [(str(path), path.stat().st_size) for path in sorted((tmp_path / "store").rglob("*"))]


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_a_typed_error_with_its_remedy_and_changes_nothing(
    what: str, store: Store, tmp_path: pathlib.Path, landing: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _materialize(store, {"n": 1})
    (landing / "empty.csv").touch()
    before = _everything(tmp_path)
    do, error, remedy = BAD[what]
    with pytest.raises(ArtifactError, match=remedy) as caught:
        do(store, landing, monkeypatch)
    assert type(caught.value) is error
    assert _everything(tmp_path) == before
    assert store.load("numbers") == {"n": 1}


def test_dropped_empty_file_is_only_recorded_as_failed(
    store: Store, landing: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (landing / "numbers.csv").touch()
    before = _everything(tmp_path)
    [file] = _watch(store, landing)
    assert "holds no data" in file.reason
    added = set(_everything(tmp_path)[0]) - set(before[0])
    assert all('INTO "landing_files"' in line for line in added)
    assert _everything(tmp_path)[1] == before[1]
