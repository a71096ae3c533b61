"""A source file, which others may change, move or delete while it is read.

A read to the end proves that it did not change: the last read looks again, and raises if the file is not the one that
was opened.
"""

import io
import os
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from artifact_pipelines.storage.exceptions import SourceChangedError, SourceUnreadableError, SourceVanishedError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


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
        with _translated(path):
            if not path.is_file():
                # A pipe or device would block or never end; a missing file raises here.
                raise SourceUnreadableError(str(path), f"it is not a regular file ({oct(path.stat().st_mode)})")
            super().__init__(path, "rb")
            self._opened = _signature(os.fstat(self.fileno()))

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read as `io.FileIO` does; at the end, check that the file is still the one that was opened."""
        with _translated(self._path):
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
        with _translated(self._path):
            return super().seek(offset, whence)

    def _check_unchanged(self) -> None:
        if _signature(self._path.stat()) != self._opened:
            raise SourceChangedError(str(self._path))


def _signature(stat: os.stat_result) -> tuple[int, int, int, int]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


@contextmanager
def _translated(path: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise SourceVanishedError(str(path)) from error
    except OSError as error:
        raise SourceUnreadableError(str(path), error.strerror or str(error)) from error
    except ValueError as error:  # its name has a NUL, or half a character
        raise SourceUnreadableError(repr(str(path))[1:-1], f"no file can have this name ({error.args[-1]})") from error
