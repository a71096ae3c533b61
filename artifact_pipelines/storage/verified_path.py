"""Readers that take a path, not a stream, get no wrong bytes either: the file is hashed beside them.

One idea: what a reader made of a file is handed over when the file has been hashed, on a thread side by side with the
reader, and whatever a reader says of damaged bytes, the damage is what is reported.
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
    """A stored file that is being read by its path.

    Attributes:
        path: Where it lies.
        check: Waits until the file has been hashed, and raises when it is damaged.
    """

    path: pathlib.Path
    check: Callable[[], None]

    def batches(self, reader: "pa.RecordBatchReader") -> "pa.RecordBatchReader":
        """Return the same batches, at whose end the file has been checked."""
        import pyarrow as pa

        def checked() -> Iterator[Any]:
            with _confirmed_by(self.check):
                yield from reader

        return pa.RecordBatchReader.from_batches(reader.schema, checked())


@contextmanager
def verified_path(artifact: Artifact) -> Iterator[VerifiedPath]:
    """Lend the path of a file, or of a copy, for reading all of it.

    The block's end waits for the hash, and raises on damage.

    Raises:
        IntegrityError: The file is missing or damaged; also in place of any error that the reader raised over it.
    """
    path = stored_path(artifact)
    if path is None:
        with brief_copy(artifact) as copied:  # to copy is to read, which verifies
            yield VerifiedPath(copied, lambda: None)
        return
    if not artifact.verify_reads:
        yield VerifiedPath(path, lambda: None)
        return
    stop = threading.Event()
    # Opened before the reader opens its own: were the file healed in between, this is the one to find fault with.
    with artifact.open() as stream, ThreadPoolExecutor(1, "content-verifier") as pool:
        whole = pool.submit(_read_to_end, stream, stop)

        def check() -> None:
            # A copy: an error that is kept where it was raised keeps alive all that was on its way.
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
    """Look over a file when the block raises over it: if it is damaged, that is the error."""
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
    except BaseException as error:  # polars panics over damaged bytes with one that is no Exception
        try:
            check()
        except IntegrityError as damage:
            raise damage from error
        raise
