"""The logical hash of a table: a hash of its values, whatever wrote it, and however it is encoded, cut or compressed.

It hashes a text with the version of the rules, the number of rows, names and types, and three streams for each column:
nulls, values, and long texts. Each stream has a hasher that is fed batch by batch, so memory is bounded by a batch.
Nulls are a bit for each row, from the lowest of each byte: 1 for a value, 0 for a null. A null has the value 0. Numbers
are little-endian.

    Columns of                                 have the type                       and the values
    integers                                   int8 ... uint64                     unchanged
    booleans                                   bool                                a byte, 0 or 1
    floats of 16, 32 and 64 bits               float16, float32, float64           one NaN, one zero; 16 bits as 32
    decimals of any width                      decimal(precision, scale)           128 bits, above 38 digits 256
    dates                                      date                                days since 1970, 32 bits
    times, timestamps, durations               time[us], timestamp[us, zone], ...  64 bits, time[ms] 32; seconds are ms
    text: large, view or not                   string                              16 bytes, see below
    binary: large, view, of fixed size or not  binary                              16 bytes, see below
    lists: large, of fixed size or not         ["list", type]                      length, 32 bits; a column of elements
    structs                                    ["struct", [[name, type], ...]]     a column each, null in null structs
    maps, with unique keys                     lists of structs of key and value   the same
    dictionaries, categories                   the type of their values            the same
    extension types                            their storage type                  the same
    nulls                                      null                                none

The 16 bytes of a text or binary are its length in 32 bits, its bytes, and zeros. A text of more than 12 bytes has only
its first 4 bytes there, and all its bytes in the stream of long texts.

Names and order of columns and fields count, and so do the width of numbers, the unit and zone of times, and the order
of rows (but see `unordered_hash`). Values under a null do not count, nor the order of categories, nullability, or
metadata, except the facts that make pandas load a table differently (see `pandas_metadata`), which join the text.
Any change of these rules makes all stored data stale and needs another `RULES`.
"""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.tabular.arrow_types import decode_dictionary, entries_type, is_list, is_string
from artifact_pipelines.tabular.exceptions import ColumnValueError, UnsupportedTypeError
from artifact_pipelines.tabular.pandas_metadata import pandas_facts
from artifact_pipelines.tabular.text_views import fill_with_zeros, fixed_bytes, split_texts, take_texts

RULES = "3"
_DIGITS_128 = 38
_BITS_OF = {pa.float32(): pa.int32(), pa.float64(): pa.int64()}
_TICKS_OF_A_DAY = {"ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
_MOST_DAYS = 95_000_000  # 260,000 years
_SUPPORTED = ("numbers", "booleans", "text", "binary", "dates", "times", "decimals", "lists", "structs", "maps")
_PLAIN = {
    pa.bool_(): "bool",
    pa.null(): "null",
    pa.date32(): "date",
    pa.date64(): "date",
    pa.float16(): "float16",
    pa.float32(): "float32",
    pa.float64(): "float64",
}


class Hasher(Protocol):
    """Hashes bytes in pieces, as the hashes of `hashlib` do."""

    def update(self, data: bytes | bytearray | memoryview, /) -> object: ...  # noqa: D102

    def hexdigest(self) -> str: ...  # noqa: D102


MakeHasher = Callable[[], Hasher]


class TableHasher:
    """Hashes a table batch by batch, by the rules of this module.

    Raises:
        UnsupportedTypeError: A column has a type without a rule.
    """

    def __init__(self, schema: pa.Schema, make_hasher: MakeHasher) -> None:
        kinds = [canonical_type(field.type) for field in schema]
        self._names = [[name, kind] for name, kind in zip(schema.names, kinds, strict=True)]
        self._columns = [_Column(kind, make_hasher) for kind in kinds]
        self._facts = [facts] if (facts := pandas_facts(schema)) else []
        self._rows = 0
        self._make_hasher = make_hasher

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the next rows.

        Raises:
            ColumnValueError: A value is out of range of its type or of the hashed type, or a map has a duplicate key.
        """
        self._rows += batch.num_rows
        for (name, _), column, array in zip(self._names, self._columns, batch.columns, strict=True):
            try:
                column.update(array)
            except (pa.ArrowInvalid, pa.ArrowCapacityError) as error:
                raise ColumnValueError(name, str(array.type), str(error)) from error

    def hexdigest(self) -> str:
        """Return the logical hash of all rows added so far."""
        whole = self._make_hasher()
        whole.update(json.dumps([RULES, self._rows, self._names, *self._facts], sort_keys=True).encode())
        for column in self._columns:
            for digest in column.digests():
                whole.update(digest.encode())
        return whole.hexdigest()


def canonical_type(kind: pa.DataType) -> Any:
    """Return the properties of a type that count: a text, `["list", type]`, or `["struct", [[name, type], ...]]`."""
    if isinstance(kind, pa.BaseExtensionType):
        return canonical_type(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return canonical_type(kind.value_type)
    if pa.types.is_map(kind):
        return canonical_type(entries_type(kind))
    if is_list(kind):
        return ["list", canonical_type(kind.value_type)]
    if pa.types.is_struct(kind):
        return ["struct", [[field.name, canonical_type(field.type)] for field in kind]]
    if pa.types.is_integer(kind):
        return str(kind)
    return _PLAIN.get(kind) or _name_of_parametric(kind)


def _name_of_parametric(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    if _is_text(kind):
        return "string" if is_string(kind) else "binary"
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind):
        name = "timestamp" if pa.types.is_timestamp(kind) else "time" if pa.types.is_time(kind) else "duration"
        unit = "ms" if kind.unit == "s" else kind.unit  # Parquet has no seconds
        zone = kind.tz if pa.types.is_timestamp(kind) else None
        return f"{name}[{unit}, {zone}]" if zone else f"{name}[{unit}]"
    raise UnsupportedTypeError("store as a table", str(kind), _SUPPORTED)


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    is_binary = types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)
    return bool(is_string(kind) or is_binary or types.is_fixed_size_binary(kind))


class _Bits:
    """Hashes booleans, eight in a byte."""

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher
        self._held = pa.array([], pa.bool_())  # those that do not fill a byte yet

    def update(self, bits: pa.BooleanArray) -> None:
        together = pa.concat_arrays([self._held, bits])  # its bits start at a byte, unlike those of a slice
        whole_bytes = len(together) // 8
        self._hasher.update(memoryview(together.buffers()[1])[:whole_bytes])
        self._held = together[8 * whole_bytes :]

    def hexdigest(self) -> str:
        """Return the hash; the last byte is filled up with zeros. Add nothing afterwards."""
        last = sum(bit.as_py() << place for place, bit in enumerate(self._held))
        self._hasher.update(bytes([last]))
        return self._hasher.hexdigest()


class _Column:
    """One column: its own streams, and the columns nested in it."""

    def __init__(self, kind: Any, make_hasher: MakeHasher) -> None:
        inner = [] if isinstance(kind, str) else [kind[1]] if kind[0] == "list" else [k for _, k in kind[1]]
        self._children = [_Column(child, make_hasher) for child in inner]
        self._kind = kind
        self._nulls = _Bits(make_hasher())
        self._values, self._long_texts = make_hasher(), make_hasher()

    def update(self, array: pa.Array) -> None:
        if not len(array) or self._kind == "null":
            return
        array = _encode_plainly(array)
        self._nulls.update(array.is_valid())
        if pa.types.is_struct(array.type):
            for column, child in zip(self._children, array.flatten(), strict=True):
                column.update(child)
        elif is_list(array.type):
            lengths = fill_with_zeros(pc.list_value_length(array).cast(pa.int32()))
            self._values.update(fixed_bytes(lengths))
            self._children[0].update(array.flatten())  # without values under nulls
        elif _is_text(array.type):
            for heads, long_texts in split_texts(array):
                self._values.update(heads)
                for text in long_texts:
                    self._long_texts.update(text)
        else:
            _check_range(array)
            self._values.update(fixed_bytes(_canonical_numbers(array)))

    def digests(self) -> Iterator[str]:
        """Yield the hashes of its streams, then of the nested columns."""
        for hasher in (self._nulls, self._values, self._long_texts):
            yield hasher.hexdigest()
        for child in self._children:
            yield from child.digests()


def _encode_plainly(array: pa.Array) -> pa.Array:
    """Return the same values in the one encoding of their canonical type."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _encode_plainly(array.storage)
    if pa.types.is_dictionary(kind):
        is_text = _is_text(kind.value_type)
        return take_texts(array) if is_text else _encode_plainly(decode_dictionary(array))
    if pa.types.is_map(kind):
        lists = array.cast(entries_type(kind))
        if not pa.types.is_nested(kind.key_type):
            _check_keys(lists)
        return lists
    plain = _plain_type(kind)
    return array if plain == kind else array.cast(plain)


def _check_keys(maps: pa.ListArray) -> None:
    """Refuse a map with a duplicate key: readers disagree about its value."""
    keys = _encode_plainly(maps.flatten().flatten()[0])  # without keys under nulls
    if _is_text(keys.type):
        keys = keys.cast(pa.large_binary())
    if pa.types.is_floating(keys.type):
        keys = _canonical_numbers(keys)
    rows = pc.list_parent_indices(maps)
    pairs = pa.table([rows.filter(maps.is_valid().take(rows)), keys], ["row", "key"])
    if pairs.group_by(["row", "key"]).aggregate([]).num_rows < len(pairs):
        raise pa.ArrowInvalid("a map has a duplicate key")


def find_problem(times: pa.Array) -> str | None:
    """Return why some dates or times cannot be stored; None: all can."""
    try:
        _check_range(_encode_plainly(times))
    except pa.ArrowInvalid as error:
        return str(error)
    return None


def _check_range(numbers: pa.Array) -> None:
    """Refuse values that their type does not allow but its memory does, and dates that make polars panic."""
    kind, types = numbers.type, pa.types
    if types.is_decimal(kind):  # a HUGEINT of DuckDB may have more digits than its type
        numbers.validate(full=True)
    if types.is_time(kind) and not _is_between(numbers, 0, _TICKS_OF_A_DAY[kind.unit] - 1):  # each reader shows another
        raise pa.ArrowInvalid("a time is not within a day")
    if types.is_date(kind) or types.is_timestamp(kind):
        most = _MOST_DAYS * (1 if types.is_date(kind) else _TICKS_OF_A_DAY[kind.unit])
        if not _is_between(numbers, -most, most):
            raise pa.ArrowInvalid("a date is infinite or more than 260,000 years away from 1970")


def _is_between(times: pa.Array, least: int, most: int) -> bool:
    """True if all values that are not null are between these numbers of units."""
    numbers = times.view(f"int{times.type.bit_width}")
    if times.null_count == len(times):
        return True
    return bool(least <= pc.min(numbers).as_py() and pc.max(numbers).as_py() <= most)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_decimal(kind):
        wide = pa.decimal128 if kind.precision <= _DIGITS_128 else pa.decimal256
        return wide(kind.precision, kind.scale)
    if kind == pa.float16():
        return pa.float32()
    if kind == pa.date64():
        return pa.date32()
    if kind == pa.time32("s"):
        return pa.time32("ms")
    if types.is_timestamp(kind) and kind.unit == "s":
        return pa.timestamp("ms", kind.tz)
    return pa.duration("ms") if kind == pa.duration("s") else kind


def _canonical_numbers(array: pa.Array) -> pa.Array:
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    array = fill_with_zeros(array)
    if not pa.types.is_floating(array.type):
        return array
    if pc.min(array.view(bits := _BITS_OF[array.type])).as_py() == -(1 << bits.bit_width - 1):
        array = pc.add(array, pa.scalar(0.0, array.type))  # the bits are those of -0.0, and -0.0 + 0.0 is 0.0
    if not math.isnan(pc.sum(array).as_py()):  # a sum takes half the time of testing each number
        return array
    return pc.if_else(pc.is_nan(array), pa.scalar(float("nan"), array.type), array)
