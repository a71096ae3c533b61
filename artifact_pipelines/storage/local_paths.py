"""Paths of stored files, for readers that take a path instead of a stream.

A thread hashes the file while the reader reads it, and the result is returned only once the hash is right. A file that
lies elsewhere is copied to local disk, into the process's scratch folder, for a block or until the process ends.
"""

import copy
import dataclasses
import pathlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urlsplit

from artifact_pipelines.core.exceptions import IntegrityError
from artifact_pipelines.core.scratch import scratch_folder
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.exceptions import StorageUnavailableError

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE_BYTES = 1 << 20
_copy_locks: dict[str, threading.Lock] = {}


def stored_path(artifact: Artifact) -> pathlib.Path | None:
    """Return the path of the stored file itself; None if the store is not on local disk."""
    parts = urlsplit(artifact.uri())
    return pathlib.Path(unquote(parts.path)) if parts.scheme == "file" else None


@dataclasses.dataclass(frozen=True)
class VerifiedPath:
    """The path of a stored file; `check` waits until its bytes are hashed, and raises if they are damaged."""

    path: pathlib.Path
    check: Callable[[], None]

    def batches(self, reader: "pa.RecordBatchReader") -> "pa.RecordBatchReader":
        """Return the same batches, and check the file at their end."""
        import pyarrow as pa

        def checked() -> Iterator[Any]:
            with _blaming(self.check):
                yield from reader
            self.check()

        return pa.RecordBatchReader.from_batches(reader.schema, checked())


@contextmanager
def verified_path(artifact: Artifact) -> Iterator[VerifiedPath]:
    """Yield the path of a file, or of a copy, for a block that reads all of it.

    The end of the block waits for the hash, and raises on damage.

    Raises:
        IntegrityError: The file is missing or damaged. It replaces any error that the reader raised over it.
    """
    path = stored_path(artifact)
    if path is None:
        with brief_copy(artifact) as copied:  # copying reads all of it, which verifies
            yield VerifiedPath(copied, lambda: None)
        return
    if not artifact.verify_reads:
        yield VerifiedPath(path, lambda: None)
        return
    stop = threading.Event()
    # Opened before the reader opens its own: if the file is healed in between, this stream still shows the damage.
    with artifact.open() as stream, ThreadPoolExecutor(1, "content-verifier") as pool:
        whole = pool.submit(_read_to_end, stream, stop)

        def check() -> None:
            # A copy: the original keeps every frame alive that it passed.
            if (error := whole.exception()) is not None:
                raise copy.copy(error)

        try:
            with _blaming(check):
                yield VerifiedPath(path, check)
            check()
        finally:
            stop.set()


def _read_to_end(stream: BinaryIO, stop: threading.Event) -> None:
    piece = bytearray(_PIECE_BYTES)
    while not stop.is_set() and stream.readinto(piece):  # type: ignore[attr-defined]  # it is a BufferedReader
        pass


def damage_blamed(artifact: Artifact) -> AbstractContextManager[None]:
    """Verify a file if the block raises: if the file is damaged, raise that instead."""
    return _blaming(artifact.verify)


@contextmanager
def _blaming(check: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of polars is no Exception
        try:
            check()
        except IntegrityError as damage:
            raise damage from error
        raise


@contextmanager
def brief_copy(artifact: Artifact) -> Iterator[pathlib.Path]:
    """Yield the path of a copy that is deleted when the block ends."""
    with tempfile.TemporaryDirectory(dir=scratch_folder()) as folder:
        yield _copy(artifact, pathlib.Path(folder))


def lasting_path(artifact: Artifact) -> pathlib.Path:
    """Return the path of a read-only file: the stored file on local disk, or a copy that lasts until the process ends.

    Each file is copied once. Another thread that needs it meanwhile waits, but not for copies of other files.
    """
    path = stored_path(artifact)
    if path is not None:
        return path
    # Named by content and ID, so that files of two stores are never confused.
    folder = scratch_folder() / str(artifact.info.storage_path).replace("/", "-")
    with _copy_locks.setdefault(folder.name, threading.Lock()):  # atomic: two threads at once get the same lock
        path = folder / "file"
        return path if path.exists() else _copy(artifact, folder)


def named_path(artifact: Artifact, name: str) -> pathlib.Path:
    """Return `lasting_path` under the name of a file: a link in the scratch folder, which goes with the process."""
    path = lasting_path(artifact)
    folder = scratch_folder() / f"{str(artifact.info.storage_path).replace('/', '-')}-named"
    link = folder / name
    with _scratch_errors(folder):
        folder.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            link.symlink_to(path)
    return link


def _copy(artifact: Artifact, folder: pathlib.Path) -> pathlib.Path:
    """Copy under another name first, so that the final name always holds a complete copy."""
    partial = folder / "partial"
    try:
        with _scratch_errors(folder), artifact.open() as source:
            folder.mkdir(exist_ok=True)
            with partial.open("wb") as sink:
                shutil.copyfileobj(source, sink, _PIECE_BYTES)
            partial.chmod(0o444)
            return partial.replace(folder / "file")
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _scratch_errors(folder: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # not of the store: its streams raise errors of their own
        remedy = "Free space there, or set another folder for temporary files (TMPDIR), and run again."
        raise StorageUnavailableError(str(folder), error.strerror or str(error), remedy) from error
