"""Arrow batches laid out in one way: equal tables become equal row groups, however they were cut and encoded before.

A dictionary shows in which order values were met, and what was met elsewhere: each group gets one of its own, in the
order of its rows. A moment is the same whatever zone a DuckDB connection shows it in.
"""

import bisect
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

from artifact_pipelines.tabular.dictionaries import decodable_type
from artifact_pipelines.tabular.logical_size import logical_bytes


def regrouped(schema: pa.Schema, batches: Iterable[pa.RecordBatch], rows: int, size_bytes: int) -> Iterator[pa.Table]:
    """Yield the same rows as tables in one chunk, each of as many rows as fit.

    Args:
        schema: Schema of the batches; that of the tables is `stored_schema` of it.
        batches: The rows, in order.
        rows: How many rows a table has at the most.
        size_bytes: How large a table's values are at the most, see `logical_bytes`; a row that is larger stands alone.
    """
    held: list[pa.RecordBatch] = []
    room_rows, room_bytes = rows, size_bytes
    for batch in batches:
        left = batch
        while left.num_rows:
            count = _fitting(left, room_rows, room_bytes) or (0 if held else 1)
            held.append(left.slice(0, count))
            left = left.slice(count)
            room_rows, room_bytes = room_rows - count, room_bytes - logical_bytes(held[-1])
            if left.num_rows or not room_rows:
                group = _laid_out(pa.Table.from_batches(held, schema))
                held, room_rows, room_bytes = [], rows, size_bytes
                yield group
                del group  # the next one is put together without it
    if held:
        yield _laid_out(pa.Table.from_batches(held, schema))


def _fitting(batch: pa.RecordBatch, rows: int, size_bytes: int) -> int:
    """Return how many of the first rows fit."""
    first = batch.slice(0, rows)
    if logical_bytes(first) <= size_bytes:
        return int(first.num_rows)
    counts = range(1, first.num_rows + 1)
    return bisect.bisect_right(counts, size_bytes, key=lambda count: logical_bytes(first.slice(0, count)))


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema of what `regrouped` yields: dictionaries are of text, in an order that means nothing."""
    return with_types(schema, lambda kind: _fresh_dictionary(kind) if pa.types.is_dictionary(kind) else kind)


def in_utc(schema: pa.Schema) -> pa.Schema:
    """Return the schema with all moments in UTC."""
    types = pa.types
    return with_types(
        schema, lambda kind: pa.timestamp(kind.unit, "UTC") if types.is_timestamp(kind) and kind.tz else kind
    )


def with_types(schema: pa.Schema, change: Callable[[pa.DataType], pa.DataType]) -> pa.Schema:
    """Return the schema with every type changed: of lists, structs and maps first they, then what they are made of."""
    return pa.schema([_changed(field, change) for field in schema], schema.metadata)


def _laid_out(table: pa.Table) -> pa.Table:
    decodable = with_types(table.schema, decodable_type)
    decoded = with_types(decodable, lambda kind: kind.value_type if pa.types.is_dictionary(kind) else kind)
    if decoded.equals(table.schema):
        return table.combine_chunks()
    # Arrow's casts do not know that a list is a slice: they would decode all that it is cut from.
    batches = [pa.concat_batches([batch]) for batch in table.to_batches()]
    alone = pa.Table.from_batches(batches, table.schema)
    return alone.cast(decodable).cast(decoded).combine_chunks().cast(stored_schema(table.schema))


def _fresh_dictionary(kind: pa.DictionaryType) -> pa.DataType:
    values = decodable_type(kind).value_type
    is_text = pa.types.is_string(values) or pa.types.is_large_string(values)
    return pa.dictionary(kind.index_type, values) if is_text else values  # Parquet has no other ones


def _changed(field: pa.Field, change: Callable[[pa.DataType], pa.DataType]) -> pa.Field:
    """Return a field with its type changed, and all types inside."""
    kind, types = change(field.type), pa.types
    if types.is_struct(kind):
        return field.with_type(pa.struct([_changed(inner, change) for inner in kind]))
    if types.is_map(kind):
        return field.with_type(pa.map_(_changed(kind.key_field, change), _changed(kind.item_field, change)))
    if types.is_fixed_size_list(kind):
        return field.with_type(pa.list_(_changed(kind.value_field, change), kind.list_size))
    if types.is_list(kind) or types.is_large_list(kind):
        make = pa.list_ if types.is_list(kind) else pa.large_list
        return field.with_type(make(_changed(kind.value_field, change)))
    return field.with_type(kind)
