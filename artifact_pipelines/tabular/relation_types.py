"""What a column of a DuckDB relation may be: not of a type that becomes another one on its way to Arrow, in silence.

Types that Arrow has and Parquet has not are found in Arrow's schema, see `column_types`. A HUGEINT of more than 38
digits is found where values are hashed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from artifact_pipelines.tabular.exceptions import UnsupportedColumnError

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType

_REMEDIES = {
    "time with time zone": "CAST it to TIME, which has no offset, or to VARCHAR.",
    "uhugeint": "CAST it to HUGEINT, of which 38 digits can be stored, or to VARCHAR.",
    "bignum": "CAST it to VARCHAR.",
    "bit": "CAST it to VARCHAR.",
    "variant": "CAST it to JSON, or to the type that its values have.",
}
_NESTED = ("list", "array", "struct", "map", "union")


def check_relation_columns(relation: "duckdb.DuckDBPyRelation") -> None:
    """Refuse columns that Arrow would be given as something else; the query does not run.

    Raises:
        UnsupportedColumnError: There is one.
    """
    for name, kind in zip(relation.columns, relation.types, strict=True):
        found = next((remedy for inner in _all_types(kind) if (remedy := _REMEDIES.get(inner.id))), None)
        if found:
            raise UnsupportedColumnError(name, str(kind), found)


def _all_types(kind: "DuckDBPyType") -> "Sequence[DuckDBPyType]":
    """Return a type, and all types inside of it."""
    if kind.id not in _NESTED:
        return [kind]
    children = [child for _, child in kind.children if not isinstance(child, int | list)]  # an array's size
    return [kind, *(inner for child in children for inner in _all_types(child))]
