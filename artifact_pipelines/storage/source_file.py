"""A source file, which others may change, move or delete while it is read.

A read to the end proves that it did not change: the last read looks again, and raises if the file is not the one that
was opened.
"""

import io
import os
import pathlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from artifact_pipelines.storage.exceptions import SourceChangedError, SourceUnreadableError, SourceVanishedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


class SourceFile(io.FileIO):
    """A readable, seekable binary stream of a file. Every error it raises is a `SourceError`.

    Args:
        path: The file to read.

    Raises:
        SourceVanishedError: There is no such file, or it was gone at the end.
        SourceUnreadableError: It is not a regular file or not readable.
        SourceChangedError: Its size, time or identity had changed at the end.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        with translated(path):
            self._check_regular(self._status())  # opening a device may do something
            super().__init__(str(path), "rb", opener=self._open_regular)
            self._opened = signature(os.fstat(self.fileno()))

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read as `io.FileIO` does; at the end, check that the file is still the one that was opened."""
        with translated(self._path):
            count = super().readinto(buffer) or 0
            if count == 0 and memoryview(buffer).nbytes:
                self._check_unchanged()
        return count

    def read(self, size: int | None = -1, /) -> bytes:
        """Read through `readinto`, which checks the last read."""
        return io.RawIOBase.read(self, -1 if size is None else size) or b""

    def readall(self) -> bytes:
        """Read through `readinto`, which checks the last read."""
        return b"".join(iter(lambda: self.read(1 << 20), b""))

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Seek as `io.FileIO` does."""
        with translated(self._path):
            return super().seek(offset, whence)

    def _open(self, flags: int) -> int:
        return os.open(self._path, flags)

    def _status(self) -> os.stat_result:
        return self._path.stat()

    def _open_regular(self, _: object, flags: int) -> int:
        descriptor = self._open(flags | os.O_NONBLOCK)  # a pipe that has taken its place would block
        try:
            self._check_regular(os.fstat(descriptor))
        except SourceUnreadableError:
            os.close(descriptor)
            raise
        return descriptor

    def _check_regular(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise SourceUnreadableError(str(self._path), f"it is {kind_of(status)}, not a regular file")

    def _check_unchanged(self) -> None:
        if signature(self._status()) != self._opened:
            raise SourceChangedError(str(self._path))


def kind_of(status: os.stat_result) -> str:
    """Return what an entry of a folder is, with its article, such as `a named pipe`."""
    return _KINDS.get(stat.S_IFMT(status.st_mode), "a file")


def signature(stat: os.stat_result) -> tuple[int, int, int, int]:
    """Return facts about a file that change when it is written or replaced, but not when it is renamed."""
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


@contextmanager
def translated(path: pathlib.Path) -> Iterator[None]:
    """Turn errors of the system about a source file into a `SourceError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceVanishedError(str(path)) from error
    except OSError as error:
        raise SourceUnreadableError(str(path), error.strerror or str(error)) from error
    except ValueError as error:  # its name has a NUL, or half a character
        raise SourceUnreadableError(repr(str(path))[1:-1], f"no file can have this name ({error.args[-1]})") from error
