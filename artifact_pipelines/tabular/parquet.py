"""Write Parquet deterministically: equal tables become identical bytes, in any process, with any threads and chunks.

Both writers cut row groups at row numbers that depend on schema and values, not on memory layout. Only a few row groups
of a table are in memory at a time, and a row group is bounded in rows and bytes. polars cuts a whole file at one number
of rows, so a frame whose first rows are too large for that is written by pyarrow.
"""

import collections
import io
import itertools
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, TypeVar, cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from polars.io.plugins import register_io_source

from artifact_pipelines.tabular.frame_chunks import (
    close_chunks,
    detach_lists,
    drain_chunks,
    iterate_chunks,
    normalize_lists,
    regroup_chunks,
)
from artifact_pipelines.tabular.logical_hash import MakeHasher, TableHasher
from artifact_pipelines.tabular.row_groups import cut_row_groups, fixed_width, logical_bytes, stored_schema

ROW_GROUP_ROWS = 122_880  # as polars and DuckDB cut by default
ROW_GROUP_VALUES = 4_000_000
ROW_GROUP_BYTES = 64 << 20
_PIECE_ROWS = 4_096  # of large rows
_COMPRESSION_LEVEL = 1
# Below Arrow's 1 MiB, which a row group of distinct 64-bit numbers just fits into: a useless dictionary of all values.
_DICTIONARY_BYTES = 256 << 10
_SAMPLE_ROWS = 10_000
# Objects that polars holds and releases later, on a thread unknown to Python, where no Python object may be destroyed.
# They are empty by then; keeping the newest is enough.
_lent: collections.deque[object] = collections.deque(maxlen=200)


def row_group_rows(column_count: int) -> int:
    """Return the rows of a row group: fewer for wide tables, to bound memory."""
    return max(1024, min(ROW_GROUP_ROWS, ROW_GROUP_VALUES // max(1, column_count)))


def write_frame(
    frame: pl.DataFrame | pl.LazyFrame, sink: BinaryIO, make_hasher: MakeHasher | None = None
) -> str | None:
    """Write a polars frame; a LazyFrame is streamed, never collected.

    If its first `row_group_rows` rows are larger than `ROW_GROUP_BYTES`, no row group exceeds that; otherwise a later
    row group may.

    Args:
        frame: The frame; its query runs once.
        sink: Write-only binary stream; it stays open.
        make_hasher: Makes hashers of bytes, for the logical hash.

    Returns:
        The logical hash, if requested; None also if Arrow has no type for a column (128-bit integers).
    """
    schema = frame.collect_schema()
    arrow_schema, rows = _arrow_schema(schema), row_group_rows(len(schema))
    has_fixed_widths = arrow_schema is None or all(fixed_width(kind) is not None for kind in arrow_schema.types)
    chunks = iterate_chunks(frame, rows)
    try:
        first, is_large = (collections.deque(), False) if has_fixed_widths else _take_first_group(chunks, rows)
        rejoined = itertools.chain(drain_chunks(first), chunks)
        if is_large:
            pieces = (detach_lists(piece) for chunk in rejoined for piece in _halve(chunk))
            batches = (batch for piece in pieces for batch in piece.to_arrow().to_batches())
            return write_batches(schema.to_frame().to_arrow().schema, batches, sink, make_hasher)
        hasher = TableHasher(arrow_schema, make_hasher) if make_hasher and arrow_schema is not None else None
        _sink_frames(schema, rejoined, rows, hasher, sink)
        return hasher.hexdigest() if hasher else None
    finally:
        close_chunks(chunks)


def _sink_frames(
    schema: pl.Schema, chunks: Iterator[pl.DataFrame], rows: int, hasher: TableHasher | None, sink: BinaryIO
) -> None:
    errors: list[BaseException] = []  # polars would replace them by a text
    source, guarded = _FrameSource(chunks, rows, hasher, errors), _Sink(sink, errors)
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
        if errors:
            raise errors[0]  # noqa: B904 - it keeps its own cause
        raise
    finally:
        source.clear()
        guarded.clear()
        errors.clear()
        _lent.extend((source, guarded))


def write_batches(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], sink: BinaryIO, make_hasher: MakeHasher | None = None
) -> str | None:
    """Write Arrow batches as they arrive, in row groups of at most `ROW_GROUP_BYTES` logical bytes.

    `sink`, `make_hasher` and the result are those of `write_frame`.

    Raises:
        UnsupportedTypeError: The logical hash is requested, and has no rule for the type of a column.
        ColumnValueError: The logical hash is requested, and a value is out of range of its stored type.
    """
    if not schema.names and (count := sum(batch.num_rows for batch in batches)):
        return write_frame(pl.DataFrame(height=count), sink, make_hasher)  # pyarrow drops rows without columns
    hasher = TableHasher(schema, make_hasher) if make_hasher else None
    rows = row_group_rows(len(schema))
    groups = cut_row_groups(schema, batches, rows, ROW_GROUP_BYTES)
    first = collections.deque(itertools.islice(groups, 1))
    with pq.ParquetWriter(
        _Sink(sink, []),
        stored_schema(schema),
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        write_page_checksum=True,
        max_rows_per_page=rows,  # a page ends by its bytes
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        use_dictionary=_repetitive_columns(first[0]) if first else False,
    ) as writer:
        hashing = _BackgroundHasher(hasher)
        try:
            for group in hashing.pass_through(itertools.chain(drain_chunks(first), groups)):
                writer.write_table(group, row_group_size=rows)
                del group  # free it before the next one is built
        except pa.ArrowInvalid:
            hashing.wait()  # the hasher refuses the same value, and names the column
            raise
        finally:
            hashing.stop()
    return hasher.hexdigest() if hasher else None


def _repetitive_columns(group: pa.Table) -> bool | list[str]:
    """Return the columns that get dictionaries: in the first rows of a table, half of their values repeat others.

    True means all, because Parquet has other names for what is inside of a nested column.
    """
    if any(map(pa.types.is_nested, group.schema.types)):
        return True
    rows = group.slice(0, _SAMPLE_ROWS)
    return [name for name, column in zip(rows.schema.names, rows.columns, strict=True) if _is_repetitive(column)]


def _is_repetitive(column: pa.ChunkedArray) -> bool:
    if pa.types.is_dictionary(column.type):
        return True
    try:
        return bool(2 * len(pc.unique(column)) <= len(column))
    except pa.ArrowNotImplementedError:  # of rare types, such as narrow decimals
        return True


def _take_first_group(chunks: Iterable[pl.DataFrame], rows: int) -> tuple[collections.deque[pl.DataFrame], bool]:
    """Return the first chunks, and whether their first `rows` rows are too large for a row group."""
    taken: collections.deque[pl.DataFrame] = collections.deque()
    room_rows, room_bytes = rows, ROW_GROUP_BYTES
    for chunk in chunks:
        taken.append(chunk)
        room_bytes -= _size_bytes(chunk.head(room_rows))
        room_rows -= chunk.height
        if room_rows <= 0 or room_bytes < 0:
            break
    return taken, room_bytes < 0


def _halve(chunk: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Halve a chunk until each piece fits a row group or is one row: each is copied on its way to Arrow."""
    if chunk.height > 1 and (chunk.height > _PIECE_ROWS or _size_bytes(chunk) > ROW_GROUP_BYTES):
        middle = chunk.height // 2
        yield from _halve(chunk[:middle])
        yield from _halve(chunk[middle:])
    else:
        yield chunk


def _size_bytes(frame: pl.DataFrame) -> int:
    return sum(map(logical_bytes, _arrow(frame).to_batches()))


class _FrameSource:
    """Feeds a frame to polars' writer batch by batch, in order, and hashes each batch on its way."""

    def __init__(
        self, chunks: Iterator[pl.DataFrame], rows: int, hasher: TableHasher | None, errors: list[BaseException]
    ) -> None:
        self._groups: Iterator[pl.DataFrame] = map(normalize_lists, regroup_chunks(chunks, rows))
        self._hashing = _BackgroundHasher(hasher)
        self._errors = errors
        self._batches: list[Generator[pl.DataFrame]] = []

    def batches(self, *_: object) -> Iterator[pl.DataFrame]:
        """Return the batches; polars calls this."""
        self._batches.append(self._remembering())
        return self._batches[-1]

    def clear(self) -> None:
        """Stop unfinished reads and the hashing thread, and release the frame."""
        for batches in self._batches:
            close_chunks(batches)
        self._hashing.stop()
        self._groups = iter(())

    def _remembering(self) -> Generator[pl.DataFrame]:
        try:
            yield from self._hashing.pass_through(self._groups)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._errors.append(error)
            raise


Rows = TypeVar("Rows", pl.DataFrame, pa.Table)


class _BackgroundHasher:
    """Hashes row groups on its own thread while their consumer works on them. Call `stop()` at the end.

    The thread starts here, because polars pulls batches on threads that Python did not start.
    """

    def __init__(self, hasher: TableHasher | None) -> None:
        self._hasher = hasher
        self._pool = ThreadPoolExecutor(1, "table-hasher") if hasher else None
        self._pending: Future[None] | None = None
        if self._pool is not None:
            self._pool.submit(bool).result()

    def pass_through(self, groups: Iterable[Rows]) -> Iterator[Rows]:
        """Yield the row groups; at the end, all of them are hashed."""
        hasher, pool = self._hasher, self._pool
        if hasher is None or pool is None:
            yield from groups
            return
        for group in groups:
            self.wait()
            self._pending = pool.submit(_hash, group, hasher)
            yield group
            del group  # free it before the next one is built
        self.wait()

    def wait(self) -> None:
        """Wait until the last row group is hashed, and raise its error."""
        if self._pending is not None:
            self._pending.result()

    def stop(self) -> None:
        """Stop the thread, and release the hasher."""
        if self._pool is not None:
            self._pool.shutdown()
        self._hasher = self._pool = self._pending = None


def _hash(group: pl.DataFrame | pa.Table, hasher: TableHasher) -> None:
    table = _arrow(group) if isinstance(group, pl.DataFrame) else group
    for batch in table.to_batches():
        hasher.update(batch)


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.newest())  # shares the frame's memory


def _arrow_schema(schema: pl.Schema) -> pa.Schema | None:
    try:
        return _arrow(schema.to_frame()).schema
    except pa.ArrowInvalid:
        return None


class _Sink(io.RawIOBase):
    """Forwards bytes but not `close`."""

    def __init__(self, sink: BinaryIO, errors: list[BaseException]) -> None:
        self._sink = sink
        self._errors = errors

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._sink.tell()

    def write(self, data: Any, /) -> int:
        try:
            return self._sink.write(data)
        except BaseException as error:
            self._errors.append(error)
            raise

    def clear(self) -> None:
        """Release the sink."""
        self._sink = io.BytesIO()
