"""The plain bytes of a dropped file: uncompressed as its first bytes say, and text as UTF-8."""

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import pathlib
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import UnparsableSourceError, WrongEncodingError
from artifact_pipelines.datasets.reading.archives import ZIP, is_archive, open_member
from artifact_pipelines.datasets.reading.limits import limits_of
from artifact_pipelines.datasets.reading.zstd_frames import frames_are_whole

_COMPRESSIONS: dict[bytes, tuple[str, Callable[[pathlib.Path], Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", lambda path: _Streams(path, bz2.BZ2Decompressor)),
    b"\xfd7zXZ\0": ("xz", lambda path: _Streams(path, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES))),
    b"\x28\xb5\x2f\xfd": ("zstd", lambda path: _open_zstd(path)),
}
COMPRESSED_MAGIC = (*_COMPRESSIONS, ZIP)
"""Beginnings of all compressed files."""
FREE_BYTES = 1 << 30
"""Below it, no ratio is too large."""
_XZ_MEMORY_BYTES = 1 << 29
_CONTROLS = re.compile("[\x80-\x9f]")  # letters and signs in windows-1252, which is often taken for latin-1
_PIECE_BYTES = 1 << 20
_SEEN_BYTES = 1 << 10
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


class _Streams:
    """Compressed streams, one after another; nothing else may follow them, which Python's own readers skip."""

    def __init__(
        self, path: pathlib.Path, new_decoder: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]
    ) -> None:
        self._stream = path.open("rb")
        self._new_decoder = new_decoder
        self._decoder = new_decoder()

    def __enter__(self) -> "_Streams":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        while True:
            data = b""
            if self._decoder.eof:
                data = (self._decoder.unused_data or self._stream.read(_PIECE_BYTES)).lstrip(b"\0")  # padding
                if not data:
                    return b""
                self._decoder = self._new_decoder()
            elif self._decoder.needs_input and not (data := self._stream.read(_PIECE_BYTES)):
                raise EOFError
            if found := self._decoder.decompress(data, size):
                return found


def compression_of(path: pathlib.Path) -> str | None:
    """Return the compression that a file's first bytes say; a spreadsheet has none."""
    with path.open("rb") as stream:
        head = stream.read(8)
    if head.startswith(ZIP):
        return "zip" if is_archive(path) else None
    return compression_of_bytes(head)


def compression_of_bytes(head: bytes) -> str | None:
    """Return the compression that the first bytes of a file say; None also for zip."""
    return next((name for magic, (name, _) in _COMPRESSIONS.items() if head.startswith(magic)), None)


_watchers: dict[pathlib.Path, Callable[[int, int | None], object]] = {}


@contextlib.contextmanager
def watched_reads(path: pathlib.Path, watch: Callable[[int, int | None], object] | None) -> Iterator[None]:
    """Tell a function how many plain bytes of a file its readers have read, and of how many if that is known."""
    if watch is not None:
        _watchers[path] = watch
    try:
        yield
    finally:
        _watchers.pop(path, None)


class _Watched:
    """Bytes that tell how many of them are read."""

    def __init__(self, stream: IBytes, watch: Callable[[int, int | None], object], total: int | None) -> None:
        self._stream, self._watch, self._total = stream, watch, total
        self._count = 0

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._count += len(data)
        self._watch(self._count, self._total)
        return data


@contextlib.contextmanager
def open_plain(path: pathlib.Path, label: str, member: str | None = None) -> Iterator[IBytes]:
    """Open the uncompressed bytes of a file.

    Args:
        member: Name of a file in an archive; None: it holds one.

    Raises:
        UnparsableSourceError: It is an archive of several files; or while reading: the compressed bytes are damaged,
            cut off, or become too many.
    """
    name = compression_of(path)
    opened = next((how for each, how in _COMPRESSIONS.values() if each == name), lambda path: path.open("rb"))
    with contextlib.ExitStack() as stack:
        with _damage_explained(label, name):
            plain = stack.enter_context(open_member(path, label, member) if name == "zip" else opened(path))
        found = _Uncompressed(plain, label, name, path) if name else plain
        watch = _watchers.get(path)
        yield _Watched(found, watch, None if name else path.stat().st_size) if watch else found


@contextlib.contextmanager
def plain_file(path: pathlib.Path, label: str) -> Iterator[pathlib.Path]:
    """Return the path of the uncompressed file: the same, or for the time of the block another one.

    Raises:
        UnparsableSourceError: As `open_plain`.
    """
    if compression_of(path) is None:
        yield path
        return
    with tempfile.NamedTemporaryFile() as copy:
        with open_plain(path, label) as stream:
            while piece := stream.read(_PIECE_BYTES):
                copy.write(piece)
        copy.flush()
        yield pathlib.Path(copy.name)


@contextlib.contextmanager
def _damage_explained(label: str, compression: str | None) -> Iterator[None]:
    try:
        yield
    except (
        EOFError,
        OSError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        NotImplementedError,
        pa.ArrowInvalid,
    ) as error:
        if compression is None or getattr(error, "errno", None) is not None:  # of the disk, not of the data
            raise
        reason = "the compressed data are damaged or end too early"
        raise UnparsableSourceError(label, compression, reason) from error


class _Uncompressed:
    """Uncompressed bytes, within the bounds."""

    def __init__(self, stream: Any, label: str, compression: str, path: pathlib.Path) -> None:
        self._stream, self._label, self._compression = stream, label, compression
        limits = limits_of(path)
        self._most = min(limits.plain_bytes, max(FREE_BYTES, limits.plain_ratio * path.stat().st_size))
        self._count = 0

    def read(self, size: int, /) -> bytes:
        with _damage_explained(self._label, self._compression):
            data: bytes = self._stream.read(size)
        self._count += len(data)
        if self._count > self._most:
            reason = f"it becomes larger than {self._most >> 20:,} MiB, the limit for a file so compressed (`limits`)"
            raise UnparsableSourceError(self._label, self._compression, reason)
        return data


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
        if self.encoding in ("utf-16", "utf-32") and not mark_of(head):
            reason = f"it has no byte order mark; set format.encoding to {self.encoding}-le or {self.encoding}-be"
            raise UnparsableSourceError(label, "text", reason)
        self._is_utf8 = self.encoding == "utf-8"
        self._decoder = codecs.getincrementaldecoder(self.encoding)()
        self._as_utf8 = None if self.encoding.startswith("utf") else _AsUtf8(label, self.encoding)
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
        if self._as_utf8:
            self._as_utf8.feed(raw)
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            raise wrong_encoding(error, self._lines, self._label, self.encoding) from error
        if self.encoding.startswith("iso8859-") and (control := _CONTROLS.search(text)):
            line = self._lines + text.count("\n", 0, control.start())
            reason = f"line {line} has the control character {control[0]!r}; set format.encoding to windows-1252"
            raise UnparsableSourceError(self._label, "text", reason)
        self._lines += text.count("\n")
        return text.encode() or (self.read(size) if raw else b"")


class _AsUtf8:
    """Looks at text of another encoding as if it were UTF-8, which hardly any such text is by chance."""

    def __init__(self, label: str, encoding: str) -> None:
        self._label, self._encoding = label, encoding
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
        self._lines = 1
        self._first: tuple[int, int, bytes] | None = None

    def feed(self, raw: bytes) -> None:
        """Take the next bytes; none at the end.

        Raises:
            WrongEncodingError: All were UTF-8, and not only ASCII.
        """
        if self._decoder is None:
            return
        try:
            self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError:
            self._decoder = None
            return
        if self._first is None and not raw.isascii():
            at = next(place for place, byte in enumerate(raw) if byte > 127)
            line, start = self._lines + raw.count(b"\n", 0, at), raw.rfind(b"\n", 0, at) + 1
            self._first = (line, at - start + 1, raw[max(0, at - 20) : at + 20])
        self._lines += raw.count(b"\n")
        if not raw and self._first:
            raise WrongEncodingError(self._label, self._encoding, *self._first, "utf-8")


def wrong_encoding(error: UnicodeDecodeError, line: int, label: str, encoding: str = "utf-8") -> WrongEncodingError:
    """Return the error about a file in another encoding.

    Args:
        error: Of some of its bytes, which begin on a line.
    """
    before = error.object[: error.start]
    place = error.start - (before.rfind(b"\n") + 1) + 1
    shown = error.object[max(0, error.start - 20) : error.start + 20]
    likely = "windows-1252" if encoding != "cp1252" else "latin-1"
    return WrongEncodingError(label, encoding, line + before.count(b"\n"), place, shown, likely)


def likely_utf16(head: bytes) -> str | None:
    """Return the kind of UTF-16, without a byte order mark, that the start of a text seems to have."""
    even, odd = (head[start:_SEEN_BYTES:2] for start in (0, 1))
    for first, second, name in ((even, odd, "utf-16-le"), (odd, even, "utf-16-be")):
        if second.count(0) > len(second) / 2 and not first.count(0):
            return name
    return None


def _read_fully(stream: IBytes, size: int) -> bytes:
    found = io.BytesIO()
    while found.tell() < size and (piece := stream.read(size - found.tell())):
        found.write(piece)
    return found.getvalue()
