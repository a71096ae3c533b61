"""Reads an object of an S3 store as a seekable stream, in ranges, one piece in memory."""

import io
from typing import TYPE_CHECKING

from artifact_pipelines.core.exceptions import StorageUnavailableError
from artifact_pipelines.storage.backends.s3_client import NoSuchThingError, S3Client

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FIRST_READ_BYTES = 256 << 10
READ_BYTES = 8 << 20


class ObjectStream(io.RawIOBase):
    """Reads an object in ranges: small ones after a jump, larger ones as it is read on."""

    def __init__(self, client: S3Client, key: str, size_bytes: int) -> None:
        self._client = client
        self._key = key
        self._size_bytes = size_bytes
        self._offset = 0
        self._piece = b""
        self._piece_start = 0
        self._next_bytes = FIRST_READ_BYTES

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self._offset

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to an offset; what is fetched is fetched when it is read."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._offset, io.SEEK_END: self._size_bytes}[whence]
        if start + offset < 0:
            raise ValueError(f"negative seek position {start + offset}")
        self._offset = start + offset
        return self._offset

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill the whole buffer, unless the object ends."""
        with memoryview(buffer).cast("B") as space:
            filled = 0
            while filled < space.nbytes and self._offset < self._size_bytes:
                piece = self._ahead(space.nbytes - filled)
                space[filled : filled + len(piece)] = piece
                filled += len(piece)
                self._offset += len(piece)
            return filled

    def readall(self) -> bytes:
        """Return all that is left, in memory."""
        return self.read(max(0, self._size_bytes - self._offset)) or b""

    def _ahead(self, most: int) -> memoryview:
        """Return at most so many bytes from the offset on, at least one, fetched if they are not at hand."""
        end = self._piece_start + len(self._piece)
        if not self._piece_start <= self._offset < end:
            self._next_bytes = min(2 * self._next_bytes, READ_BYTES) if self._offset == end else FIRST_READ_BYTES
            stop = min(self._size_bytes, self._offset + max(self._next_bytes, min(most, READ_BYTES)))
            self._piece = b""  # or two would be held while the next one comes
            self._piece = self._fetch(self._offset, stop)
            self._piece_start = self._offset
        start = self._offset - self._piece_start
        return memoryview(self._piece)[start : start + most]

    def _fetch(self, start: int, stop: int) -> bytes:
        try:
            return self._client.run(self._client.receive(self._key, start, stop))
        except NoSuchThingError as error:
            raise StorageUnavailableError(str(error), "it was deleted while it was read", "Run again.") from error
