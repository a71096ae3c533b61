"""Parquet with one property more: equal tables become identical bytes, in any process, with any threads and chunks.

Both writers cut row groups at row numbers that follow from the schema alone, never from how the table lies in memory.
One row group is all that is held of a table at a time.
"""

import dataclasses
import io
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.tabular.distinct import distinct_at_most

ROW_GROUP_ROWS = 131_072
ROW_GROUP_VALUES = 4_000_000
_COMPRESSION_LEVEL = 1


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column as the file's footer describes it; None where the footer does not say."""

    name: str
    type: str
    nullable: bool
    null_count: int | None
    minimum: Any
    maximum: Any
    distinct_at_most: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class TableSummary:
    """A table as its file's footer describes it."""

    row_count: int
    columns: tuple[ColumnSummary, ...]


def row_group_rows(column_count: int) -> int:
    """Return how many rows go into a row group: fewer for wide tables, so that memory stays bounded."""
    return max(1024, min(ROW_GROUP_ROWS, ROW_GROUP_VALUES // max(1, column_count)))


def write_frame(frame: pl.DataFrame | pl.LazyFrame, sink: BinaryIO) -> None:
    """Write a polars frame; a LazyFrame is streamed, never collected.

    Args:
        sink: Write-only binary stream; it stays open.
    """
    lazy = frame.lazy()
    guarded = _Sink(sink)
    try:
        lazy.sink_parquet(
            cast("Any", guarded),
            compression="zstd",
            compression_level=_COMPRESSION_LEVEL,
            statistics="full",
            row_group_size=row_group_rows(len(lazy.collect_schema())),
            maintain_order=True,
        )
    except BaseException:
        guarded.raise_own()
        raise


def write_batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch], sink: BinaryIO) -> None:
    """Write Arrow batches as they come.

    Args:
        schema: Schema of all batches.
        sink: Write-only binary stream; it stays open.
    """
    rows = row_group_rows(len(schema))
    with pq.ParquetWriter(
        _Sink(sink), schema, compression="zstd", compression_level=_COMPRESSION_LEVEL, write_page_checksum=True
    ) as writer:
        for group in _regrouped(schema, batches, rows):
            writer.write_table(group, row_group_size=rows)


def describe_parquet(source: BinaryIO) -> TableSummary:
    """Return what a Parquet file's footer says of the table, at no scan."""
    file = pq.ParquetFile(source)
    schema, metadata = file.schema_arrow, file.metadata
    position = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
    columns = (_summarize(metadata, field, position.get(field.name)) for field in schema)
    return TableSummary(metadata.num_rows, tuple(columns))


def preview(source: BinaryIO, rows: int = 10) -> list[dict[str, Any]]:
    """Return the first rows of a Parquet file; no more than its first row group is read."""
    first = next(pq.ParquetFile(source).iter_batches(batch_size=rows), None)
    return [] if first is None else pl.DataFrame(pl.from_arrow(first)).to_dicts()


def _summarize(metadata: pq.FileMetaData, field: pa.Field, index: int | None) -> ColumnSummary:
    """Merge a column's statistics over the row groups. A nested column has none of its own: `index` is None."""
    minimum = maximum = None
    null_count: int | None = 0 if index is not None else None
    written: list[int | None] = []
    for group in range(metadata.num_row_groups if index is not None else 0):
        statistics = metadata.row_group(group).column(index).statistics
        if statistics is None or not statistics.has_null_count:
            null_count = None
            continue
        null_count = None if null_count is None else null_count + statistics.null_count
        written.append(statistics.distinct_count if statistics.has_distinct_count else None)
        if statistics.has_min_max:
            minimum = statistics.min if minimum is None else min(minimum, statistics.min)
            maximum = statistics.max if maximum is None else max(maximum, statistics.max)
    distinct = None
    if null_count is not None:  # every row group has statistics
        distinct = distinct_at_most(field.type, metadata.num_rows - null_count, minimum, maximum, written)
    return ColumnSummary(field.name, _type_name(field.type), field.nullable, null_count, minimum, maximum, distinct)


def _type_name(kind: pa.DataType) -> str:
    return str(kind).replace("large_", "")  # how long offsets are is no one's concern


def _regrouped(schema: pa.Schema, batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield the same rows as tables of `rows` rows in one chunk; the last one may be shorter."""
    held: list[pa.RecordBatch] = []
    held_rows = 0
    for batch in batches:
        held.append(batch)
        held_rows += batch.num_rows
        while held_rows >= rows:
            table = pa.Table.from_batches(held, schema)
            yield table.slice(0, rows).combine_chunks()
            held, held_rows = table.slice(rows).to_batches(), held_rows - rows
    if held_rows:
        yield pa.Table.from_batches(held, schema).combine_chunks()


class _Sink(io.RawIOBase):
    """Passes bytes on, but not `close`, and remembers its own error: polars would report a text in its place."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
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
