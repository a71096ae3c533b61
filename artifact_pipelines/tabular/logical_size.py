"""How many bytes a table's values are: lengths of texts, widths of numbers; how it lies in memory does not count.

So the size of rows is the sum of that of each, and whatever is cut by it is cut the same wherever the rows come from.
"""

import pyarrow as pa
import pyarrow.compute as pc

_VIEW_WORDS = 4


def logical_bytes(rows: pa.RecordBatch) -> int:
    """Return the size of some rows. A null is as large as any value of fixed width; as a text or a list it is empty."""
    return sum(_bytes(column) for column in rows.columns)


def fixed_width(kind: pa.DataType) -> int | None:
    """Return the number of bytes of a value where any value has as many, and few; else None."""
    types = pa.types
    if types.is_primitive(kind) or types.is_decimal(kind):
        return int(kind.bit_width + 7) // 8
    return 0 if types.is_null(kind) else None


def _bytes(array: pa.Array) -> int:
    kind, types = array.type, pa.types
    if (width := _width(kind)) is not None:
        return len(array) * width
    if isinstance(kind, pa.BaseExtensionType):
        return _bytes(array.storage)
    if types.is_dictionary(kind):  # not decoded: a few large texts may stand in very many rows
        return _sum(_lengths(array.dictionary).take(array.indices))
    if types.is_struct(kind):
        return sum(_bytes(child) for child in array.flatten())
    if types.is_map(kind):
        return _bytes(array.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))))
    if types.is_nested(kind):
        width = fixed_width(kind.value_type)
        return _bytes(array.flatten()) if width is None else _sum(pc.list_value_length(array)) * width
    return _sum(_lengths(array))


def _width(kind: pa.DataType) -> int | None:
    """Return the number of bytes of a value where any value has as many, be they few or not; else None."""
    if isinstance(kind, pa.BaseExtensionType):
        return _width(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _width(kind.value_type)
    return int(kind.byte_width) if pa.types.is_fixed_size_binary(kind) else fixed_width(kind)


def _lengths(array: pa.Array) -> pa.Array:
    """Return the length of every text, null where it is null."""
    if isinstance(array.type, pa.BaseExtensionType):
        return _lengths(array.storage)
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        return pc.if_else(array.is_valid(), _view_lengths(array), None)
    return pc.binary_length(array)


def _sum(lengths: pa.Array) -> int:
    return int(pc.sum(lengths).as_py() or 0)


def _view_lengths(array: pa.Array) -> pa.Array:
    """Return the length of every view: the first of its four words."""
    words = pa.Array.from_buffers(
        pa.int32(), _VIEW_WORDS * len(array), [None, array.buffers()[1]], offset=_VIEW_WORDS * array.offset
    )
    return pc.list_element(pa.FixedSizeListArray.from_arrays(words, _VIEW_WORDS), 0)
