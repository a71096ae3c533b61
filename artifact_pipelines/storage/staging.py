"""Bytes on their way into a store: a staging file on its filesystem, hashed while it is written.

Nothing is held in memory but a ring of blocks, and a large file is not left in the page cache either: a writer that
fills it is throttled, and everyone else's pages are pushed out.
"""

import errno
import fcntl
import io
import os
import pathlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Self

from artifact_pipelines.core.exceptions import ArtifactError
from artifact_pipelines.core.types import Content
from artifact_pipelines.storage.block_ring import BLOCK_BYTES, BlockRing
from artifact_pipelines.storage.exceptions import SourceStreamError, StorageFullError, StorageUnavailableError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Files up to this size stay cached: they are mostly read right back.
CACHED_BYTES = 64 << 20
# The page cache takes its pages in the sizes it is written in, and large ones are dear where memory is scattered.
_PIECE_BYTES = 256 << 10
_RWF_DONTCACHE = 0x80  # Linux 6.14, include/uapi/linux/fs.h; os does not name it yet
_FULL = (errno.ENOSPC, errno.EDQUOT)


class StagingFile(io.RawIOBase):
    """A write-only binary sink. `finish()` gives the staged file; closing it without throws everything away.

    Args:
        folder: Where it lies; made when it is missing.
        nameless: Give it no name there, so that nothing of it outlives its process.

    Raises:
        StorageFullError: No space is left.
        StorageUnavailableError: The filesystem refused for another reason.
    """

    def __init__(self, folder: pathlib.Path, nameless: bool = False) -> None:
        self._path = folder
        self._fd = -1
        self._offset = 0
        self._dontcache = hasattr(os, "pwritev")
        self._ring = BlockRing()
        make = _nameless_file if nameless else _claimed_file
        with storage_errors(folder):
            try:
                self._path, self._fd = make(folder)
            except FileNotFoundError:
                folder.mkdir(parents=True, exist_ok=True)
                self._path, self._fd = make(folder)

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._offset + self._ring.pending

    def write(self, data: "ReadableBuffer", /) -> int:
        """Take in all of `data`."""
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
        """Take in what a stream yields, to its end.

        Raises:
            SourceStreamError: The stream raised. Errors of this package pass as they are.
        """
        while count := read_into(stream, self._ring.space(), self.tell()):
            if (block := self._ring.advance(count)) is not None:
                self._write_out(block)

    def finish(self) -> "StagedFile":
        """End the file. It is complete, but not yet durable."""
        rest, content = self._ring.finish()
        self._write_out(rest)
        staged = StagedFile(self._path, self._fd, content)
        self._fd = -1
        self.close()
        return staged

    def close(self) -> None:
        """Throw the file away, unless it was finished."""
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
            except OSError as error:  # an older kernel, or a filesystem that cannot
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
                self._dontcache = False
        count = os.pwrite(self._fd, data, self._offset)
        self._uncache(self._offset, count)
        return count

    def _uncache(self, offset: int, count: int) -> None:
        if not hasattr(os, "posix_fadvise"):
            return
        # On dirty pages this starts writing them back, on those 32 blocks behind, clean by then, it drops them.
        lag = 32 * BLOCK_BYTES
        os.posix_fadvise(self._fd, offset, count, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(self._fd, max(0, offset - lag), count, os.POSIX_FADV_DONTNEED)


class StagedFile:
    """A complete staging file and its content. While it is open, its bytes outlive a rename and a deletion.

    Attributes:
        path: Where it lies until a backend moves it.
        fd: Its open descriptor.
        content: Hash and size of its bytes.
    """

    def __init__(self, path: pathlib.Path, fd: int, content: Content) -> None:
        self.path = path
        self.fd = fd
        self.content = content

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        """Close it, and remove it if it still lies in the staging folder."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            self.path.unlink(missing_ok=True)


def remove_abandoned(path: pathlib.Path, dry_run: bool = False) -> bool:
    """Remove a staging file whose process is gone, and tell whether it is. No clock is asked, for clocks disagree.

    Of a file that another user made, or that cannot be locked, nothing is known: it stays.

    Args:
        path: The staging file.
        dry_run: Only tell.

    Raises:
        FileNotFoundError: The file is gone as well.
    """
    try:
        descriptor = _open_to_lock(path)
    except PermissionError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not dry_run:
            path.unlink()  # still locked: a writer that has made it and waits for the lock must find that it is gone
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
        return False
    finally:
        os.close(descriptor)
    return True


def _open_to_lock(path: pathlib.Path) -> int:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, os.O_RDWR | flags)  # NFS locks only what is open for writing
    except PermissionError:  # its writer came as far as to make it read-only
        return os.open(path, os.O_RDONLY | flags)


def _nameless_file(folder: pathlib.Path) -> tuple[pathlib.Path, int]:
    """Make a file without a name, so that a process which is killed leaves nothing. Its path leads nowhere."""
    if hasattr(os, "O_TMPFILE"):
        try:
            descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            return folder / secrets.token_hex(16), descriptor
        except OSError as error:  # a filesystem that cannot, and one that does not know the flag
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR):
                raise
    path, descriptor = _claimed_file(folder)
    path.unlink()
    return path, descriptor


def _claimed_file(folder: pathlib.Path) -> tuple[pathlib.Path, int]:
    """Make a file that is locked for as long as its descriptor is open: whoever cleans up sees that someone writes."""
    while True:
        path = folder / secrets.token_hex(16)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # taken for a dead writer's between the two calls; there is another name


def hash_stream(stream: BinaryIO) -> Content:
    """Return the content that a stream yields, to its end, with reading and hashing side by side.

    Raises:
        SourceStreamError: The stream raised. Errors of this package pass as they are.
    """
    ring = BlockRing()
    read_bytes = 0
    try:
        while count := read_into(stream, ring.space(), read_bytes):
            ring.advance(count)
            read_bytes += count
        return ring.finish()[1]
    finally:
        ring.stop()


def read_into(stream: BinaryIO, space: memoryview, offset_bytes: int) -> int:
    """Read once from any binary stream into `space`; 0 is the end."""
    try:
        if hasattr(stream, "readinto"):
            count = stream.readinto(space)
            if count is not None:
                return int(count)
            data = None
        else:
            data = stream.read(space.nbytes)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"it gave {type(data).__name__}, not bytes: open it in binary, blocking mode")
        space[: len(data)] = data
        return len(data)
    except ArtifactError:
        raise
    except Exception as error:
        raise SourceStreamError(str(error) or type(error).__name__, offset_bytes) from error


@contextmanager
def storage_errors(where: pathlib.Path) -> Iterator[None]:
    """Translate what the filesystem of a store says."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError(str(where)) from error
        raise StorageUnavailableError(str(where), error.strerror or str(error)) from error
