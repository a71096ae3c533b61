"""Values as the integers, floats or bytes that they are stored as, and their numbers.

Dates, times and decimals are measured so: Python's own types lack year 10000.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact_pipelines.tabular.arrow_types import storage_type
from artifact_pipelines.tabular.random_numbers import Numbers, numbers_of_positions

Values = npt.NDArray[Any]


def is_compared(kind: pa.DataType) -> bool:
    """True if values of a type have numbers, by which equal ones are found."""
    kind, types = value_type(kind), pa.types
    return is_number(kind) or is_time(kind) or is_text_like(kind) or bool(types.is_null(kind))


def is_number(kind: pa.DataType) -> bool:
    """True if values are numbers or booleans; decimals of more than 38 digits are not measured."""
    types = pa.types
    if types.is_decimal(kind):
        return bool(kind.precision <= 38)
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def is_time(kind: pa.DataType) -> bool:
    """True if values are dates, moments, times of day or durations."""
    return bool(pa.types.is_temporal(kind) and not pa.types.is_interval(kind))


def value_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values of a dictionary or an extension type; any other type unchanged."""
    kind = storage_type(kind)
    return value_type(kind.value_type) if pa.types.is_dictionary(kind) else kind


def is_text_like(kind: pa.DataType) -> bool:
    """True if values are texts or binaries."""
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def stored_numbers(kind: pa.DataType) -> pa.DataType:
    """Return the type of the numbers that values of a type are measured as."""
    types = pa.types
    if types.is_decimal(kind):
        return pa.decimal128(38, kind.scale)
    return pa.float64() if types.is_floating(kind) else pa.uint64() if types.is_uint64(kind) else pa.int64()


def physical_values(values: pa.Array) -> Values | None:
    """Return values without nulls as integers or floats of 64 bits; None for decimals that do not fit."""
    kind, types = values.type, pa.types
    if types.is_decimal(kind):
        words = decimal_words(values)
        fits = bool((words[:, 1] == words[:, 0] >> 63).all())
        return np.ascontiguousarray(words[:, 0]) if fits else None
    if types.is_boolean(kind):
        values = values.cast(pa.uint8())
    if types.is_temporal(kind):
        values = values.view(pa.int32() if kind.bit_width == 32 else pa.int64())
    numbers = values.to_numpy(zero_copy_only=False)
    wide: Values = numbers.astype(stored_numbers(kind).to_pandas_dtype(), copy=False)
    return wide


def decimal_words(values: pa.Array) -> npt.NDArray[np.int64]:
    """Return (n, 2) low and high halves of decimals."""
    wide = values.cast(pa.decimal128(38, values.type.scale))
    words = np.frombuffer(wide.buffers()[1], np.int64).reshape(-1, 2)
    return words[wide.offset : wide.offset + len(wide)]


def numbers_of(values: Values) -> Numbers:
    """Return the numbers of values of 64 bits: equal values have equal ones."""
    return numbers_of_positions(values.view(np.int64), seed=0)
