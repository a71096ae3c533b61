"""Parquet with one property more: equal tables become identical bytes, in any process, with any threads and chunks.

Both writers cut row groups at row numbers that follow from schema and values, never from how the table lies in memory.
A few row groups are all that is held of a table at a time, and a row group is bounded in rows and in bytes. polars
cuts all of a file at the same number of rows. So a frame whose first rows are too large for that goes through pyarrow.
"""

import collections
import io
import itertools
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, TypeVar, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.io.plugins import register_io_source

from artifact_pipelines.tabular.frame_parts import alone, compact, drained, end, grouped, parts_of
from artifact_pipelines.tabular.logical_hash import MakeHasher, TableHasher
from artifact_pipelines.tabular.logical_size import fixed_width, logical_bytes
from artifact_pipelines.tabular.row_groups import regrouped, stored_schema

ROW_GROUP_ROWS = 122_880  # as polars and DuckDB cut by default
ROW_GROUP_VALUES = 4_000_000
ROW_GROUP_BYTES = 64 << 20
_PIECE_ROWS = 4_096  # of what is large
_COMPRESSION_LEVEL = 1
# Arrow's limit of 1 MiB is just what a row group of distinct 64-bit numbers stays below: a dictionary of all of them.
_DICTIONARY_BYTES = 256 << 10
# What was lent to polars: it lets go of it later, on a thread of its own that Python knows nothing of. That must not be
# the end of an object. They are empty by then, and the newest will do.
_lent: collections.deque[object] = collections.deque(maxlen=200)


def row_group_rows(column_count: int) -> int:
    """Return how many rows go into a row group: fewer for wide tables, so that memory stays bounded."""
    return max(1024, min(ROW_GROUP_ROWS, ROW_GROUP_VALUES // max(1, column_count)))


def write_frame(
    frame: pl.DataFrame | pl.LazyFrame, sink: BinaryIO, make_hasher: MakeHasher | None = None
) -> str | None:
    """Write a polars frame; a LazyFrame is streamed, never collected.

    Its first `row_group_rows` rows decide whether row groups are bounded in bytes: where they are larger than
    `ROW_GROUP_BYTES`, all row groups stay below. Where they are not, later ones may be larger.

    Args:
        frame: The frame; its query runs once.
        sink: Write-only binary stream; it stays open.
        make_hasher: Makes hashers of bytes, for the logical hash.

    Returns:
        The logical hash, if it was asked for; None also where Arrow has no type for a column (128-bit integers).
    """
    schema = frame.collect_schema()
    arrow_schema, rows = _arrow_schema(schema), row_group_rows(len(schema))
    has_fixed_widths = arrow_schema is None or all(fixed_width(kind) is not None for kind in arrow_schema.types)
    parts = parts_of(frame, rows)
    try:
        first, is_large = (collections.deque(), False) if has_fixed_widths else _first_group(parts, rows)
        rejoined = itertools.chain(drained(first), parts)
        if is_large:  # polars cuts all groups at the same number of rows
            pieces = (alone(piece) for part in rejoined for piece in _pieces(part))
            batches = (batch for piece in pieces for batch in piece.to_arrow().to_batches())
            return write_batches(schema.to_frame().to_arrow().schema, batches, sink, make_hasher)
        hasher = TableHasher(arrow_schema, make_hasher) if make_hasher and arrow_schema is not None else None
        _sink_frames(schema, rejoined, rows, hasher, sink)
        return hasher.hexdigest() if hasher else None
    finally:
        end(parts)


def _sink_frames(
    schema: pl.Schema, parts: Iterator[pl.DataFrame], rows: int, hasher: TableHasher | None, sink: BinaryIO
) -> None:
    """Write parts of a frame with polars, in groups of so many rows."""
    source, guarded = _FrameSource(parts, rows, hasher), _Sink(sink)
    try:
        register_io_source(source.batches, schema=schema).sink_parquet(
            cast("Any", guarded),
            compression="zstd",
            compression_level=_COMPRESSION_LEVEL,
            statistics="full",
            row_group_size=rows,
            maintain_order=True,
        )
    except BaseException:
        guarded.raise_own()
        source.raise_own()
        raise
    finally:
        source.let_go()
        guarded.let_go()
        _lent.extend((source, guarded))


def write_batches(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], sink: BinaryIO, make_hasher: MakeHasher | None = None
) -> str | None:
    """Write Arrow batches as they come, in row groups of `ROW_GROUP_BYTES` at the most, see `logical_bytes`.

    Args:
        schema: Schema of all batches.
        batches: The rows, in order.
        sink: Write-only binary stream; it stays open.
        make_hasher: Makes hashers of bytes, for the logical hash.

    Returns:
        The logical hash, if it was asked for.

    Raises:
        UnsupportedTypeError: The logical hash was asked for, and has no rule for the type of a column.
        ColumnValueError: The logical hash was asked for, and a value is beyond the range of what is stored.
    """
    if not schema.names and (count := sum(batch.num_rows for batch in batches)):
        return write_frame(pl.DataFrame(height=count), sink, make_hasher)  # pyarrow writes no rows without columns
    hasher = TableHasher(schema, make_hasher) if make_hasher else None
    rows = row_group_rows(len(schema))
    with pq.ParquetWriter(
        _Sink(sink),
        stored_schema(schema),
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        write_page_checksum=True,
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
    ) as writer:
        beside = _Beside(hasher)
        try:
            for group in beside.hashed(regrouped(schema, batches, rows, ROW_GROUP_BYTES)):
                writer.write_table(group, row_group_size=rows)
                del group
        except pa.ArrowInvalid:
            beside.wait()  # what the writer does not take the hasher does not take either, and says of which column
            raise
        finally:
            beside.stop()
    return hasher.hexdigest() if hasher else None


def _first_group(parts: Iterable[pl.DataFrame], rows: int) -> tuple[collections.deque[pl.DataFrame], bool]:
    """Return parts from the first on, and whether they show that so many rows are too large for a row group."""
    taken: collections.deque[pl.DataFrame] = collections.deque()
    room_rows, room_bytes = rows, ROW_GROUP_BYTES
    for part in parts:
        taken.append(part)
        room_bytes -= _size_bytes(part.head(room_rows))
        room_rows -= part.height
        if room_rows <= 0 or room_bytes < 0:
            break
    return taken, room_bytes < 0


def _pieces(part: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Cut a part to pieces no larger than a row group, or of one row: each is copied on its way to Arrow."""
    if part.height > 1 and (part.height > _PIECE_ROWS or _size_bytes(part) > ROW_GROUP_BYTES):
        middle = part.height // 2
        yield from _pieces(part[:middle])
        yield from _pieces(part[middle:])
    else:
        yield part


def _size_bytes(frame: pl.DataFrame) -> int:
    return sum(map(logical_bytes, _arrow(frame).to_batches()))


class _FrameSource:
    """Hands a frame to polars' own writer batch by batch, in order, so that each can be hashed on its way.

    It remembers its own error: polars would report a text in its place.
    """

    def __init__(self, parts: Iterator[pl.DataFrame], rows: int, hasher: TableHasher | None) -> None:
        self._groups: Iterator[pl.DataFrame] = map(compact, grouped(parts, rows))
        self._beside = _Beside(hasher)
        self._error: BaseException | None = None
        self._batches: list[Generator[pl.DataFrame]] = []

    def batches(self, *_: object) -> Iterator[pl.DataFrame]:
        """Return the batches: what polars asks for."""
        self._batches.append(self._remembering())
        return self._batches[-1]

    def let_go(self) -> None:
        """End what polars has not read to its end, and its thread, and forget the frame."""
        for batches in self._batches:
            end(batches)
        self._beside.stop()
        self._groups, self._error = iter(()), None

    def _remembering(self) -> Generator[pl.DataFrame]:
        try:
            yield from self._beside.hashed(self._groups)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._error = error
            raise

    def raise_own(self) -> None:
        if self._error is not None:
            raise self._error


Rows = TypeVar("Rows", pl.DataFrame, pa.Table)


class _Beside:
    """Hashes parts of a table on a thread of its own while their consumer is busy with them. End it with `stop()`.

    The thread is started where the object is made: polars asks for parts on threads that Python has not made.
    """

    def __init__(self, hasher: TableHasher | None) -> None:
        self._hasher = hasher
        self._pool = ThreadPoolExecutor(1, "table-hasher") if hasher else None
        self._hashing: Future[None] | None = None
        if self._pool is not None:
            self._pool.submit(bool).result()

    def hashed(self, parts: Iterable[Rows]) -> Iterator[Rows]:
        """Yield the parts; all of them have been hashed at the end."""
        hasher, pool = self._hasher, self._pool
        if hasher is None or pool is None:
            yield from parts
            return
        for part in parts:
            self.wait()
            self._hashing = pool.submit(_hash, part, hasher)
            yield part
            del part  # the next one is made without it
        self.wait()

    def wait(self) -> None:
        """Wait until the last part has been hashed, and raise what went wrong with it."""
        if self._hashing is not None:
            self._hashing.result()

    def stop(self) -> None:
        """End the thread, and forget what it hashed with."""
        if self._pool is not None:
            self._pool.shutdown()
        self._hasher = self._pool = self._hashing = None


def _hash(part: pl.DataFrame | pa.Table, hasher: TableHasher) -> None:
    table = _arrow(part) if isinstance(part, pl.DataFrame) else part
    for batch in table.to_batches():
        hasher.update(batch)


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """Return a frame as Arrow, which shares its memory."""
    return frame.to_arrow(compat_level=pl.CompatLevel.newest())


def _arrow_schema(schema: pl.Schema) -> pa.Schema | None:
    try:
        return _arrow(schema.to_frame()).schema
    except pa.ArrowInvalid:
        return None


class _Sink(io.RawIOBase):
    """Passes bytes on, but not `close`, and remembers its own error: polars would report a text in its place."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink: BinaryIO = sink
        self._error: BaseException | None = None

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._sink.tell()

    def write(self, data: Any, /) -> int:
        try:
            return self._sink.write(data)
        except BaseException as error:
            self._error = error
            raise

    def raise_own(self) -> None:
        if self._error is not None:
            raise self._error

    def let_go(self) -> None:
        """Forget where the bytes went, and what went wrong."""
        self._sink, self._error = io.BytesIO(), None
