"""One SELECT over named Parquet files, in a DuckDB that can reach nothing else."""

import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from artifact_pipelines.tabular.bounded_batches import answer_reader
from artifact_pipelines.tabular.exceptions import QueryError
from artifact_pipelines.tabular.locked_duckdb import locked_duckdb, only_select, quoted, select_files

Files = Mapping[str, Sequence[pathlib.Path]]


@contextmanager
def sql_over_files(
    query: str, find: Callable[[str], Sequence[pathlib.Path]], parameters: Mapping[str, object]
) -> Iterator[pa.RecordBatchReader]:
    """Open the answer of a query, whose rows are read as they are taken.

    Args:
        query: One SELECT; the names of its tables stand in quotes.
        find: Returns the Parquet files of a name in the query; several files are one table.
        parameters: Values of `$name` in the query.

    Raises:
        UnsafeQueryError: It is not one SELECT, or tries to reach something else.
        QueryError: DuckDB does not understand it, or cannot answer it.
    """
    with locked_duckdb([]) as parser:
        files = {name: find(name) for name in _tables_of(parser, query)}
    with locked_duckdb([path for paths in files.values() for path in paths]) as connection, _explained(query, files):
        for name, paths in files.items():
            connection.execute(f"CREATE VIEW {quoted(name)} AS {select_files(paths)}")
        reader = answer_reader(connection.sql(query, params=dict(parameters) or None))
        yield pa.RecordBatchReader.from_batches(reader.schema, _batches(query, files, reader))


def _batches(query: str, files: Files, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    with _explained(query, files):
        yield from reader


def _tables_of(connection: duckdb.DuckDBPyConnection, query: str) -> Sequence[str]:
    """Return the names of the tables that a query reads and does not make itself, in their order."""
    with _explained(query, {}):
        only_select(connection, query)
        [(found,)] = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    parsed = json.loads(found)
    if parsed["error"]:
        raise QueryError(query, parsed["error_message"], [])
    nodes = list(_nodes(parsed["statements"]))
    own = {each["key"] for node in nodes for each in node.get("cte_map", {}).get("map", ())}
    names = [".".join(node["qualified_name"]["path"]) for node in nodes if node.get("type") == "BASE_TABLE"]
    return [name for name in dict.fromkeys(names) if name not in own]


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    if isinstance(tree, dict | list):
        for child in tree.values() if isinstance(tree, dict) else tree:
            yield from _nodes(child)


@contextmanager
def _explained(query: str, files: Files) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException, UnicodeDecodeError) as error:
        raise QueryError(query, str(error), list(files)) from error
