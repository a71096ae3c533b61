"""Categories that have an order keep it: as polars' Enum, which every stored table can hold."""

import itertools
from collections.abc import Iterable, Iterator

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import SchemaMismatchError

_ENUM = b"_PL_ENUM_VALUES2"
"""Key in a field's metadata: polars and its readers know the categories in their order by it."""


def with_category_order(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], label: str
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Return a table whose columns of ordered texts say their order in the metadata of their field.

    Raises:
        SchemaMismatchError: While reading: the categories of a column change within the file.
    """
    read = iter(batches)
    ordered = [field.name for field in schema if _is_ordered(field)]
    first = next(read, None) if ordered else None
    if first is None:
        return schema, read
    categories = {name: first.column(name).dictionary for name in ordered}
    fields = [_with_order(field, categories[field.name]) if field.name in ordered else field for field in schema]
    return pa.schema(fields), _checked(itertools.chain([first], read), categories, label)


def order_of(field: pa.Field) -> dict[bytes, bytes] | None:
    """Return the part of a field's metadata that says the order of its categories."""
    found = (field.metadata or {}).get(_ENUM)
    return None if found is None else {_ENUM: found}


def _is_ordered(field: pa.Field) -> bool:
    kind = field.type
    return (
        pa.types.is_dictionary(kind)
        and kind.ordered
        and (pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type))
        and order_of(field) is None
    )


def _with_order(field: pa.Field, categories: pa.Array) -> pa.Field:
    texts = [text.encode() for text in categories.to_pylist()]
    return field.with_metadata({_ENUM: b"".join(b"%d;%b" % (len(text), text) for text in texts)})


def _checked(
    batches: Iterable[pa.RecordBatch], categories: dict[str, pa.Array], label: str
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for name, known in categories.items():
            if not batch.column(name).dictionary.equals(known):
                problem = f"the ordered categories of column {name!r} change within the file"
                remedy = "In the program that writes the file, give all rows the same categories, or write texts"
                raise SchemaMismatchError(label, problem, remedy)
        yield batch
