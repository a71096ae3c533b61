"""Casts of typed columns: each value stays what it is, or is refused by its row."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.datasets.exceptions import RefusedValueError
from artifact_pipelines.datasets.reading.column_types import TEXT, ColumnType
from artifact_pipelines.datasets.reading.nested_types import arrow_type
from artifact_pipelines.datasets.reading.shown_values import shown


def cast_batches(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, rules: Mapping[str, ColumnType], label: str
) -> Iterator[pa.RecordBatch]:
    """Yield batches with the types of a schema.

    Args:
        rules: For texts in columns of other types.

    Raises:
        RefusedValueError: A value cannot have the type without becoming another one.
    """
    row = 1
    for batch in batches:
        columns = []
        for field in schema:
            column, rule = batch.column(field.name), rules.get(field.name, TEXT)
            is_written = rule != TEXT and is_text(column.type)
            columns.append(_read(column, rule, field, label, row) if is_written else _cast(column, field, label, row))
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
        row += batch.num_rows


def is_text(kind: pa.DataType) -> bool:
    """True if a type is that of texts, however they are laid out."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _read(column: pa.Array, rule: ColumnType, field: pa.Field, label: str, row: int) -> pa.Array:
    texts = pl.Series(pc.cast(column, pa.large_string()))
    if (wrong := rule.misfits(texts)).len():
        place = int(wrong[0])
        raise RefusedValueError(label, row + place, field.name, str(texts[place]), rule.expected, "row")
    return rule.convert(texts)


def _cast(column: pa.Array, field: pa.Field, label: str, row: int) -> pa.Array:
    if column.type == field.type:
        return column
    if (found := cast_exactly(column, field.type)) is not None:
        return found
    wrong = (at for at in range(len(column)) if cast_exactly(column.slice(at, 1), field.type) is None)
    place = next(wrong, 0)
    value = f"{shown(column[place])} ({column.type})"
    raise RefusedValueError(label, row + place, field.name, value, f"a value of {field.type}", "row")


def cast_exactly(column: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Return a column as another type, if the way back gives the same values with the same meaning; else None."""
    if column.null_count == len(column):
        return pa.nulls(len(column), kind)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()  # the order of its values means nothing
    if is_list(column.type) and is_list(kind):
        return _list_exactly(column, kind)
    if pa.types.is_struct(column.type) and pa.types.is_struct(kind):
        return _struct_exactly(column, kind)
    if _means_another_thing(column.type, kind) or _loses_sign(column, kind):
        return None
    try:
        if pa.types.is_integer(column.type) and pa.types.is_decimal(kind):
            # Arrow asks for digits for all values that the type of the column could have.
            column = pc.cast(column, pa.decimal256(76, kind.scale))
        found = pc.cast(column, kind)
        back = pc.cast(found, column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return found if _without_nan(back).equals(_without_nan(column)) else None


def is_list(kind: pa.DataType) -> bool:
    """True if a type is that of lists of any length."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _list_exactly(column: pa.Array, kind: pa.DataType) -> pa.Array | None:
    items = cast_exactly(column.flatten(), kind.value_type)
    if items is None:
        return None
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    ends = np.concatenate(([0], np.cumsum(lengths)))
    of_kind = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
    offsets = pa.array(ends, pa.int64() if of_kind is pa.LargeListArray else pa.int32())
    return of_kind.from_arrays(offsets, items, type=kind, mask=column.is_null())


def _struct_exactly(column: pa.Array, kind: pa.DataType) -> pa.Array | None:
    found = dict(zip([field.name for field in column.type], column.flatten(), strict=True))
    if found.keys() - {field.name for field in kind}:
        return None
    fields = [
        cast_exactly(found[field.name], field.type) if field.name in found else pa.nulls(len(column), field.type)
        for field in kind
    ]
    if any(field is None for field in fields):
        return None
    return pa.StructArray.from_arrays(fields, fields=list(kind), mask=column.is_null())


def _means_another_thing(kind: pa.DataType, other: pa.DataType) -> bool:
    """True if a cast would keep bits and not their meaning: an integer is no moment, a moment with a zone is no day.

    A day and midnight without a zone mean the same: some programs, such as pandas, have no type of days.
    """
    meaning = _meaning(kind)
    return meaning not in (None, _meaning(other)) and not is_text(other)


def _meaning(kind: pa.DataType) -> str | None:
    """Return what values of a type are; None: there are none."""
    if pa.types.is_dictionary(kind):
        return _meaning(kind.value_type)
    if pa.types.is_null(kind):
        return None
    if pa.types.is_map(kind):
        return f"map of {_meaning(kind.key_type)} and {_meaning(kind.item_type)}"
    if pa.types.is_fixed_size_list(kind):
        return f"{kind.list_size} of {_meaning(kind.value_type)}"
    if pa.types.is_timestamp(kind):
        return "date" if kind.tz is None else "moment"
    return next((meaning for meaning, is_one in _MEANINGS if is_one(kind)), str(kind))


_MEANINGS = (
    ("number", pa.types.is_integer),
    ("number", pa.types.is_floating),
    ("number", pa.types.is_decimal),
    ("date", pa.types.is_date),
    ("time", pa.types.is_time),
    ("duration", pa.types.is_duration),
    ("text", is_text),
)


def _loses_sign(column: pa.Array, kind: pa.DataType) -> bool:
    """True if minus zero would become zero, which is equal to it."""
    if not pa.types.is_floating(column.type) or pa.types.is_floating(kind) or is_text(kind):
        return False
    values = column.drop_null().to_numpy(zero_copy_only=False)
    return bool((np.signbit(values) & (values == 0)).any())


def _without_nan(column: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_nan(column), None, column) if pa.types.is_floating(column.type) else column


_UNITS = ("s", "ms", "us", "ns")


def common_type(before: str, found: pa.DataType, widens: bool) -> pa.DataType | None:
    """Return the type to which a column is cast that no text could have; None: its values mean another thing.

    Args:
        before: Name of the type in the version before.
        found: Type in the file.
        widens: True if it may be wider than before.
    """
    if before == "null" or (widens and before == "dictionary<string>" and is_text(found)):
        return found
    kept = arrow_type(before)
    if kept is None or not (pa.types.is_null(found) or _meaning(found) == _meaning(kept)):
        return None
    return _finer(kept, found) if widens else kept


def _finer(kept: pa.DataType, found: pa.DataType) -> pa.DataType:
    """Return the type in the unit of the other, if that is finer; dates and null have no unit."""
    unit, other = getattr(kept, "unit", None), getattr(found, "unit", None)
    if unit is None or other is None or _UNITS.index(other) <= _UNITS.index(unit):
        return kept
    return pa.timestamp(other, kept.tz) if pa.types.is_timestamp(kept) else found
