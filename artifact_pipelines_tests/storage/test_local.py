"""Stores on local disk: the contract of all backends, and the particulars of folders and syncs."""

import errno
import fcntl
import os
import pathlib
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileId, Leftover, StoragePath
from artifact_pipelines.storage.backends import local
from artifact_pipelines.storage.backends.local import LocalStorage
from artifact_pipelines.storage.exceptions import StorageUnavailableError
from artifact_pipelines_tests.contracts.storage_backend import (
    PATH,
    BackendPlace,
    StorageBackendContract,
    get,
    put,
    stage,
)
from artifact_pipelines_tests.storage.back_door import FolderBackDoor


class TestLocalStorage(StorageBackendContract):
    @pytest.fixture
    def place(self, tmp_path: pathlib.Path) -> BackendPlace:
        return BackendPlace(LocalStorage(tmp_path / "store"), FolderBackDoor(tmp_path / "store"))


@pytest.fixture
def backend(settings: Settings) -> LocalStorage:
    return LocalStorage(pathlib.Path(settings.storage_url))


def test_staging_files_of_a_dead_writer_are_leftovers(backend: LocalStorage, tmp_path: pathlib.Path) -> None:
    put(backend, b"data")
    folder = tmp_path / "store" / ".staging"
    dead, other = folder / ("ab" * 16), folder / "notes.txt"
    dead.write_bytes(b"12345")
    other.touch()
    (folder / ("cd" * 16)).symlink_to(other)
    found = [Leftover(f".staging/{dead.name}", 5)]
    assert backend.clear_leftovers(lambda file_id: True, dry_run=True) == found
    assert dead.exists()
    assert backend.clear_leftovers(lambda file_id: True) == found
    assert not dead.exists()
    assert other.exists()
    assert get(backend) == b"data"


def test_a_killed_writer_leaves_a_leftover(backend: LocalStorage, tmp_path: pathlib.Path) -> None:
    code = (
        "import os, pathlib, sys; from artifact_pipelines.storage.backends.local import LocalStorage\n"
        "sink = LocalStorage(pathlib.Path(sys.argv[1])).stage(); sink.write(b'x' * 3_000_000)\n"
        "print('staged', flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "store")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -9
    assert [x.size_bytes > 0 for x in backend.clear_leftovers(lambda file_id: False)] == [True]
    assert list((tmp_path / "store" / ".staging").iterdir()) == []


def test_a_leftover_is_locked_until_it_is_removed(
    backend: LocalStorage, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a writer could create the file, get its lock in between, and lose it all the same."""
    (tmp_path / "store" / ".staging").mkdir(parents=True)
    (tmp_path / "store" / ".staging" / ("ab" * 16)).touch()
    unlink = pathlib.Path.unlink

    def unlink_locked(self: pathlib.Path, missing_ok: bool = False) -> None:
        with self.open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unlink(self, missing_ok)

    monkeypatch.setattr(pathlib.Path, "unlink", unlink_locked)
    assert len(backend.clear_leftovers(lambda file_id: False)) == 1


def test_a_writer_whose_new_file_was_removed_makes_another(
    backend: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, cleared = fcntl.flock, list[bool]()

    def lock_late(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and not cleared:  # a clean-up runs between creating and locking the file
            cleared.append(True)
            assert len(backend.clear_leftovers(lambda file_id: False)) == 1
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    put(backend, b"data")
    assert cleared
    assert get(backend) == b"data"


def test_only_well_formed_keys_are_listed(backend: LocalStorage, settings: object) -> None:
    put(backend, b"data")
    root = pathlib.Path(urlsplit(backend.uri(PATH)).path).parents[1]
    (root / "README").write_text("not ours")
    (root / "ab" / "notes.txt").write_text("not ours")
    (root / "ab" / "ab").mkdir()
    (root / "zz").mkdir()
    assert list(backend.list_files()) == [PATH]


def test_a_stored_file_is_read_only(backend: LocalStorage) -> None:
    put(backend, b"data")
    path = pathlib.Path(urlsplit(backend.uri(PATH)).path)
    assert oct(path.stat().st_mode & 0o777) == "0o444"


def test_a_folder_at_a_path_is_no_file(backend: LocalStorage, tmp_path: pathlib.Path) -> None:
    (tmp_path / "store" / str(PATH)).mkdir(parents=True)
    assert not backend.exists(PATH)
    with pytest.raises(StorageUnavailableError):
        backend.read_stream(PATH)


@pytest.mark.parametrize("size", [-1, 10, 1_000_000])
def test_a_disk_error_while_reading_is_an_error_of_the_store(
    backend: LocalStorage, tmp_path: pathlib.Path, size: int
) -> None:
    path = tmp_path / "store" / str(PATH)
    path.parent.mkdir(parents=True)
    path.symlink_to("/proc/self/mem")  # which cannot be read at its start
    with backend.read_stream(PATH) as stream, pytest.raises(StorageUnavailableError, match="Input/output error"):
        stream.read(size)


def test_a_put_syncs_the_file_and_its_folders(
    backend: LocalStorage, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = _recorded(monkeypatch, tmp_path)
    put(backend, b"data")
    assert events == [
        "sync the staged file",
        "sync .",
        "sync store",
        "move",
        "sync store/ab",
    ]


def test_a_batch_syncs_before_and_after_its_moves(
    backend: LocalStorage, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = _recorded(monkeypatch, tmp_path)
    monkeypatch.setattr(local, "sync_filesystem", lambda _: events.append("sync all"))
    contents = [(stage(backend, b"data"), PATH), (stage(backend, b"other"), StoragePath("cd" * 32, FileId(2)))]
    backend.write_streams(contents)
    for content, _ in contents:
        content.discard()
    assert events == ["sync all", "move", "move", "sync all"]


def test_a_filesystem_that_cannot_sync_folders_works(backend: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", _failing_on_folders(22))
    put(backend, b"data")
    assert get(backend) == b"data"


def test_a_sync_that_fails_is_an_error(backend: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", _failing_on_folders(5))
    with pytest.raises(StorageUnavailableError):
        put(backend, b"data")


def test_a_failed_sync_of_the_filesystem_is_an_error(backend: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def fail(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(local, "sync_filesystem", fail)
    content = stage(backend, b"data")
    with pytest.raises(StorageUnavailableError):
        backend.write_streams([(content, PATH)])
    assert calls == [content.fd]
    assert not backend.exists(PATH)
    content.discard()


def test_syncing_the_filesystem_of_a_bad_descriptor_is_an_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        local.sync_filesystem(-1)


def test_the_repr_shows_the_folder(backend: LocalStorage) -> None:
    assert "store" in repr(backend)


def _recorded(monkeypatch: pytest.MonkeyPatch, root: pathlib.Path) -> list[str]:
    events: list[str] = []
    sync, replace = os.fsync, pathlib.Path.replace

    def named(descriptor: int) -> str:
        path = pathlib.Path(f"/proc/self/fd/{descriptor}").resolve()
        return "the staged file" if path.parent.name == ".staging" else str(path.relative_to(root.resolve()))

    def record_sync(descriptor: int) -> None:
        events.append(f"sync {named(descriptor)}")
        sync(descriptor)

    def record_move(self: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
        events.append("move")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(pathlib.Path, "replace", record_move)
    return events


def _failing_on_folders(code: int) -> object:
    sync = os.fsync

    def fail(descriptor: int) -> None:
        if pathlib.Path(f"/proc/self/fd/{descriptor}").resolve().is_dir():
            raise OSError(code, os.strerror(code))
        sync(descriptor)

    return fail
