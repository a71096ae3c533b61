"""Local copies disappear with their process, however it ends."""

import errno
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest

from artifact_pipelines.core.scratch import scratch_folder
from artifact_pipelines.storage import local_paths
from artifact_pipelines.storage.exceptions import DamagedBytesError, StorageUnavailableError

_CHILD = """
import io, sys
from types import SimpleNamespace
from artifact_pipelines.storage.local_paths import brief_copy, lasting_path

artifact = SimpleNamespace(
    uri=lambda: "s3://bucket/key", open=lambda: io.BytesIO(b"12345"), info=SimpleNamespace(storage_path="ab/cd/1")
)
lasting = lasting_path(artifact)
with brief_copy(artifact) as brief:
    print(lasting, brief, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder for temporary files, in which this process has made no copy yet."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def reader(folder: pathlib.Path) -> tuple["subprocess.Popen[str]", list[pathlib.Path]]:
    """Start a process that makes copies; return it with the paths of its copies."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", _CHILD], env={**os.environ, "TMPDIR": str(folder)}, **pipes)  # type: ignore[call-overload]
    assert process.stdout
    return process, [pathlib.Path(name) for name in process.stdout.readline().split()]


def test_the_next_process_removes_copies_of_a_killed_one(folder: pathlib.Path) -> None:
    (dead, left), (alive, used) = reader(folder), reader(folder)
    with dead, alive:
        dead.kill()
        dead.wait()
        assert [copy.read_bytes() for copy in left + used] == [b"12345"] * 4
        mine = scratch_folder()
        assert set(folder.iterdir()) == {mine, used[0].parents[1]}
        assert [copy.read_bytes() for copy in used] == [b"12345"] * 2
        alive.communicate()
    assert list(folder.iterdir()) == [mine]


def remote(name: str, open_stream: Callable[[], BinaryIO]) -> Any:
    """Return an artifact whose file lies in a bucket."""
    info = SimpleNamespace(storage_path=name, file_id=7)
    return SimpleNamespace(uri=lambda: f"s3://bucket/{name}", open=open_stream, info=info)


def test_a_slow_copy_does_not_delay_copies_of_other_files(folder: pathlib.Path) -> None:
    goes_on, opened = threading.Event(), list[str]()

    def slowly() -> BinaryIO:
        opened.append("slow")
        assert goes_on.wait(60)
        return io.BytesIO(b"slow")

    slow, fast = remote("ab/cd/1", slowly), remote("ab/cd/2", lambda: io.BytesIO(b"fast"))
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(local_paths.lasting_path, slow) for _ in range(2)]
        try:
            assert pool.submit(local_paths.lasting_path, fast).result(30).read_bytes() == b"fast"
            assert not any(future.done() for future in waiting)
        finally:
            goes_on.set()
        [path, same] = [future.result(30) for future in waiting]
    assert (path.read_bytes(), path, opened) == (b"slow", same, ["slow"])


class Breaking(io.RawIOBase):
    """A stream that gives some bytes and then an error."""

    def __init__(self, error: Exception) -> None:
        self._answers = iter([b"some bytes"])
        self._error = error

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        for answer in self._answers:
            return answer
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        StorageUnavailableError("s3://bucket/ab/cd/1", "connection lost"),
        DamagedBytesError(1, "s3://bucket/ab/cd/1", "a", "b"),
    ],
)
def test_a_copy_whose_source_fails_leaves_nothing_and_names_the_source(folder: pathlib.Path, error: Exception) -> None:
    artifact = remote("ab/cd/1", lambda: Breaking(error))  # type: ignore[arg-type, return-value]
    with pytest.raises(type(error), match="s3://bucket/ab/cd/1"):
        local_paths.lasting_path(artifact)
    assert not [path for path in folder.rglob("*") if path.is_file()]
    whole = remote("ab/cd/1", lambda: io.BytesIO(b"whole"))
    assert local_paths.lasting_path(whole).read_bytes() == b"whole"


def test_a_copy_on_a_full_disk_leaves_nothing_and_names_the_folder(
    folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, piece: Any, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_full(path: pathlib.Path, mode: str) -> Full:
        path.touch()
        return Full()

    monkeypatch.setattr(pathlib.Path, "open", open_full)
    with pytest.raises(StorageUnavailableError, match=f"{folder}.* No space left on device.*TMPDIR"):
        local_paths.lasting_path(remote("ab/cd/1", lambda: io.BytesIO(b"12345")))
    assert not [path for path in folder.rglob("*") if path.is_file()]
