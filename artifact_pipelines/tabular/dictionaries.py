"""Dictionaries decoded, also those that Arrow has no kernel for: of texts as views, as polars holds its categories."""

import pyarrow as pa


def decoded(array: pa.DictionaryArray) -> pa.Array:
    """Return the value of every row; the type of the values is that of `decodable_type`."""
    return array.cast(decodable_type(array.type)).dictionary_decode()


def decodable_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of dictionaries that Arrow can decode, with the same values; any other type as it is."""
    if not pa.types.is_dictionary(kind):
        return kind
    if pa.types.is_string_view(kind.value_type):
        return pa.dictionary(kind.index_type, pa.large_string(), kind.ordered)
    if pa.types.is_binary_view(kind.value_type):
        return pa.dictionary(kind.index_type, pa.large_binary(), kind.ordered)
    return kind
