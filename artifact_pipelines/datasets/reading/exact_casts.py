"""Casts of typed columns: each value stays what it is, or is refused by its row."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.datasets.exceptions import RefusedValueError


def cast_batches(batches: Iterable[pa.RecordBatch], schema: pa.Schema, label: str) -> Iterator[pa.RecordBatch]:
    """Yield batches with the types of a schema.

    Raises:
        RefusedValueError: A value cannot have the type without becoming another one.
    """
    row = 1
    for batch in batches:
        columns = [_cast(batch.column(field.name), field, label, row) for field in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
        row += batch.num_rows


def _cast(column: pa.Array, field: pa.Field, label: str, row: int) -> pa.Array:
    if column.type == field.type:
        return column
    if (found := _exactly(column, field.type)) is not None:
        return found
    for place in range(len(column)):
        if _exactly(column.slice(place, 1), field.type) is None:
            value = str(column[place])
            raise RefusedValueError(label, row + place, field.name, value, f"a value of {field.type}", "row")
    raise AssertionError(f"column {field.name!r} of {label} cannot be cast, but each of its values can")


def _exactly(column: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Return a column as another type, if the way back gives the same values."""
    try:
        if pa.types.is_integer(column.type) and pa.types.is_decimal(kind):
            # Arrow asks for digits for all values that the type of the column could have.
            column = pc.cast(column, pa.decimal256(76, kind.scale))
        found = pc.cast(column, kind)
        back = pc.cast(found, column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return found if back.equals(column) else None
