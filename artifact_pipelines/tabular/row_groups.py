"""Cut Arrow batches into row groups by values alone: equal tables give equal groups, whatever their batches were.

Sizes are logical: lengths of texts and widths of numbers, not bytes in memory. The size of rows is then the sum of the
sizes of each, so a cut depends on the values only. A dictionary would show the order in which values were met, also
elsewhere, so each group gets a fresh one in the order of its rows.
"""

import bisect
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.tabular.arrow_types import change_types, decodable_type, entries_type

_VIEW_WORDS = 4


def cut_row_groups(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], rows: int, size_bytes: int
) -> Iterator[pa.Table]:
    """Yield the same rows as tables of one chunk each, every table with as many rows as fit.

    Args:
        schema: Schema of the batches; the tables have its `stored_schema`.
        batches: The rows, in order.
        rows: Most rows of a table.
        size_bytes: Largest `logical_bytes` of a table; a larger row stands alone.
    """
    held: list[pa.RecordBatch] = []
    room_rows, room_bytes = rows, size_bytes
    for batch in batches:
        left = batch
        while left.num_rows:
            count = _fitting_rows(left, room_rows, room_bytes) or (0 if held else 1)
            held.append(left.slice(0, count))
            left = left.slice(count)
            room_rows, room_bytes = room_rows - count, room_bytes - logical_bytes(held[-1])
            if left.num_rows or not room_rows:
                group = _normalize(pa.Table.from_batches(held, schema))
                held, room_rows, room_bytes = [], rows, size_bytes
                yield group
                del group  # free it before the next one is built
    if held:
        yield _normalize(pa.Table.from_batches(held, schema))


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of `cut_row_groups`: only texts stay dictionaries, and without an order of values."""
    return change_types(schema, lambda kind: _fresh_dictionary(kind) if pa.types.is_dictionary(kind) else kind)


def schema_in_utc(schema: pa.Schema) -> pa.Schema:
    """Return the schema with all time zones replaced by UTC."""
    types = pa.types
    return change_types(
        schema, lambda kind: pa.timestamp(kind.unit, "UTC") if types.is_timestamp(kind) and kind.tz else kind
    )


def logical_bytes(rows: pa.RecordBatch) -> int:
    """Return the logical size of some rows. A null text or list has size 0, any other null the size of a value."""
    return sum(_column_bytes(column) for column in rows.columns)


def fixed_width(kind: pa.DataType) -> int | None:
    """Return the bytes of one value of a primitive type; None for texts, binaries and nested types."""
    types = pa.types
    if types.is_primitive(kind) or types.is_decimal(kind):
        return int(kind.bit_width + 7) // 8
    return 0 if types.is_null(kind) else None


def _fitting_rows(batch: pa.RecordBatch, rows: int, size_bytes: int) -> int:
    first = batch.slice(0, rows)
    if logical_bytes(first) <= size_bytes:
        return int(first.num_rows)
    counts = range(1, first.num_rows + 1)
    return bisect.bisect_right(counts, size_bytes, key=lambda count: logical_bytes(first.slice(0, count)))


def _normalize(table: pa.Table) -> pa.Table:
    """Return the table in one chunk, with fresh dictionaries."""
    decodable = change_types(table.schema, decodable_type)
    decoded = change_types(decodable, lambda kind: kind.value_type if pa.types.is_dictionary(kind) else kind)
    if decoded.equals(table.schema):
        return table.combine_chunks()
    # Arrow's casts ignore that a list is a slice: they would decode everything that it is cut from.
    batches = [pa.concat_batches([batch]) for batch in table.to_batches()]
    alone = pa.Table.from_batches(batches, table.schema)
    return alone.cast(decodable).cast(decoded).combine_chunks().cast(stored_schema(table.schema))


def _fresh_dictionary(kind: pa.DictionaryType) -> pa.DataType:
    values = decodable_type(kind).value_type
    is_text = pa.types.is_string(values) or pa.types.is_large_string(values)
    return pa.dictionary(kind.index_type, values) if is_text else values  # Parquet has no other dictionaries


def _column_bytes(array: pa.Array) -> int:
    kind, types = array.type, pa.types
    if (width := _value_width(kind)) is not None:
        return len(array) * width
    if isinstance(kind, pa.BaseExtensionType):
        return _column_bytes(array.storage)
    if types.is_dictionary(kind):  # not decoded: a few large texts may stand in very many rows
        return _sum(_lengths(array.dictionary).take(array.indices))
    if types.is_struct(kind):
        return sum(_column_bytes(child) for child in array.flatten())
    if types.is_map(kind):
        return _column_bytes(array.cast(entries_type(kind)))
    if types.is_nested(kind):
        width = fixed_width(kind.value_type)
        return _column_bytes(array.flatten()) if width is None else _sum(pc.list_value_length(array)) * width
    return _sum(_lengths(array))


def _value_width(kind: pa.DataType) -> int | None:
    """Return the bytes of one value if all values have as many; else None."""
    if isinstance(kind, pa.BaseExtensionType):
        return _value_width(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _value_width(kind.value_type)
    return int(kind.byte_width) if pa.types.is_fixed_size_binary(kind) else fixed_width(kind)


def _lengths(array: pa.Array) -> pa.Array:
    if isinstance(array.type, pa.BaseExtensionType):
        return _lengths(array.storage)
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        return pc.if_else(array.is_valid(), _view_lengths(array), None)
    return pc.binary_length(array)


def _view_lengths(array: pa.Array) -> pa.Array:
    """Return the length of every view: the first of its four words."""
    words = pa.Array.from_buffers(
        pa.int32(), _VIEW_WORDS * len(array), [None, array.buffers()[1]], offset=_VIEW_WORDS * array.offset
    )
    return pc.list_element(pa.FixedSizeListArray.from_arrays(words, _VIEW_WORDS), 0)


def _sum(lengths: pa.Array) -> int:
    return int(pc.sum(lengths).as_py() or 0)
