"""Facts of a Parquet file's table from its footer, without a scan, and its first rows, as a person reads them.

No shown value passes through Python's own types of time, which lack year 10000, infinity and nanoseconds. Moments are
shown in UTC, whatever the time zone of their column.
"""

import dataclasses
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.tabular.arrow_types import is_string, storage_type

Cell = bool | int | float | str | None
"""A number or boolean as it is, or any other value as text."""

ITEMS_SHOWN = 20
DESCRIPTION = b"description"
"""Metadata of an Arrow field: the meaning of the column."""

_DAY_S = 24 * 60 * 60
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EXACT_BYTES = 60
"""A footer holds at most 64 bytes of a longer text; the last character of a truncated maximum is rounded up."""


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column as the file's footer describes it; None where the footer does not say.

    Attributes:
        distinct_at_most: Upper bound of the number of different values, not counting null.
        description: Meaning of the column, if its writer gave one.
    """

    name: str
    type: str
    nullable: bool
    null_count: int | None = None
    minimum: Cell = None
    maximum: Cell = None
    distinct_at_most: int | None = None
    description: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class TableSummary:
    """A table as its file's footer describes it."""

    row_count: int
    columns: tuple[ColumnSummary, ...]


def describe_parquet(source: BinaryIO) -> TableSummary:
    """Return a summary of a Parquet file's table, read from its footer alone."""
    file = pq.ParquetFile(source)
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    columns, leaf = [], 0
    for field in file.schema_arrow:  # by position: the path `a.b` may be a column, and a field of another column
        kind = _value_type(field.type)
        known: dict[str, Any] = (
            {} if pa.types.is_nested(kind) else _statistics([group.column(leaf) for group in groups], kind)
        )
        given = (field.metadata or {}).get(DESCRIPTION)
        known |= {"description": given.decode(errors="replace")} if given else {}
        columns.append(ColumnSummary(field.name, str(field.type).replace("large_", ""), field.nullable, **known))
        leaf += _leaf_count(kind)
    return TableSummary(file.metadata.num_rows, tuple(columns))


def preview(source: BinaryIO, rows: int = 10) -> list[dict[str, Cell]]:
    """Return the first rows of a Parquet file. Reads its first row group at most."""
    first = next(pq.ParquetFile(source).iter_batches(batch_size=rows), None)
    if first is None:
        return []
    columns = [[format_cell(value) for value in column] for column in first.columns]
    return [dict(zip(first.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def distinct_at_most(kind: pa.DataType, value_count: int, minimum: Any, maximum: Any) -> int:
    """Return an upper bound of the number of different values, not counting null.

    Args:
        kind: Type of the column.
        value_count: Number of values that are not null.
        minimum: Lower bound of the values; None if unknown. Dates and times are numbers of units.
        maximum: Upper bound of the values; None if unknown.
    """
    if minimum is None or maximum is None or pa.types.is_floating(kind):  # which leave out NaN
        return value_count
    if minimum == maximum:
        return min(value_count, 1)
    return min(value_count, maximum - minimum + 1) if isinstance(minimum, int) else value_count  # also a boolean


def _statistics(chunks: Sequence[pq.ColumnChunkMetaData], kind: pa.DataType) -> dict[str, Any]:
    """Merge a column's statistics over its row groups; empty if one row group has none."""
    known = [chunk.statistics for chunk in chunks]
    if any(statistics is None or not statistics.has_null_count for statistics in known):
        return {}
    with_values = [statistics for statistics in known if statistics.num_values]
    minimum = maximum = None
    if with_values and all(statistics.has_min_max for statistics in with_values):
        extremes = [_extremes(statistics, kind) for statistics in with_values]
        minimum, maximum = min(low for low, _ in extremes), max(high for _, high in extremes)
    value_count = sum(statistics.num_values for statistics in with_values)
    return {
        "null_count": sum(statistics.null_count for statistics in known),
        "minimum": _format_extreme(minimum, kind),
        "maximum": _format_extreme(maximum, kind),
        "distinct_at_most": distinct_at_most(kind, value_count, minimum, maximum),
    }


def _extremes(statistics: pq.Statistics, kind: pa.DataType) -> tuple[Any, Any]:
    """Return minimum and maximum in comparable form: a time as a number, a text as bytes."""
    types = pa.types
    if kind == pa.float16():
        return struct.unpack("<e", statistics.min_raw)[0], struct.unpack("<e", statistics.max_raw)[0]
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return statistics.min, statistics.max
    return statistics.min_raw, statistics.max_raw


def _format_extreme(value: Any, kind: pa.DataType) -> Cell:
    if pa.types.is_temporal(kind) and value is not None:
        return format_cell(pa.array([value], f"int{kind.bit_width}").view(kind)[0])
    if isinstance(value, bytes):
        shown, more = value[:_EXACT_BYTES], "…" if len(value) > _EXACT_BYTES else ""
        return (shown.decode(errors="ignore") if is_string(kind) else str(shown)) + more
    return value if value is None or isinstance(value, int | float) else str(value)


def _value_type(kind: pa.DataType) -> pa.DataType:
    kind = storage_type(kind)
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _leaf_count(kind: pa.DataType) -> int:
    """Return how many columns of the Parquet file hold a column of this type."""
    kind = _value_type(kind)
    if not pa.types.is_nested(kind):
        return 1
    return sum(_leaf_count(kind.field(number).type) for number in range(kind.num_fields))


def format_cell(value: pa.Scalar) -> Cell:
    """Return a value as it is shown; a long list by its first items."""
    kind, types = value.type, pa.types
    if not value.is_valid:
        return None
    if isinstance(kind, pa.BaseExtensionType) or types.is_dictionary(kind):
        return format_cell(value.value)
    if types.is_nested(kind):
        return _format_nested(value)
    if types.is_temporal(kind):
        return _format_time(value)
    if is_string(kind):
        return str(value.as_buffer(), "utf-8", errors="replace")  # Arrow does not check that it is UTF-8
    plain = value.as_py()
    return plain if isinstance(plain, bool | int | float) else str(plain)


def _format_nested(value: pa.Scalar) -> str:
    kind = value.type
    if pa.types.is_struct(kind):  # by position, since two fields may have one name
        return f"{{{', '.join(f'{field.name}: {_format_inner(value[i])}' for i, field in enumerate(kind))}}}"
    first, is_map = value.values[:ITEMS_SHOWN], pa.types.is_map(kind)
    items = [
        ": ".join(_format_inner(item[side]) for side in (0, 1)) if is_map else _format_inner(item) for item in first
    ]
    shown = ", ".join([*items, "…"] if len(value.values) > ITEMS_SHOWN else items)
    return f"{{{shown}}}" if is_map else f"[{shown}]"


def _format_inner(value: pa.Scalar) -> str:
    shown = format_cell(value)
    return "null" if shown is None else str(shown)


def _format_time(value: pa.Scalar) -> str:
    kind = value.type
    if pa.types.is_duration(kind):
        days, rest = divmod(value.value, _DAY_S * _PER_SECOND[kind.unit])
        time = _as_text(pa.scalar(rest * (_PER_SECOND["ns"] // _PER_SECOND[kind.unit]), pa.time64("ns")))
        return f"{days} days {time}" if days else time
    if not pa.types.is_timestamp(kind):
        return _as_text(value)
    return _as_text(value.cast(pa.timestamp(kind.unit))) + ("+00:00" if kind.tz else "")  # the zone may be unknown


def _as_text(value: pa.Scalar) -> str:
    """Return a time in Arrow's format, without trailing zeros."""
    text: str = value.cast(pa.string()).as_py()
    return text.rstrip("0").rstrip(".") if "." in text else text
