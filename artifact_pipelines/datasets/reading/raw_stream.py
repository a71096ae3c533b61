"""The plain bytes of a dropped file: uncompressed as its first bytes say, and text as UTF-8."""

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import pathlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.reading.zstd_frames import frames_are_whole

_COMPRESSIONS: dict[bytes, tuple[str, Callable[[pathlib.Path], Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\0": ("xz", lzma.open),
    b"\x28\xb5\x2f\xfd": ("zstd", lambda path: _open_zstd(path)),
}
_ZIP = b"PK\x03\x04"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class IBytes(Protocol):
    """A stream that is read from its start to its end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""


def _open_zstd(path: pathlib.Path) -> Any:
    # Arrow takes a file that is cut off for a whole one.
    with path.open("rb") as stream:
        is_whole = frames_are_whole(stream)
    if not is_whole:
        raise EOFError
    return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")


def compression_of(path: pathlib.Path) -> str | None:
    """Return the compression that a file's first bytes say."""
    head = _head(path)
    return next((name for magic, (name, _) in _COMPRESSIONS.items() if head.startswith(magic)), None)


def _head(path: pathlib.Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(8)


@contextlib.contextmanager
def open_plain(path: pathlib.Path, label: str) -> Iterator[IBytes]:
    """Open the uncompressed bytes of a file.

    Raises:
        UnparsableSourceError: It is a zip archive; or while reading: the compressed bytes are damaged or cut off.
    """
    if _head(path).startswith(_ZIP):
        reason = "it is a zip archive or an Excel file, which cannot be read yet; drop the files in it, or export CSV"
        raise UnparsableSourceError(label, "text", reason)
    name = compression_of(path)
    opened = next((how for each, how in _COMPRESSIONS.values() if each == name), lambda path: path.open("rb"))
    with _damage_explained(label, name):
        stream = opened(path)
    with stream:
        yield _Uncompressed(stream, label, name) if name else stream


@contextlib.contextmanager
def _damage_explained(label: str, compression: str | None) -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError, zlib.error, lzma.LZMAError, pa.ArrowInvalid) as error:
        if compression is None or getattr(error, "errno", None) is not None:  # of the disk, not of the data
            raise
        reason = "the compressed data are damaged or end too early"
        raise UnparsableSourceError(label, compression, reason) from error


class _Uncompressed:
    def __init__(self, stream: BinaryIO, label: str, compression: str) -> None:
        self._stream, self._label, self._compression = stream, label, compression

    def read(self, size: int, /) -> bytes:
        with _damage_explained(self._label, self._compression):
            return self._stream.read(size)


def mark_of(head: bytes) -> str | None:
    """Return the encoding that a byte order mark at the start of a text declares."""
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)


class Utf8Stream:
    """Text in any encoding as UTF-8, without a byte order mark.

    Args:
        encoding: Of the bytes, if they have no mark of their own.
    """

    def __init__(self, stream: IBytes, encoding: str, label: str) -> None:
        self._stream, self._label = stream, label
        head = _read_fully(stream, 4)
        self.encoding = mark_of(head) or codecs.lookup(encoding).name
        self._is_utf8 = self.encoding == "utf-8"
        self._decoder = codecs.getincrementaldecoder(self.encoding)()
        self._head = head.removeprefix(codecs.BOM_UTF8) if self._is_utf8 else head
        self._lines = 1

    def read(self, size: int, /) -> bytes:
        """Return the next bytes of UTF-8.

        Raises:
            UnparsableSourceError: The text is not of its encoding. Text that claims to be UTF-8 is not checked here.
        """
        raw = self._head + self._stream.read(size)
        self._head = b""
        if self._is_utf8:
            return raw
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            line = self._lines + error.object[: error.start].count(b"\n")
            reason = f"line {line} is not {self.encoding}; set format.encoding to the encoding of the file"
            raise UnparsableSourceError(self._label, "text", reason) from error
        self._lines += text.count("\n")
        return text.encode() or (self.read(size) if raw else b"")


def _read_fully(stream: IBytes, size: int) -> bytes:
    found = io.BytesIO()
    while found.tell() < size and (piece := stream.read(size - found.tell())):
        found.write(piece)
    return found.getvalue()
