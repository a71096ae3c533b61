"""What a Parquet file says of its table in its footer, at no scan, and its first rows."""

import dataclasses
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.tabular.cells import Cell, cell, is_text
from artifact_pipelines.tabular.distinct import distinct_at_most

_EXACT_BYTES = 60
"""Of longer texts a footer has a prefix of 64 bytes at the most; that of the greatest ends in a character too great."""


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column as the file's footer describes it; None where the footer does not say."""

    name: str
    type: str
    nullable: bool
    null_count: int | None = None
    minimum: Cell = None
    maximum: Cell = None
    distinct_at_most: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class TableSummary:
    """A table as its file's footer describes it."""

    row_count: int
    columns: tuple[ColumnSummary, ...]


def describe_parquet(source: BinaryIO) -> TableSummary:
    """Return what a Parquet file's footer says of the table, at no scan."""
    file = pq.ParquetFile(source)
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    columns, leaf = [], 0
    for field in file.schema_arrow:  # by position: the path `a.b` may be a column's, and a field's of another one
        kind = _stored_type(field.type)
        known = {} if pa.types.is_nested(kind) else _statistics([group.column(leaf) for group in groups], kind)
        columns.append(ColumnSummary(field.name, _type_name(field.type), field.nullable, **known))
        leaf += _leaf_count(kind)
    return TableSummary(file.metadata.num_rows, tuple(columns))


def preview(source: BinaryIO, rows: int = 10) -> list[dict[str, Cell]]:
    """Return the first rows of a Parquet file; no more than its first row group is read."""
    first = next(pq.ParquetFile(source).iter_batches(batch_size=rows), None)
    if first is None:
        return []
    columns = [[cell(value) for value in column] for column in first.columns]
    return [dict(zip(first.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _statistics(chunks: Sequence[pq.ColumnChunkMetaData], kind: pa.DataType) -> dict[str, Any]:
    """Merge a column's statistics over its row groups; nothing is said where one of them says nothing."""
    known = [chunk.statistics for chunk in chunks]
    if any(statistics is None or not statistics.has_null_count for statistics in known):
        return {}
    with_values = [statistics for statistics in known if statistics.num_values]
    minimum = maximum = None
    if with_values and all(statistics.has_min_max for statistics in with_values):
        extremes = [_extremes(statistics, kind) for statistics in with_values]
        minimum, maximum = min(low for low, _ in extremes), max(high for _, high in extremes)
    counts = [statistics.distinct_count if statistics.has_distinct_count else None for statistics in with_values]
    value_count = sum(statistics.num_values for statistics in with_values)
    return {
        "null_count": sum(statistics.null_count for statistics in known),
        "minimum": _told(minimum, kind),
        "maximum": _told(maximum, kind),
        "distinct_at_most": distinct_at_most(kind, value_count, minimum, maximum, counts),
    }


def _extremes(statistics: pq.Statistics, kind: pa.DataType) -> tuple[Any, Any]:
    """Return minimum and maximum as they compare: a time is a number, a text its bytes."""
    types = pa.types
    if kind == pa.float16():
        return struct.unpack("<e", statistics.min_raw)[0], struct.unpack("<e", statistics.max_raw)[0]
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return statistics.min, statistics.max
    return statistics.min_raw, statistics.max_raw


def _told(value: Any, kind: pa.DataType) -> Cell:
    if pa.types.is_temporal(kind) and value is not None:
        return cell(pa.array([value], f"int{kind.bit_width}").view(kind)[0])
    if isinstance(value, bytes):
        shown, more = value[:_EXACT_BYTES], "…" if len(value) > _EXACT_BYTES else ""
        return (shown.decode(errors="ignore") if is_text(kind) else str(shown)) + more
    return value if value is None or isinstance(value, int | float) else str(value)


def _stored_type(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _stored_type(kind.storage_type)
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _leaf_count(kind: pa.DataType) -> int:
    """Return how many columns of a Parquet file a column is."""
    kind = _stored_type(kind)
    if not pa.types.is_nested(kind):
        return 1
    return sum(_leaf_count(kind.field(number).type) for number in range(kind.num_fields))


def _type_name(kind: pa.DataType) -> str:
    return str(kind).replace("large_", "")  # how long offsets are is no one's concern
