"""Bytes on their way into a store: a staging file on its filesystem, hashed while it is written.

Only a ring of blocks is in memory. A large file does not stay in the page cache either: a writer that fills the cache
is throttled, and evicts the pages of all others.
"""

import dataclasses
import errno
import fcntl
import io
import os
import pathlib
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Self

from artifact_pipelines.core.exceptions import ArtifactError
from artifact_pipelines.core.types import Content
from artifact_pipelines.storage.exceptions import SourceStreamError, StorageFullError, StorageUnavailableError
from artifact_pipelines.storage.hashing import BlockRing

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Files up to this size stay cached: they are mostly read again soon.
CACHED_BYTES = 64 << 20
# Each write allocates cache pages of its own size, and large ones are expensive in fragmented memory.
_PIECE_BYTES = 256 << 10
_UNCACHE_LAG_BYTES = 64 << 20
_RWF_DONTCACHE = 0x80  # Linux 6.14, include/uapi/linux/fs.h; os does not name it yet
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MORE_FILES = "Let this process open more files (`ulimit -n 1024`), and run again."


class StagingFile(io.RawIOBase):
    """A write-only binary sink. `finish()` returns the staged file; closing the sink before that discards it.

    Args:
        folder: Where it lies; created if it is missing.
        nameless: Give it no name there, so that nothing of it outlives its process.
    """

    def __init__(self, folder: pathlib.Path, nameless: bool = False) -> None:
        self._path = folder
        self._fd = -1
        self._offset = 0
        self._dontcache = True
        self._ring = BlockRing()
        make = _nameless_file if nameless else _claimed_file
        with storage_errors(folder):
            try:
                self._path, self._fd = make(folder)
            except FileNotFoundError:
                folder.mkdir(parents=True, exist_ok=True)
                self._path, self._fd = make(folder)

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self._ring.size_bytes

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all of `data`."""
        with memoryview(data).cast("B") as view:
            taken = 0
            while taken < view.nbytes:
                space = self._ring.space()
                count = min(space.nbytes, view.nbytes - taken)
                space[:count] = view[taken : taken + count]
                taken += count
                if (block := self._ring.advance(count)) is not None:
                    self._write_out(block)
            return view.nbytes

    def copy_from(self, stream: BinaryIO) -> None:
        """Write the bytes of a stream, to its end; see `hash_stream` for its errors."""
        while count := _read_into(stream, self._ring.space(), self.tell()):
            if (block := self._ring.advance(count)) is not None:
                self._write_out(block)

    def finish(self) -> "StagedFile":
        """Complete the file and return it. It is not durable yet."""
        rest, content = self._ring.finish()
        self._write_out(rest)
        staged = StagedFile(self._path, self._fd, content)
        self._fd = -1
        self.close()
        return staged

    def close(self) -> None:
        """Discard the file, unless it was finished."""
        if not self.closed:
            self._ring.stop()
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
                self._path.unlink(missing_ok=True)
        super().close()

    def _write_out(self, data: memoryview) -> None:
        with storage_errors(self._path.parent):
            while data.nbytes:
                count = self._write_at(data[:_PIECE_BYTES])
                self._offset += count
                data = data[count:]

    def _write_at(self, data: memoryview) -> int:
        if self._offset < CACHED_BYTES:
            return os.pwrite(self._fd, data, self._offset)
        if self._dontcache:
            try:
                return os.pwritev(self._fd, [data], self._offset, _RWF_DONTCACHE)
            except OSError as error:  # an older kernel, or a filesystem without it
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
                self._dontcache = False
        count = os.pwrite(self._fd, data, self._offset)
        # The first call starts writing these dirty pages back; the second drops older ones, which are clean by now.
        for offset in (self._offset, max(0, self._offset - _UNCACHE_LAG_BYTES)):
            os.posix_fadvise(self._fd, offset, count, os.POSIX_FADV_DONTNEED)
        return count


@dataclasses.dataclass
class StagedFile:
    """A complete staging file: its path until a backend moves it, its open descriptor, and hash and size of its bytes.

    While it is open, its bytes outlive a rename and a deletion.
    """

    path: pathlib.Path
    fd: int
    content: Content

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        """Close it, and delete it if it is still in the staging folder."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            self.path.unlink(missing_ok=True)


def remove_abandoned(path: pathlib.Path, dry_run: bool = False) -> bool:
    """Remove a staging file if its process is dead, and return whether it is.

    A living process holds a lock on it; clocks play no role, because they disagree. A file of another user, or on a
    filesystem without locks, stays. `dry_run` removes nothing.

    Raises:
        FileNotFoundError: The file is gone as well.
    """
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            descriptor = os.open(path, os.O_RDWR | flags)  # NFS locks only files that are open for writing
        except PermissionError:  # its writer has made it read-only already
            descriptor = os.open(path, os.O_RDONLY | flags)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not dry_run:
                path.unlink()  # still locked: a writer that made it and waits for the lock must find it gone
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES, errno.EPERM, errno.EBADF):
            raise
        return False
    return True


def _nameless_file(folder: pathlib.Path) -> tuple[pathlib.Path, int]:
    """Create a file without a name, so that a killed process leaves nothing. The returned path does not exist."""
    with tempfile.TemporaryFile(buffering=0, dir=folder) as file:
        return folder / secrets.token_hex(16), os.dup(file.fileno())


def _claimed_file(folder: pathlib.Path) -> tuple[pathlib.Path, int]:
    """Create a file that is locked while its descriptor is open, so that a clean-up leaves it alone."""
    while True:
        path = folder / secrets.token_hex(16)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # a clean-up removed it between the two calls: try another name


def hash_stream(stream: BinaryIO) -> Content:
    """Return the content of a stream, read to its end while another thread hashes.

    Raises:
        SourceStreamError: The stream raised. Errors of this package pass unchanged.
    """
    ring = BlockRing()
    try:
        while count := _read_into(stream, ring.space(), ring.size_bytes):
            ring.advance(count)
        return ring.finish()[1]
    finally:
        ring.stop()


def _read_into(stream: BinaryIO, space: memoryview, offset_bytes: int) -> int:
    """Read once from any binary stream into `space`, and return the number of bytes; 0 at the end."""
    try:
        if hasattr(stream, "readinto"):
            return int(stream.readinto(space))
        data = stream.read(space.nbytes)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"it gave {type(data).__name__}, not bytes: open it in binary mode")
        space[: len(data)] = data
        return len(data)
    except ArtifactError:
        raise
    except Exception as error:
        raise SourceStreamError(str(error) or type(error).__name__, offset_bytes) from error


@contextmanager
def storage_errors(where: pathlib.Path) -> Iterator[None]:
    """Translate errors of the filesystem of a store."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError(str(where)) from error
        remedy = {"remedy": _MORE_FILES} if error.errno == errno.EMFILE else {}
        raise StorageUnavailableError(str(where), error.strerror or str(error), **remedy) from error
