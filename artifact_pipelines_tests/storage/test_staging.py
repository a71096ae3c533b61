"""Staging files: bytes are hashed and written once, and nothing is left when that fails."""

import contextlib
import errno
import fcntl
import io
import os
import pathlib
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest

from artifact_pipelines.datasets.exceptions import EmptySourceError
from artifact_pipelines.storage import staging
from artifact_pipelines.storage.exceptions import SourceStreamError, StorageFullError, StorageUnavailableError
from artifact_pipelines.storage.hashing import BLOCK_BYTES
from artifact_pipelines.storage.staging import StagedFile, StagingFile, hash_stream, remove_abandoned

DATA = bytes(range(256)) * (BLOCK_BYTES // 64)  # four blocks


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "staging"


class Odd(io.RawIOBase):
    """A stream that reads in odd pieces, and may end with an error."""

    def __init__(self, data: bytes, error: Exception | None = None, most: int = 777_777) -> None:
        self._inner = io.BytesIO(data)
        self._error = error
        self._most = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._inner.readinto(memoryview(buffer)[: self._most])
        if not count and self._error:
            raise self._error
        return count


class OnlyRead:
    def __init__(self, *pieces: Any) -> None:
        self._pieces = list(pieces)

    def read(self, size: int) -> Any:
        return self._pieces.pop(0) if self._pieces else b""


def staged(folder: pathlib.Path, stream: Any) -> bytes:
    with StagingFile(folder) as sink:
        sink.copy_from(stream)
        result = sink.finish()
    try:
        assert result.content == hash_stream(io.BytesIO(result.path.read_bytes()))
        return result.path.read_bytes()
    finally:
        result.discard()


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, len(DATA)])
def test_the_bytes_of_a_stream_are_staged(folder: pathlib.Path, size: int) -> None:
    assert staged(folder, Odd(DATA[:size])) == DATA[:size]
    assert list(folder.iterdir()) == []


def test_a_stream_needs_only_a_read_method(folder: pathlib.Path) -> None:
    assert staged(folder, OnlyRead(b"ab", bytearray(b"cd"), memoryview(b"ef"))) == b"abcdef"


def test_writes_of_any_size_are_staged(folder: pathlib.Path) -> None:
    with StagingFile(folder) as sink:
        assert sink.writable()
        assert sink.write(DATA[:10]) == 10
        assert sink.write(memoryview(DATA)[10:]) == len(DATA) - 10
        assert sink.tell() == len(DATA)
        result = sink.finish()
    assert result.path.read_bytes() == DATA
    result.discard()


@pytest.mark.parametrize("how", ["kernel without the flag", "as it is"])
def test_large_files_bypass_the_page_cache_on_every_kernel(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(staging, "CACHED_BYTES", BLOCK_BYTES)
    if how != "as it is":
        monkeypatch.setattr(os, "pwritev", _raise(errno.EOPNOTSUPP))
    assert staged(folder, io.BytesIO(DATA)) == DATA


def test_an_io_error_of_an_uncached_write_is_raised(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "CACHED_BYTES", 0)
    monkeypatch.setattr(os, "pwritev", _raise(errno.EIO))
    with pytest.raises(StorageUnavailableError, match="Input/output error"):
        staged(folder, io.BytesIO(DATA))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_an_error_and_leaves_nothing(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "pwrite", _raise(code))
    with pytest.raises(StorageFullError, match="Free space"):
        staged(folder, io.BytesIO(DATA))
    assert list(folder.iterdir()) == []


def _raise(code: int) -> Any:
    def fail(*_: Any) -> int:
        raise OSError(code, os.strerror(code))

    return fail


def test_a_short_write_is_continued(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: write(fd, data[:100_000], offset))
    assert staged(folder, io.BytesIO(DATA)) == DATA


@pytest.mark.parametrize("size", [0, 10, BLOCK_BYTES + 10])
def test_a_stream_that_raises_midway_gives_its_offset_and_leaves_nothing(folder: pathlib.Path, size: int) -> None:
    with pytest.raises(SourceStreamError, match="the network is down") as caught:
        staged(folder, Odd(DATA[:size], OSError("the network is down")))
    assert caught.value.offset_bytes == size
    assert list(folder.iterdir()) == []


def test_errors_of_this_package_pass_unchanged(folder: pathlib.Path) -> None:
    with pytest.raises(EmptySourceError):
        staged(folder, Odd(b"", EmptySourceError("x.csv")))


@pytest.mark.parametrize("stream", [io.StringIO("text"), OnlyRead("text"), OnlyRead(None), object()])
def test_a_text_stream_or_no_stream_is_an_error(folder: pathlib.Path, stream: Any) -> None:
    with pytest.raises(SourceStreamError):
        staged(folder, stream)
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_created_is_an_error(folder: pathlib.Path) -> None:
    folder.mkdir()
    (folder / "file").touch()
    with pytest.raises(StorageUnavailableError, match="Check the disk"):
        StagingFile(folder / "file" / "staging")


def _read(staged: StagedFile) -> bytes:
    return os.pread(staged.fd, staged.content.size_bytes + 1, 0)


def test_a_staged_file_can_be_read_after_it_has_moved(folder: pathlib.Path) -> None:
    with StagingFile(folder) as sink:
        sink.write(DATA)
        result = sink.finish()
    result.path.unlink()
    assert _read(result) == DATA
    result.discard()
    result.discard()


def test_a_nameless_file_has_no_name_at_any_moment(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, made = list[list[pathlib.Path]](), list[StagingFile]()

    def killed(*_: object) -> None:
        seen.append(list(folder.iterdir()))
        raise KeyboardInterrupt

    folder.mkdir()
    with contextlib.suppress(KeyboardInterrupt), monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", killed)
        patch.setattr(pathlib.Path, "unlink", killed)
        made.append(StagingFile(folder, nameless=True))
    assert not any(seen)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EISDIR, None])
def test_a_nameless_file_works_on_every_filesystem(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    if code:
        _refuse_to_open(monkeypatch, lambda flags: bool(flags & os.O_TMPFILE == os.O_TMPFILE), code)
    with StagingFile(folder, nameless=True) as sink:
        sink.write(DATA)
        assert list(folder.iterdir()) == []
        result = sink.finish()
    assert _read(result) == DATA
    result.discard()
    with StagingFile(folder, nameless=True) as sink:
        sink.write(DATA)
    assert list(folder.iterdir()) == []


def _refuse_to_open(monkeypatch: pytest.MonkeyPatch, refused: Callable[[int], bool], code: int) -> None:
    open_file = os.open

    def open_some(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if refused(flags):
            raise OSError(code, os.strerror(code))
        return open_file(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", open_some)


@pytest.fixture
def left(folder: pathlib.Path) -> pathlib.Path:
    """A file of a dead writer."""
    folder.mkdir()
    path = folder / "left"
    path.touch()
    return path


def test_a_file_of_another_user_is_not_removed(left: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse_to_open(monkeypatch, lambda flags: True, errno.EACCES)
    assert not remove_abandoned(left)
    assert left.exists()


def test_a_file_in_a_folder_of_another_user_is_not_removed(left: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pathlib.Path, "unlink", _raise(errno.EPERM))
    assert not remove_abandoned(left)


def test_abandoned_files_are_removed_where_only_writable_files_can_be_locked(
    left: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _lock_like_nfs(monkeypatch)
    assert remove_abandoned(left)
    assert not left.exists()


def test_an_abandoned_read_only_file_is_removed_where_it_can_be_locked(
    left: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse_to_open(monkeypatch, lambda flags: bool(flags & os.O_RDWR), errno.EACCES)
    with monkeypatch.context() as nfs:
        _lock_like_nfs(nfs)
        assert not remove_abandoned(left), "it cannot be locked"
    assert remove_abandoned(left)


def _lock_like_nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = fcntl.flock

    def lock_what_is_writable(descriptor: int, operation: int) -> None:
        if not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_RDWR:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock_what_is_writable)


def test_hashing_a_stream_that_raises_leaves_no_thread() -> None:
    import threading

    before = threading.active_count()
    with pytest.raises(SourceStreamError):
        hash_stream(_as_binary(Odd(DATA, OSError("gone"))))
    assert threading.active_count() == before


def _as_binary(stream: Any) -> BinaryIO:
    result: BinaryIO = stream
    return result
