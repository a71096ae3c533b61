"""The names in a user's SQL, and whether DuckDB would accept it: found without data, when definitions are loaded."""

import atexit
import dataclasses
import functools
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import duckdb
import pyarrow as pa

from artifact_pipelines.tabular.locked_duckdb import CHANGING_FUNCTIONS, locked_duckdb, only_select, quoted

_NO_COLUMN = re.compile(r'column named "|[Cc]olumn ".*" (?:not found|in \w+ list not found|does not exist)')
_OF_NOW = {"age", "current_time", "current_timestamp", "localtime", "localtimestamp"}
"""Names that stand for the time as well, though DuckDB lists no such function, or lists one that is not of the time."""
_lock = threading.Lock()
_opened = ExitStack()


@dataclasses.dataclass(frozen=True, slots=True)
class ParsedQuery:
    """The names and clauses of one SELECT.

    Attributes:
        tables: Names of the tables that it reads and does not make itself, in lower case, such as `samples.tenth`.
        parameters: Names of its parameters, without the dollar.
        is_ordered: True if it orders its rows.
        depends_on_time_or_chance: True if it calls a function such as `now` or `random`.
    """

    tables: frozenset[str]
    parameters: frozenset[str]
    is_ordered: bool
    depends_on_time_or_chance: bool


@functools.lru_cache(maxsize=1024)
def parse_query(sql: str) -> ParsedQuery:
    """Return what a query says.

    Raises:
        UnsafeQueryError: It is not one SELECT.
        duckdb.Error: It is not valid SQL.
    """
    with _lock:
        connection = _connection()
        [statement] = _statements(connection, sql)
    nodes = list(_nodes(statement))
    called = {name for node in nodes for name in (node.get("function_name"), *node.get("column_names", ())) if name}
    modifiers = statement["node"].get("modifiers", [])
    return ParsedQuery(
        frozenset(map(str.lower, _tables(statement))),
        frozenset(node["identifier"] for node in nodes if node.get("class") == "PARAMETER"),
        any(each["type"] == "ORDER_MODIFIER" for each in modifiers),
        bool({name.lower() for name in called} & (_changing_functions() | _OF_NOW)),
    )


def tables_read(connection: duckdb.DuckDBPyConnection, sql: str) -> Sequence[str]:
    """Return the names of the tables that a query reads and does not make itself, as it writes them, in their order.

    Raises:
        UnsafeQueryError: It is not one SELECT.
        duckdb.Error: It is not valid SQL.
    """
    return list(dict.fromkeys(_tables(_statements(connection, sql))))


def _statements(connection: duckdb.DuckDBPyConnection, sql: str) -> Sequence[dict[str, Any]]:
    only_select(connection, sql)
    [(found,)] = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    parsed = json.loads(found)
    if parsed["error"]:
        raise duckdb.ParserException(parsed["error_message"])
    statements: Sequence[dict[str, Any]] = parsed["statements"]
    return statements


def _tables(tree: Any, own: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the names of tables that a parsed query does not make itself, as DuckDB sees them.

    A name of WITH, in upper or lower case, holds in the rest of its query. In its own body the name means a table,
    except in the recursive part.
    """
    if isinstance(tree, list):
        for child in tree:
            yield from _tables(child, own)
    if not isinstance(tree, dict):
        return
    if tree.get("type") == "BASE_TABLE" and (name := ".".join(tree["qualified_name"]["path"])).lower() not in own:
        yield name
    for made in tree.get("cte_map", {}).get("map", ()):
        yield from _tables(made["value"], own)
        own |= {made["key"].lower()}
    for key, child in tree.items():
        is_recursive = key == "right" and tree.get("type") == "RECURSIVE_CTE_NODE"
        if key != "cte_map":
            yield from _tables(child, own | {tree["cte_name"].lower()} if is_recursive else own)


def check_columns_of(sql: str, table: str, columns: Mapping[str, str | None], parameters: Mapping[str, object]) -> None:
    """Raise `duckdb.Error` unless a query fits a table with these columns and no rows.

    Args:
        sql: One SELECT that reads no other table.
        table: Name of the table.
        columns: Their DuckDB types; where one is not known, only the names of columns are checked.
        parameters: Values of its parameters.
    """
    described = ", ".join(f"{quoted(name)} {kind or quoted('NULL')}" for name, kind in columns.items())
    with _lock:
        connection = _connection()
        connection.execute(f"CREATE TABLE {quoted(table)} ({described})")
        try:
            connection.sql(sql, params=dict(parameters))
        except duckdb.Error as error:
            if None not in columns.values() or _NO_COLUMN.search(str(error)):
                raise
        finally:
            connection.execute(f"DROP TABLE {quoted(table)}")


def arrow_types(columns: Mapping[str, str | None]) -> Mapping[str, pa.DataType]:
    """Return the Arrow types of columns of these DuckDB types; the null type where it is not known.

    Raises:
        duckdb.Error: There is no such type.
    """
    nulls = [f"CAST(NULL AS {kind or quoted('NULL')}) AS {quoted(name)}" for name, kind in columns.items()]
    with _lock:
        schema = _connection().sql(f"SELECT {', '.join(nulls)}").limit(0).to_arrow_table().schema
    return {field.name: field.type for field in schema}


@functools.cache
def _connection() -> duckdb.DuckDBPyConnection:
    """Return the connection of this process for parsing; opening one takes as long as parsing a hundred queries."""
    atexit.register(close_parser)
    return _opened.enter_context(locked_duckdb([]))


def close_parser() -> None:
    """End what parsing keeps open, with its threads, until the next query: before a process is copied."""
    with _lock:
        _connection.cache_clear()
        _opened.close()


@functools.cache
def _changing_functions() -> frozenset[str]:
    with _lock:
        return frozenset(name for (name,) in _connection().execute(CHANGING_FUNCTIONS).fetchall())


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield all nodes of a parsed query."""
    if isinstance(tree, dict):
        yield tree
    if isinstance(tree, dict | list):
        for child in tree.values() if isinstance(tree, dict) else tree:
            yield from _nodes(child)
