"""Reading with proof: a read of a file from start to end gives its bytes or an error, never wrong bytes.

One idea: the read that would deliver the last byte checks the hash first. Before that, no reader can believe that it
has the whole file.
"""

import copy
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from artifact_pipelines.core.types import FileInfo
from artifact_pipelines.storage.exceptions import DamagedBytesError, StorageUnavailableError
from artifact_pipelines.storage.hashing import ContentHasher

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_BYTES = 1 << 20  # smaller pieces cost BLAKE3 its speed


def verified_stream(
    stream: io.BufferedReader,
    file: FileInfo,
    location: Callable[[FileInfo], str],
    on_damage: Callable[[FileInfo], object],
) -> io.BufferedReader:
    """Return a stream of the same bytes that raises if a read from start to end would give wrong ones.

    Seeking elsewhere ends the check; seeking back to the start begins it again.

    Args:
        stream: The stored bytes, seekable; closed together with the returned stream.
        file: Their row in the catalog.
        location: Returns their URI, for the error.
        on_damage: Called once if they are damaged, before the error is raised.
    """
    buffer_bytes = max(1, min(file.size_bytes, _BUFFER_BYTES))
    return io.BufferedReader(_VerifiedFile(stream, file, location, on_damage), buffer_bytes)


class _VerifiedFile(io.RawIOBase):
    """The stream below the buffer. `_hasher` is None while the bytes read are not all bytes from the start on."""

    def __init__(
        self,
        stream: io.BufferedReader,
        file: FileInfo,
        location: Callable[[FileInfo], str],
        on_damage: Callable[[FileInfo], object],
    ) -> None:
        self._stream = stream
        self._file = file
        self._location = location
        self._on_damage = on_damage
        self._hasher: ContentHasher | None = ContentHasher()
        self._position = 0
        self._damage: DamagedBytesError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        with memoryview(buffer).cast("B") as view, self._reading():
            count = self._stream.readinto(view)
            if view.nbytes:
                with view[:count] as data:  # released even if somebody keeps the error, so its buffer is freed
                    self._take(data, is_end=not count)
            return count

    def readall(self) -> bytes:
        with self._reading():
            data = self._stream.read()
            self._take(data, is_end=True)
            return data

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with self._reading():
            position = self._stream.seek(offset, whence)
        if position == 0:
            self._hasher = ContentHasher()
        elif position != self._position:
            self._hasher = None
        self._position = position
        return position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._stream.close()
        super().close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        if self._damage is not None:  # a reader that swallowed the error does not get the rest
            raise copy.copy(self._damage)
        try:
            yield
        except OSError as error:
            raise StorageUnavailableError(self._location(self._file), error.strerror or str(error)) from error

    def _take(self, data: bytes | memoryview, is_end: bool) -> None:
        self._position += len(data)
        if self._hasher is None:
            return
        self._hasher.update(data)
        if is_end or self._position >= self._file.size_bytes:
            self._check_whole(self._hasher.hexdigest())
            self._hasher = None

    def _check_whole(self, content_hash: str) -> None:
        expected = self._file.size_bytes
        if self._position < expected:
            raise self._damaged(f"{expected:,} bytes", f"{self._position:,} bytes")
        if self._position > expected or self._stream.read(1):
            raise self._damaged(f"{expected:,} bytes", "more bytes")
        if content_hash != self._file.content_hash:
            raise self._damaged(f"{self._file.hash_algorithm} {self._file.content_hash}", content_hash)

    def _damaged(self, expected: str, found: str) -> DamagedBytesError:
        self._damage = DamagedBytesError(self._file.file_id, self._location(self._file), expected, found)
        self._on_damage(self._file)
        return copy.copy(self._damage)  # the original would keep every frame alive that it passes
