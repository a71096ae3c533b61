"""Which columns a stored table may have; checked before a byte is written.

The one idea: polars, pyarrow and DuckDB can all read a stored table, with the same meaning. A column that one of them
cannot hold, or that changes its type on the way to Arrow, is refused by name, rather than left to a writer that panics.
Checks by value (duplicate keys of a map, times beyond a day, decimals of 39 digits) are made by the logical hash.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.types

from artifact_pipelines.tabular.arrow_types import storage_type
from artifact_pipelines.tabular.exceptions import DuplicateColumnsError, UnsupportedColumnError

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType

_OBJECT = "Turn its values into text, numbers, lists or structs of these, or store the whole value as JSON."
_WIDE_INTEGER = "Cast it to Int64, or to Decimal(38, 0)."
_EMPTY = "Drop it, or give it a field."
_NO_LENGTH = "Drop it, or cast it to a type of any length."
_DICTIONARY = "Decode it: with dictionary_decode() in pyarrow, with astype(str) in pandas."
_KEYS = "Use text or numbers for keys, or a list of structs with a key and a value."
_FIELDS = "Give each of its fields a name of its own."
_NUL = "Rename it: a name may not contain a NUL character."
_RESERVED = "Rename it: pyarrow's datasets have a column of this name."
_RESERVED_NAMES = ("__filename", "__fragment_index", "__batch_index", "__last_in_fragment")
_CHANGED_BY_ARROW = ("time with time zone", "uhugeint", "bignum", "bit", "variant")
_CHANGED = "CAST it to a type that Arrow has, such as VARCHAR."
_NESTED_IN_DUCKDB = ("list", "array", "struct", "map", "union")


def check_frame_columns(schema: Mapping[str, pl.DataType]) -> None:
    """Raise `UnsupportedColumnError` if a column of a polars frame has a type or name that cannot be stored."""
    for name, kind in schema.items():
        remedy = _name_remedy(name) or _frame_remedy(kind)
        if remedy:
            raise UnsupportedColumnError(name, str(kind), remedy)


def check_arrow_columns(schema: pa.Schema) -> None:
    """Do the same for an Arrow table, and raise `DuplicateColumnsError` if columns have the same name."""
    repeated = [name for name, count in Counter(schema.names).items() if count > 1]
    if repeated:
        raise DuplicateColumnsError(repeated)
    for field in schema:
        remedy = _name_remedy(field.name) or _arrow_remedy(field.type)
        if remedy:
            raise UnsupportedColumnError(field.name, str(field.type), remedy)


def check_relation_columns(relation: "duckdb.DuckDBPyRelation") -> None:
    """Refuse columns of a DuckDB relation that DuckDB silently gives Arrow as another type. Does not run the query."""
    for name, kind in zip(relation.columns, relation.types, strict=True):
        if any(inner.id in _CHANGED_BY_ARROW for inner in _with_inner_types(kind)):
            raise UnsupportedColumnError(name, str(kind), _CHANGED)


def _with_inner_types(kind: "DuckDBPyType") -> "Sequence[DuckDBPyType]":
    if kind.id not in _NESTED_IN_DUCKDB:
        return [kind]
    children = [child for _, child in kind.children if not isinstance(child, int | list)]  # an array has a size too
    return [kind, *(inner for child in children for inner in _with_inner_types(child))]


def _name_remedy(name: str) -> str | None:
    return _NUL if "\0" in name else _RESERVED if name in _RESERVED_NAMES else None


def _frame_remedy(kind: pl.DataType) -> str | None:
    if kind == pl.Object:
        return _OBJECT
    if kind in (pl.Int128, pl.UInt128):
        return _WIDE_INTEGER
    if isinstance(kind, pl.Struct):
        inner = {field.name: field.dtype for field in kind.fields}
        return _fields_remedy(inner) or _first(map(_frame_remedy, inner.values()))  # type: ignore[arg-type]
    if isinstance(kind, pl.Array) and kind.size == 0:
        return _NO_LENGTH
    if isinstance(kind, pl.Map):
        return _KEYS if kind.key.is_nested() else _first(map(_frame_remedy, (kind.key, kind.value)))  # type: ignore[arg-type]
    if isinstance(kind, pl.List | pl.Array):
        return _frame_remedy(kind.inner)  # type: ignore[arg-type]
    return None


def _arrow_remedy(kind: pa.DataType) -> str | None:
    if isinstance(kind, pa.BaseExtensionType):
        return _arrow_remedy(kind.storage_type)
    for is_refused, remedy in _REFUSED:
        if is_refused(kind):
            return remedy
    if pyarrow.types.is_dictionary(kind):
        is_nested = pyarrow.types.is_nested(storage_type(kind.value_type))
        return _DICTIONARY if is_nested else _arrow_remedy(kind.value_type)
    inner = [kind.field(index) for index in range(kind.num_fields)]
    own = _fields_remedy([field.name for field in inner]) if pyarrow.types.is_struct(kind) else None
    return own or _first(_arrow_remedy(field.type) for field in inner)


def _fields_remedy(names: Collection[str]) -> str | None:
    if not names:
        return _EMPTY
    return _FIELDS if len({*names}) < len(names) else _NUL if any("\0" in name for name in names) else None


def _has_odd_zone(kind: pa.DataType) -> bool:
    """True if polars does not know the time zone: it would panic over the file."""
    if not pyarrow.types.is_timestamp(kind) or not kind.tz:
        return False
    try:
        pl.Series(dtype=pl.Int64).cast(pl.Datetime("us", kind.tz))
    except pl.exceptions.ComputeError:
        return True
    return False


def _first(remedies: Iterable[str | None]) -> str | None:
    return next((remedy for remedy in remedies if remedy), None)


_REFUSED = (
    (pyarrow.types.is_union, "Use a struct with a field for each type, or a column for each."),
    (pyarrow.types.is_interval, "Cast it to a duration, or to numbers of months, days and nanoseconds."),
    (pyarrow.types.is_run_end_encoded, "Decode it with pyarrow.compute.run_end_decode."),
    *((is_view, "Cast it to a list.") for is_view in (pyarrow.types.is_list_view, pyarrow.types.is_large_list_view)),
    (pyarrow.types.is_decimal256, "Cast it to decimal128, which has 38 digits, or to text."),
    (lambda kind: pyarrow.types.is_fixed_size_binary(kind) and kind.byte_width == 0, _NO_LENGTH),
    (lambda kind: pyarrow.types.is_fixed_size_list(kind) and kind.list_size == 0, _NO_LENGTH),
    (
        lambda kind: pyarrow.types.is_decimal(kind) and not 0 <= kind.scale <= kind.precision,
        "Cast it to a decimal with a scale between 0 and its precision.",
    ),
    (
        _has_odd_zone,
        "Cast it to a time zone that polars knows, such as 'Asia/Kolkata', to a full hour such as '+02:00', or to UTC.",
    ),
    (lambda kind: pyarrow.types.is_map(kind) and pyarrow.types.is_nested(kind.key_type), _KEYS),
)
