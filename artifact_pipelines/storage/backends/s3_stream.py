"""Streams of an S3 store: ranges of a staged file to upload, and ranges of an object to read.

Both hold no more than one piece in memory.
"""

import io
import os
from typing import TYPE_CHECKING

from artifact_pipelines.storage.backends.s3_client import NoSuchThingError, OutOfRangeError, S3Client
from artifact_pipelines.storage.exceptions import StorageUnavailableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FIRST_READ_BYTES = 256 << 10
READ_BYTES = 8 << 20


class _Seekable(io.RawIOBase):
    """A readable stream of known length."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._offset, io.SEEK_END: self.length}[whence]
        if start + offset < 0:
            raise ValueError(f"negative seek position {start + offset}")
        self._offset = start + offset
        return self._offset

    def readall(self) -> bytes:
        return self.read(max(0, self.length - self._offset)) or b""


class FileRange(_Seekable):
    """Reads a range of a file, whatever others do with its descriptor, which stays open."""

    def __init__(self, descriptor: int, start: int, length: int) -> None:
        super().__init__(length)
        self._descriptor = descriptor
        self._start = start

    def reopen(self) -> "FileRange":
        """Return a new stream of the same range."""
        return FileRange(self._descriptor, self._start, self.length)

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read as `io.FileIO` does."""
        with memoryview(buffer).cast("B") as space:
            wanted = min(space.nbytes, self.length - self._offset)
            count = os.preadv(self._descriptor, [space[:wanted]], self._start + self._offset) if wanted > 0 else 0
        if count == 0 < wanted:
            raise StorageUnavailableError("the folder for temporary files", "a staged file was cut off")
        self._offset += count
        return count


class ObjectStream(_Seekable):
    """Reads an object in ranges: a small one after a jump, larger ones as the reader goes on.

    If another object has replaced it, the stream ends where that one ends; verifying the bytes shows it.
    """

    def __init__(self, client: S3Client, key: str, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self._client = client
        self._key = key
        self._piece = b""
        self._piece_start = 0
        self._next_bytes = FIRST_READ_BYTES

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill the whole buffer, unless the object ends."""
        with memoryview(buffer).cast("B") as space:
            filled = 0
            while filled < space.nbytes and self._offset < self.length:
                piece = self._ahead(space.nbytes - filled)
                space[filled : filled + len(piece)] = piece
                filled += len(piece)
                self._offset += len(piece)
            return filled

    def _ahead(self, most: int) -> memoryview:
        """Return at most so many bytes from the offset on, fetched unless they are in memory; none at the end."""
        end = self._piece_start + len(self._piece)
        if not self._piece_start <= self._offset < end:
            self._next_bytes = min(2 * self._next_bytes, READ_BYTES) if self._offset == end else FIRST_READ_BYTES
            stop = min(self.length, self._offset + max(self._next_bytes, min(most, READ_BYTES)))
            self._piece = b""  # or two pieces would be in memory during the fetch
            self._piece = self._fetch(self._offset, stop)
            self._piece_start = self._offset
        start = self._offset - self._piece_start
        return memoryview(self._piece)[start : start + most]

    def _fetch(self, start: int, stop: int) -> bytes:
        try:
            piece, self.length = self._client.run(self._client.receive(self._key, start, stop))
        except OutOfRangeError:
            piece, self.length = b"", start
        except NoSuchThingError as error:
            raise StorageUnavailableError(str(error), "it was deleted while it was read", "Run again.") from error
        return piece
