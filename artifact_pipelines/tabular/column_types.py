"""What a column may be, looked at before a byte is written.

One idea: a table that is stored can be read by polars, pyarrow and DuckDB alike. What one of them cannot hold is
refused by name, not left to a writer that panics, as polars does over objects in lists, taking the process with it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import polars as pl
import pyarrow as pa
import pyarrow.types

from artifact_pipelines.core.exceptions import DuplicateColumnsError, UnsupportedColumnError

_OBJECT = "Turn its values into text, numbers, lists or structs of these, or store the whole value as JSON."
_WIDE_INTEGER = "Cast it to Int64, or to Decimal(38, 0)."
_EMPTY = "Drop it, or give it a field."
_UNION = "Use a struct with a field for each type, or a column for each."
_INTERVAL = "Cast it to a duration, or to numbers of months, days and nanoseconds."
_VIEW = "Cast it to a list."
_RUNS = "Decode it with pyarrow.compute.run_end_decode."
_DECIMAL = "Cast it to decimal128, which has 38 digits, or to text."
_DICTIONARY = "Decode it with dictionary_decode()."


def check_frame_columns(schema: Mapping[str, pl.DataType]) -> None:
    """Refuse columns of a polars frame that cannot be stored.

    Raises:
        UnsupportedColumnError: There is one.
    """
    for name, kind in schema.items():
        remedy = _frame_remedy(kind)
        if remedy:
            raise UnsupportedColumnError(name, str(kind), remedy)


def check_arrow_columns(schema: pa.Schema) -> None:
    """Refuse columns of an Arrow table that cannot be stored.

    Raises:
        DuplicateColumnsError: Columns have the same name.
        UnsupportedColumnError: There is one of a type that cannot be stored.
    """
    _check_names(schema.names)
    for field in schema:
        remedy = _arrow_remedy(field.type)
        if remedy:
            raise UnsupportedColumnError(field.name, str(field.type), remedy)


def _check_names(names: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DuplicateColumnsError(repeated)


def _frame_remedy(kind: pl.DataType) -> str | None:
    if kind == pl.Object:
        return _OBJECT
    if kind in (pl.Int128, pl.UInt128):
        return _WIDE_INTEGER
    if isinstance(kind, pl.Struct):
        inner = [field.dtype for field in kind.fields]
        return _first(_frame_remedy(dtype) for dtype in inner) if inner else _EMPTY  # type: ignore[arg-type]
    if isinstance(kind, pl.Array) and kind.size == 0:
        return _EMPTY
    if isinstance(kind, pl.List | pl.Array):
        return _frame_remedy(kind.inner)  # type: ignore[arg-type]
    return None


def _arrow_remedy(kind: pa.DataType) -> str | None:
    if isinstance(kind, pa.BaseExtensionType):
        return _arrow_remedy(kind.storage_type)
    for is_such, remedy in _REFUSED:
        if is_such(kind):
            return remedy
    if pyarrow.types.is_dictionary(kind):
        nested = pyarrow.types.is_nested(kind.value_type)
        return _DICTIONARY if nested else _arrow_remedy(kind.value_type)
    if pyarrow.types.is_struct(kind) and kind.num_fields == 0:
        return _EMPTY
    return _first(_arrow_remedy(kind.field(index).type) for index in range(kind.num_fields))


def _first(remedies: Iterable[str | None]) -> str | None:
    return next((remedy for remedy in remedies if remedy), None)


_REFUSED = (
    (pyarrow.types.is_union, _UNION),
    (pyarrow.types.is_interval, _INTERVAL),
    (pyarrow.types.is_run_end_encoded, _RUNS),
    (pyarrow.types.is_list_view, _VIEW),
    (pyarrow.types.is_large_list_view, _VIEW),
    (pyarrow.types.is_decimal256, _DECIMAL),
)
