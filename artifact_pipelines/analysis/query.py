"""A user's SQL over stored tables: one SELECT, in a DuckDB that can reach nothing but these tables."""

import json
import pathlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.tabular.locked_duckdb import locked_duckdb, only_select

_BATCH_ROWS = 65_536


@contextmanager
def run_query(sql: str, tables: Mapping[str, pathlib.Path]) -> Iterator[pa.RecordBatchReader]:
    """Open the answer of a query, as batches.

    Without an ORDER BY of its own the answer is ordered by all its columns, so that the same question to the same
    tables has the same answer.

    Args:
        sql: Exactly one SELECT.
        tables: Parquet files by the name that the query uses for them.

    Raises:
        UnsafeQueryError: It is not one SELECT, or reaches for something else.
        InvalidQueryError: DuckDB does not understand it, or cannot carry it out.
    """
    with locked_duckdb(list(tables.values())) as connection, _explained(sql, tables):
        for name, path in tables.items():
            connection.read_parquet(str(path)).create_view(name)
        query = only_select(connection, sql)
        if not _is_ordered(connection, query):
            query = f"SELECT * FROM (\n{query}\n) ORDER BY ALL"  # noqa: S608 - it is the user's, and locked in
        reader = connection.sql(query).to_arrow_reader(_BATCH_ROWS)
        yield pa.RecordBatchReader.from_batches(reader.schema, _checked(reader, sql, tables))


def _checked(reader: pa.RecordBatchReader, sql: str, tables: Mapping[str, object]) -> Iterator[pa.RecordBatch]:
    with _explained(sql, tables):
        yield from reader


@contextmanager
def _explained(sql: str, tables: Mapping[str, object]) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException) as error:
        raise InvalidQueryError(sql, str(error), list(tables)) from error


def _is_ordered(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    [(found,)] = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    statements = json.loads(found).get("statements", [])
    modifiers = statements[0]["node"].get("modifiers", []) if statements else []
    return any(modifier["type"] == "ORDER_MODIFIER" for modifier in modifiers)
