"""Progress of a long ingestion in the log: bytes, rows, rate, and an estimate of the time that is left."""

import dataclasses
import io
from collections.abc import Callable, Iterator
from time import monotonic as now_s
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from artifact_pipelines.core.durations import spell_duration
from artifact_pipelines.core.wording import counted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

EVERY_S = 10.0
"""Pause between two lines; an ingestion that is shorter logs none."""


@dataclasses.dataclass
class Progress:
    """Writes a line now and then.

    Attributes:
        name: Name of the dropped file.
        log: Takes a line.
        verb: What is done with the bytes before there are rows.
    """

    name: str
    log: Callable[[str], object]
    verb: str = "read"
    started_s: float = dataclasses.field(default_factory=lambda: now_s())
    told_s: float = dataclasses.field(default_factory=lambda: now_s())
    done: int = 0
    total: int | None = None
    rows: int = 0
    rows_bytes: int = 0

    def read(self, done: int, total: int | None) -> None:
        """Note how many bytes of the file are read, and say so if it is time.

        Args:
            done: Fewer than before: the file is read once more.
            total: None: the file is compressed, and nobody knows how many there will be.
        """
        if done < self.done:
            self.started_s = now_s()
        self.done, self.total = done, total
        self._tell()

    def made(self, rows: int, size_bytes: int) -> None:
        """Note how many rows of the table are made, and their bytes in memory, and say so if it is time."""
        self.rows, self.rows_bytes = rows, size_bytes
        self._tell()

    def _tell(self) -> None:
        now = now_s()
        if now - self.told_s >= EVERY_S:
            self.told_s = now
            self.log(f"{self.name}: {', '.join(self._facts(now - self.started_s))}")

    def _facts(self, spent_s: float) -> Iterator[str]:
        verb = "read" if self.rows else self.verb
        if self.done and self.total:
            yield f"{_size(self.done)} of {_size(self.total)} {verb} ({self.done / self.total:.0%})"
        elif self.done:
            yield f"{_size(self.done)} {verb}, uncompressed"
        if self.rows:
            yield (
                counted(self.rows, "row")
                if self.done
                else f"{counted(self.rows, 'row')}, {_size(self.rows_bytes)} so far"
            )
        if spent_s:
            rate = self.done / spent_s
            yield f"{_size(rate)}/s" if self.done else f"{self.rows / spent_s:,.0f} rows/s"
            if self.done and self.total:
                yield f"about {spell_duration(round((self.total - self.done) / rate))} left"


def _size(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"


class WatchedStream(io.RawIOBase):
    """A seekable stream whose reads show as progress. A large file is perhaps read twice: hashed, then copied."""

    def __init__(self, stream: BinaryIO, progress: Progress) -> None:
        self._stream, self._progress = stream, progress
        self.name = stream.name
        self._size_bytes = stream.seek(0, io.SEEK_END)
        stream.seek(0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read as the stream does."""
        count: int = self._stream.readinto(buffer)  # type: ignore[attr-defined]  # of a FileIO or BufferedReader
        self._progress.read(self._stream.tell() if count else self._size_bytes, self._size_bytes)
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Seek as the stream does."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the position of the stream."""
        return self._stream.tell()

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
        super().close()


def watched_batches(reader: pa.RecordBatchReader, progress: Progress) -> pa.RecordBatchReader:
    """Return the same batches, which show as progress when they are taken."""

    def watched() -> Iterator[pa.RecordBatch]:
        rows = size_bytes = 0
        for batch in reader:
            rows, size_bytes = rows + batch.num_rows, size_bytes + batch.nbytes
            progress.made(rows, size_bytes)
            yield batch

    return pa.RecordBatchReader.from_batches(reader.schema, watched())
