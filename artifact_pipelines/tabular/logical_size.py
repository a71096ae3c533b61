"""How many bytes a table's values are: lengths of texts, widths of numbers; how it lies in memory does not count.

So the size of rows is the sum of that of each, and whatever is cut by it is cut the same wherever the rows come from.
"""

import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.tabular.dictionaries import decoded

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
    if (width := fixed_width(kind)) is not None:
        return len(array) * width
    if isinstance(kind, pa.BaseExtensionType):
        return _bytes(array.storage)
    if types.is_fixed_size_binary(kind):
        return len(array) * int(kind.byte_width)
    if types.is_dictionary(kind):
        return _bytes(decoded(array))
    if types.is_struct(kind):
        return sum(_bytes(child) for child in array.flatten())
    if types.is_map(kind):
        return _bytes(array.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))))
    if types.is_nested(kind):
        width = fixed_width(kind.value_type)
        return _bytes(array.flatten()) if width is None else _sum(pc.list_value_length(array)) * width
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return _sum(pc.if_else(array.is_valid(), _view_lengths(array), 0))
    return _sum(pc.binary_length(array))


def _sum(lengths: pa.Array) -> int:
    return int(pc.sum(lengths).as_py() or 0)


def _view_lengths(array: pa.Array) -> pa.Array:
    """Return the length of every view: the first of its four words."""
    words = pa.Array.from_buffers(
        pa.int32(), _VIEW_WORDS * len(array), [None, array.buffers()[1]], offset=_VIEW_WORDS * array.offset
    )
    return pc.list_element(pa.FixedSizeListArray.from_arrays(words, _VIEW_WORDS), 0)
