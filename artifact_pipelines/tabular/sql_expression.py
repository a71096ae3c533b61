"""One SQL expression over the rows of a table, such as a condition, evaluated by a locked DuckDB batch by batch.

An expression is a value of each row alone: no subquery, window or aggregate, and nothing that changes from run to run.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Self

import duckdb
import polars as pl
import pyarrow as pa

from artifact_pipelines.tabular.duckdb_names import check_duckdb_names
from artifact_pipelines.tabular.exceptions import SqlExpressionError, SqlValueError
from artifact_pipelines.tabular.locked_duckdb import CHANGING_FUNCTIONS, locked_duckdb

_NO_COLUMN = re.compile(r'Referenced column "(.*?)" not found')
_MOST_COLUMNS = 20
_FORBIDDEN = {"SUBQUERY": "a subquery", "WINDOW": "a window function"}


class SqlExpression:
    """An expression of a user over the columns of a table. A context manager; threads may share it.

    Attributes:
        columns: The columns that it reads.
    """

    def __init__(self, parameter: str, sql: str, schema: pl.Schema) -> None:
        """Check an expression.

        Args:
            parameter: The field that holds it, for errors.
            sql: The expression.
            schema: The columns of the table.

        Raises:
            SqlExpressionError: It is not one expression over these columns.
        """
        self._parameter = parameter
        self._sql = sql
        self._schema = schema
        self._lock = locked_duckdb([])
        self._connection = self._lock.__enter__()
        try:
            names, changing = self._parsed_names()
            self.columns: Sequence[str] = [name for name in schema if name.lower() in names]
            if others := (names & changing) - {name.lower() for name in self.columns}:
                raise self._refused(f"{sorted(others)[0]} changes from run to run")
            check_duckdb_names(self.columns)
            empty = self.evaluate(pl.DataFrame(schema={name: schema[name] for name in self.columns}))
            self.kind = empty.dtype
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its DuckDB."""
        self._lock.__exit__(None, None, None)

    def evaluate(self, rows: pl.DataFrame) -> pl.Series:
        """Return the value of each row.

        Args:
            rows: Some rows of the table, with at least `columns`.

        Raises:
            SqlValueError: It fails for a row, such as a cast.
            SqlExpressionError: It has one value for several rows, or several for one.
        """
        table = rows.select(self.columns).to_arrow(compat_level=pl.CompatLevel.newest())
        if not self.columns:
            table = pa.table({"": pa.nulls(rows.height, pa.int8())})
        try:
            with self._connection.cursor() as cursor:
                cursor.register("rows", table)
                found = cursor.sql(f"SELECT ({self._sql}\n) FROM rows").to_arrow_table()  # noqa: S608 - locked in
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
            if rows.height:  # without rows it was understood
                raise SqlValueError(self._parameter, self._sql, reason.rstrip(".!")) from error
            raise self._refused(self._without_column(reason)) from error
        if found.num_rows != rows.height:
            raise self._refused("it has one value for several rows, or several for one")
        return pl.DataFrame(pl.from_arrow(found)).to_series()

    def _parsed_names(self) -> tuple[set[str], set[str]]:
        """Return the names in the expression, in lower case, and the functions that change from run to run."""
        query = f"SELECT ({self._sql}\n) FROM rows"  # noqa: S608 - it is only parsed
        parsed = json.loads(self._all("SELECT json_serialize_sql(?)", query)[0][0])
        if parsed["error"]:
            raise self._refused(parsed["error_message"])
        node = parsed["statements"][0]["node"]
        if len(parsed["statements"]) != 1 or node["type"] != "SELECT_NODE" or len(node["select_list"]) != 1:
            raise self._refused("it is several expressions")
        names: set[str] = set()
        for part in _parts(node["select_list"]):
            if problem := _FORBIDDEN.get(part.get("class", "")):
                raise self._refused(f"it has {problem}")
            names.update(name.lower() for name in (*part.get("column_names", ()), part.get("function_name", "")))
        return names, {name for (name,) in self._all(CHANGING_FUNCTIONS)}

    def _all(self, query: str, *values: object) -> list[Any]:
        return self._connection.execute(query, values).fetchall()

    def _without_column(self, reason: str) -> str:
        """Return DuckDB's reason; where a column is missing, with those that the table has."""
        if (missing := _NO_COLUMN.search(reason)) is None:
            return reason
        names = [*list(self._schema)[:_MOST_COLUMNS], *(["…"] if len(self._schema) > _MOST_COLUMNS else [])]
        return f"there is no column `{missing[1]}` (a text has single quotes). Columns: {', '.join(names)}"

    def _refused(self, problem: str) -> SqlExpressionError:
        return SqlExpressionError(self._parameter, self._sql, problem.rstrip(".!"))


class SqlCondition(SqlExpression):
    """An expression that is true, false or null for each row."""

    def __init__(self, parameter: str, sql: str, schema: pl.Schema) -> None:
        """Check a condition; see `SqlExpression`."""
        super().__init__(parameter, sql, schema)
        if self.kind != pl.Boolean:
            self.close()
            raise self._refused(f"it is {self.kind}, not true or false")


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield all nodes of a parsed expression."""
    if isinstance(tree, dict):
        yield tree
    if isinstance(tree, dict | list):
        for child in tree.values() if isinstance(tree, dict) else tree:
            yield from _parts(child)
