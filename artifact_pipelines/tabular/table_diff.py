"""The difference between two stored tables: their columns, their numbers of rows, and with a key their rows.

Rows match where their keys are equal, and nulls are equal. DuckDB joins the two files with bounded memory, on disk
where it needs to.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Self

import duckdb
import pyarrow.parquet as pq

from artifact_pipelines.tabular.duckdb_names import check_duckdb_names
from artifact_pipelines.tabular.exceptions import IncomparableTablesError
from artifact_pipelines.tabular.locked_duckdb import locked_duckdb
from artifact_pipelines.tabular.type_names import type_name

MEMORY_BYTES = 512 << 20
_NUMBERS = {"tinyint", "smallint", "integer", "bigint", "hugeint", "decimal", "float", "double"} | {
    f"u{kind}" for kind in ("tinyint", "smallint", "integer", "bigint")
}
_FLOATS = {"float", "double"}


@dataclasses.dataclass(frozen=True, slots=True)
class RowDiff:
    """Rows that differ.

    Attributes:
        key: Columns by which rows match.
        changed: Rows whose keys are in both tables, with another value in a column that both tables have.
        changed_in: Number of such rows for each column in which there are any.
        repeated: Rows of either table whose key stands in several rows of one; they match none and count nowhere else.
    """

    key: tuple[str, ...]
    added: int
    removed: int
    changed: int
    changed_in: Mapping[str, int]
    repeated: int = 0

    def __str__(self) -> str:
        columns = ", ".join(f"{name}: {rows:,}" for name, rows in self.changed_in.items())
        changed = f"{self.changed:,} changed" + (f" ({columns})" if columns else "")
        repeated = f"; {self.repeated:,} not compared: their key is not unique" if self.repeated else ""
        return f"{self.added:,} added, {self.removed:,} removed, {changed}{repeated}"


@dataclasses.dataclass(frozen=True, slots=True)
class TableDiff:
    """Differences from one table to another.

    Attributes:
        added: New columns with their types.
        removed: Columns that are gone, with their types.
        retyped: Columns with another type: `BIGINT -> DOUBLE`.
        rows: None: no key is known.
    """

    rows_before: int | None
    rows_after: int | None
    added: Mapping[str, str]
    removed: Mapping[str, str]
    retyped: Mapping[str, str]
    rows: RowDiff | None = None

    @classmethod
    def of_schemas(
        cls,
        before: Mapping[str, str],
        after: Mapping[str, str],
        rows_before: int | None = None,
        rows_after: int | None = None,
    ) -> Self:
        """Return what two schemas, names with types, and two numbers of rows say."""
        return cls(
            rows_before,
            rows_after,
            added={name: kind for name, kind in after.items() if name not in before},
            removed={name: kind for name, kind in before.items() if name not in after},
            retyped={n: _retyped(before[n], kind) for n, kind in after.items() if before.get(n, kind) != kind},
        )

    def lines(self) -> Mapping[str, str]:
        """Return the differences as texts for people, by heading."""
        spelled = {
            "columns added": [f"{name} {type_name(kind)}" for name, kind in self.added.items()],
            "columns removed": [f"{name} {type_name(kind)}" for name, kind in self.removed.items()],
            "types changed": [f"{name} {kinds}" for name, kinds in self.retyped.items()],
        }
        found = {heading: ", ".join(texts) for heading, texts in spelled.items() if texts}
        if self.rows_before is not None and self.rows_after is not None:
            is_same = self.rows_before == self.rows_after
            found["row count"] = f"{self.rows_before:,} " + ("as before" if is_same else f"-> {self.rows_after:,}")
        return found | ({"rows": str(self.rows)} if self.rows else {})


def _retyped(before: str, after: str) -> str:
    """Return two types by their names for people, or by Arrow's if those are the same."""
    names = type_name(before), type_name(after)
    return " -> ".join(names if len({*names}) > 1 else (before, after))


def diff_rows(before: pathlib.Path, after: pathlib.Path, key: Sequence[str]) -> RowDiff:
    """Compare the rows of two Parquet files by the columns that both have, which include the key.

    Raises:
        IncomparableTablesError: DuckDB cannot compare them.
        DuckDBNamesError: Names of columns differ in case only.
    """
    try:
        with locked_duckdb([before, after], MEMORY_BYTES) as connection:
            shared = _make_views(connection, before, after, key)
            repeated = _leave_out_repeated(connection, range(len(key)))
            added, removed, changed, *changed_in = _counts(connection, range(len(key)), len(shared))
    except duckdb.Error as error:
        raise IncomparableTablesError(str(error)) from error
    columns = {name: rows for name, rows in zip(shared, changed_in, strict=True) if rows}
    return RowDiff(tuple(key), added, removed, changed, columns, repeated)


def _make_views(
    connection: duckdb.DuckDBPyConnection, before: pathlib.Path, after: pathlib.Path, key: Sequence[str]
) -> Sequence[str]:
    """Make the views `before` and `after` with columns `c0`, `c1`, …: the key and then the others, which it returns."""
    for path in (before, after):
        check_duckdb_names(pq.read_schema(path).names)
    tables = {"before": connection.read_parquet(str(before)), "after": connection.read_parquet(str(after))}
    types = [dict(zip(table.columns, table.types, strict=True)) for table in tables.values()]
    shared = [name for name in types[1] if name in types[0] and name not in key]
    names = [*key, *shared]
    for (view, table), own, other in zip(tables.items(), types, reversed(types), strict=True):
        columns = [_comparable(name, own[name], other[name]) for name in names]
        table.project(", ".join(f"{column} AS c{at}" for at, column in enumerate(columns))).create_view(view)
    return shared


def _comparable(name: str, own: Any, other: Any) -> str:
    """Return a column as SQL, so that it is equal to the same value of the other table's type.

    Types that have no values in common are compared as text. A whole number is more than the nearest float.
    """
    quoted = '"' + name.replace('"', '""') + '"'
    if own == other:
        return quoted
    if not {own.id, other.id} <= _NUMBERS:
        return f"CAST({quoted} AS VARCHAR)"
    if (own.id in _FLOATS) == (other.id in _FLOATS):
        return quoted
    whole = f"floor({quoted})" if own.id in {*_FLOATS, "decimal"} else quoted
    return f"struct_pack(near := CAST({quoted} AS DOUBLE), whole := TRY_CAST({whole} AS HUGEINT))"


def _leave_out_repeated(connection: duckdb.DuckDBPyConnection, key: range) -> int:
    """Make the views `old` and `new` of the rows whose key is unique in both tables and return the number of others."""
    columns = ", ".join(f"c{at}" for at in key)
    once = " UNION ".join(
        f"SELECT {columns} FROM {table} GROUP BY {columns} HAVING count(*) > 1"  # noqa: S608 - our own names
        for table in ("before", "after")
    )
    connection.execute(f"CREATE TEMP TABLE repeated AS {once}")
    keys = _one(connection, "SELECT count(*) FROM repeated")[0]
    is_repeated = f"EXISTS (FROM repeated AS r WHERE {_equal('r', 't', key)})"
    rows = 0
    for view, table in (("old", "before"), ("new", "after")):
        where = f" WHERE NOT {is_repeated}" if keys else ""
        connection.execute(f"CREATE VIEW {view} AS SELECT *, true AS is_in FROM {table} AS t{where}")  # noqa: S608
        if keys:
            rows += _one(connection, f"SELECT count(*) FROM {table} AS t WHERE {is_repeated}")[0]  # noqa: S608
    return rows


def _counts(connection: duckdb.DuckDBPyConnection, key: range, others: int) -> Sequence[int]:
    """Return the numbers of rows added, removed and changed, and for each other column how many changed in it."""
    changes = [f"old.c{at} IS DISTINCT FROM new.c{at}" for at in range(len(key), len(key) + others)]
    in_both = "old.is_in AND new.is_in"
    changed = [f"{in_both} AND ({' OR '.join(changes) or 'false'})", *(f"{in_both} AND {each}" for each in changes)]
    conditions = ["old.is_in IS NULL", "new.is_in IS NULL", *changed]
    counts = ", ".join(f"count(*) FILTER ({condition})" for condition in conditions)
    return _one(connection, f"SELECT {counts} FROM old FULL JOIN new ON {_equal('old', 'new', key)}")  # noqa: S608


def _equal(one: str, other: str, key: range) -> str:
    return " AND ".join(f"{one}.c{at} IS NOT DISTINCT FROM {other}.c{at}" for at in key)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Sequence[int]:
    [row] = connection.execute(query).fetchall()
    return row
