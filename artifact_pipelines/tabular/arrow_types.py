"""Arrow types: the questions about them that several modules ask, and changes of types inside nested types."""

from collections.abc import Callable

import pyarrow as pa

ChangeType = Callable[[pa.DataType], pa.DataType]


def is_string(kind: pa.DataType) -> bool:
    """True if the values are texts."""
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_list(kind: pa.DataType) -> bool:
    """True if the values are lists; maps and views of lists are not."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def storage_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that an extension type is stored as; any other type unchanged."""
    return storage_type(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else kind


def entries_type(kind: pa.MapType) -> pa.DataType:
    """Return the list type that holds the same entries as a map type."""
    return pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))


def decodable_type(kind: pa.DataType) -> pa.DataType:
    """Return a dictionary type of the same values that Arrow can decode; any other type unchanged.

    Arrow has no kernel for dictionaries of views, which is how polars holds its categories.
    """
    if not pa.types.is_dictionary(kind):
        return kind
    if pa.types.is_string_view(kind.value_type):
        return pa.dictionary(kind.index_type, pa.large_string(), kind.ordered)
    if pa.types.is_binary_view(kind.value_type):
        return pa.dictionary(kind.index_type, pa.large_binary(), kind.ordered)
    return kind


def decode_dictionary(array: pa.DictionaryArray) -> pa.Array:
    """Return the value of every row, in the value type of `decodable_type`."""
    return array.cast(decodable_type(array.type)).dictionary_decode()


def change_types(schema: pa.Schema, change: ChangeType) -> pa.Schema:
    """Return the schema with every type changed: first lists, structs and maps themselves, then the types inside."""
    return pa.schema([_change_field(field, change) for field in schema], schema.metadata)


def _change_field(field: pa.Field, change: ChangeType) -> pa.Field:
    kind, types = change(field.type), pa.types
    if types.is_struct(kind):
        return field.with_type(pa.struct([_change_field(inner, change) for inner in kind]))
    if types.is_map(kind):
        return field.with_type(pa.map_(_change_field(kind.key_field, change), _change_field(kind.item_field, change)))
    if types.is_fixed_size_list(kind):
        return field.with_type(pa.list_(_change_field(kind.value_field, change), kind.list_size))
    if types.is_list(kind) or types.is_large_list(kind):
        make = pa.list_ if types.is_list(kind) else pa.large_list
        return field.with_type(make(_change_field(kind.value_field, change)))
    return field.with_type(kind)
