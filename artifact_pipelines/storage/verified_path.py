"""Proof for readers that take a path instead of a stream.

A thread hashes the file while the reader reads it, and the result is returned only once the hash is right. Damage is
reported as damage, whatever error the reader raises over it.
"""

import copy
import dataclasses
import pathlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from artifact_pipelines.core.exceptions import IntegrityError
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.local_copies import brief_copy, stored_path

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class VerifiedPath:
    """A stored file that is read by its path.

    Attributes:
        path: Its path.
        check: Waits until the file is hashed, and raises if it is damaged.
    """

    path: pathlib.Path
    check: Callable[[], None]

    def batches(self, reader: "pa.RecordBatchReader") -> "pa.RecordBatchReader":
        """Return the same batches, and check the file at their end."""
        import pyarrow as pa

        def checked() -> Iterator[Any]:
            with _confirmed_by(self.check):
                yield from reader

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
            with _confirmed_by(check):
                yield VerifiedPath(path, check)
        finally:
            stop.set()


def _read_to_end(stream: BinaryIO, stop: threading.Event) -> None:
    piece = bytearray(_PIECE_BYTES)
    while not stop.is_set() and stream.readinto(piece):  # type: ignore[attr-defined]  # it is a BufferedReader
        pass


@contextmanager
def damage_blamed(artifact: Artifact) -> Iterator[None]:
    """Verify a file if the block raises: if the file is damaged, raise that instead."""
    with _blaming(artifact.verify):
        yield


@contextmanager
def _confirmed_by(check: Callable[[], None]) -> Iterator[None]:
    with _blaming(check):
        yield
    check()


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
