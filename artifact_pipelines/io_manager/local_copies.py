"""Copies on local disk of stored files that lie elsewhere, for engines that read a path.

They lie in the system's folder for temporary files (`TMPDIR`), for a block, or until the process ends.
"""

import atexit
import functools
import pathlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from artifact_pipelines.io_manager.interfaces import Artifact
from artifact_pipelines.storage.staging import storage_errors

_PIECE_BYTES = 1 << 20
_lock = threading.Lock()


def stored_path(artifact: Artifact) -> pathlib.Path | None:
    """Return the path of the stored file itself, or None where the store is not on local disk."""
    parts = urlsplit(artifact.uri())
    return pathlib.Path(unquote(parts.path)) if parts.scheme == "file" else None


@contextmanager
def brief_copy(artifact: Artifact) -> Iterator[pathlib.Path]:
    """Lend the path of a copy that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="artifact-copy-") as folder:
        yield _copy(artifact, pathlib.Path(folder))


def lasting_path(artifact: Artifact) -> pathlib.Path:
    """Return the path of a read-only file: the stored file on local disk, or a copy that lasts as long as the process.

    A file that is asked for again is not copied again.
    """
    path = stored_path(artifact)
    if path is not None:
        return path
    # Content and ID make the name, so that files of two stores are never mistaken for each other.
    folder = _folder() / str(artifact.info.storage_path).replace("/", "-")
    with _lock:
        copy = folder / "file"
        if not copy.exists():
            folder.mkdir(exist_ok=True)
            _copy(artifact, folder)
        return copy


def _copy(artifact: Artifact, folder: pathlib.Path) -> pathlib.Path:
    """Copy under another name first: what bears the name of the copy is complete."""
    partial = folder / "partial"
    with storage_errors(folder), artifact.open() as source, partial.open("wb") as sink:
        shutil.copyfileobj(source, sink, _PIECE_BYTES)
    partial.chmod(0o444)
    return partial.replace(folder / "file")


@functools.cache
def _folder() -> pathlib.Path:
    folder = tempfile.mkdtemp(prefix="artifact-copies-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return pathlib.Path(folder)
