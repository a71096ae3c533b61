"""Tables that come with types, such as those of Parquet: they are kept, or cast exactly to those that are expected."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import RefusedValueError, SchemaMismatchError, UnparsableSourceError
from artifact_pipelines.datasets.interfaces import OpenTable
from artifact_pipelines.datasets.reading.category_order import order_of, with_category_order
from artifact_pipelines.datasets.reading.columns import MOST_EXAMPLES, check_columns
from artifact_pipelines.datasets.reading.contract import Contract, arrow_name
from artifact_pipelines.datasets.reading.exact_casts import cast_batches, common_type, is_list
from artifact_pipelines.datasets.reading.named_types import declared_type, type_of_arrow
from artifact_pipelines.datasets.reading.nested_types import fields_of, items_of, joined_fields, other_type
from artifact_pipelines.datasets.reading.shown_values import shown
from artifact_pipelines.datasets.reading.spelling import PLAIN
from artifact_pipelines.datasets.reading.typed_rows import widened
from artifact_pipelines.tabular.exceptions import UnsupportedColumnError
from artifact_pipelines.tabular.logical_hash import find_problem
from artifact_pipelines.tabular.storable_columns import check_arrow_columns


def open_typed(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], contract: Contract, label: str, file_format: str
) -> OpenTable:
    """Return a table whose columns have the types of the contract, or else their own.

    Raises:
        UnparsableSourceError: While reading: the data are damaged.
        SchemaMismatchError: The columns are not those of the contract.
        RefusedValueError: While reading: a value does not have the expected type.
    """
    _check_periods(schema, label)
    schema, read = with_category_order(schema, _translated(batches, label, file_format), label)

    @functools.cache
    def first() -> pa.RecordBatch | None:  # for an error: the table is not read on
        return next(read, None)

    def examples(place: int) -> Sequence[str]:
        batch = first()
        return [shown(value) for value in batch.column(place).drop_null()[:MOST_EXAMPLES]] if batch else []

    check_columns(schema.names, contract, label, examples)
    expected = pa.schema([_expected_field(field, contract, label) for field in schema])
    _check_storable(expected, label)
    known = {field.name: rule for field in expected if (rule := type_of_arrow(arrow_name(field.type)))}
    rules = {**known, **contract.declared_types(PLAIN)}
    batches = _with_storable_times(cast_batches(read, expected, rules, label), label)
    return OpenTable(pa.RecordBatchReader.from_batches(expected, batches))


def _with_storable_times(batches: Iterable[pa.RecordBatch], label: str) -> Iterator[pa.RecordBatch]:
    """Yield batches, or refuse a date or time that no stored table may have, by its row."""
    row = 1
    for batch in batches:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if pa.types.is_temporal(column.type) and (problem := find_problem(column)):
                place = next(at for at in range(len(column)) if find_problem(column.slice(at, 1)))
                expected = f"a value that a table can hold: {problem}"
                raise RefusedValueError(label, row + place, name, shown(column[place]), expected, "row")
        yield batch
        row += batch.num_rows


def _check_periods(schema: pa.Schema, label: str) -> None:
    """Refuse periods of pandas, such as months, which all other programs take for numbers."""
    for field in schema:
        named = getattr(field.type, "extension_name", None) or (field.metadata or {}).get(b"ARROW:extension:name", b"")
        if named in ("pandas.period", b"pandas.period"):
            problem = f"column {field.name!r} holds periods of pandas, which are numbers for all other programs"
            raise SchemaMismatchError(label, problem, "In the program that writes the file: cast them with astype(str)")


def _check_storable(schema: pa.Schema, label: str) -> None:
    """Refuse columns that no stored table may have, or none at all."""
    if not schema.names:
        raise SchemaMismatchError(label, "it has no columns", "Export the file again")
    try:
        check_arrow_columns(schema)
    except UnsupportedColumnError as error:
        problem = f"column {error.column!r} is {error.type_name}, which a table cannot hold"
        raise SchemaMismatchError(
            label, problem, f"In the program that writes the file: {error.remedy.rstrip('.')}"
        ) from error


def _expected_field(field: pa.Field, contract: Contract, label: str) -> pa.Field:
    kind = _expected(field, contract, label)
    return pa.field(field.name, kind, metadata=order_of(field) if kind == field.type else None)


def _expected(field: pa.Field, contract: Contract, label: str) -> pa.DataType:
    if field.name in contract.columns:
        return declared_type(contract.columns[field.name]).arrow
    before = contract.kept.get(field.name)
    if before is None:
        return field.type
    return _joined(before, field.type, contract, label, field.name)


def _joined(before: str, found: pa.DataType, contract: Contract, label: str, path: str) -> pa.DataType:
    """Return the type of the version before, as wide as the contract allows and values of another type need.

    Args:
        path: Column, or place in it.
    """
    if before == arrow_name(found):
        return found
    if is_list(found) and (items := items_of(before)):
        kind = _joined(items, found.value_type, contract, label, f"{path}[]")
        of_kind = pa.large_list if pa.types.is_large_list(found) else pa.list_
        return of_kind(pa.field(found.value_field.name, kind))
    if pa.types.is_struct(found) and (fields := fields_of(before)):
        return _joined_struct(fields, found, contract, label, path)
    widens = contract.on_schema_change == "widen"
    known, now = type_of_arrow(before), type_of_arrow(arrow_name(found))
    if known and now:
        wider = widened(known, now) if widens else None
        return (wider or known).arrow
    if (kind := common_type(before, found, widens)) is None:
        raise other_type(path, found, before, contract, label)
    return kind


def _joined_struct(
    before: Mapping[str, str], found: pa.DataType, contract: Contract, label: str, path: str
) -> pa.DataType:
    kinds = {field.name: field.type for field in found}
    fields = []
    for name in joined_fields(before, kinds, contract, label, path):
        kind, kept, place = kinds.get(name, pa.null()), before.get(name), f"{path}.{name}"
        fields.append((name, kind if kept is None else _joined(kept, kind, contract, label, place)))
    return pa.struct(fields)


def _translated(batches: Iterable[pa.RecordBatch], label: str, file_format: str) -> Iterator[pa.RecordBatch]:
    try:
        for batch in batches:
            batch.validate()  # damaged offsets are found where they are used: by a crash, perhaps
            yield batch
    except MemoryError:  # Arrow's is an `ArrowException` too
        raise
    except (pa.ArrowException, OSError) as error:
        if getattr(error, "errno", None) is not None:  # of the disk, not of the data
            raise
        raise UnparsableSourceError(label, file_format, "its data are damaged") from error
