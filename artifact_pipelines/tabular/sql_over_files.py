"""One SELECT over named Parquet files, in a DuckDB that can reach nothing else."""

import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.tabular.bounded_batches import answer_reader
from artifact_pipelines.tabular.exceptions import QueryError
from artifact_pipelines.tabular.locked_duckdb import literal, locked_duckdb, quoted, select_files
from artifact_pipelines.tabular.parsed_query import tables_read

Parts = Sequence[tuple[pathlib.Path, str | None]]
"""The Parquet files of a table, each with its partition key; None: it is no partition."""

PARTITION = "partition"
"""Column with the partition key of each row, where a table is made of partitions that have no such column."""

_FILE = "__artifact_file"


@contextmanager
def sql_over_files(
    query: str, find: Callable[[str], Parts], parameters: Mapping[str, object]
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
        with _explained(query, []):
            names = tables_read(parser, query)
        tables = {name: find(name) for name in names}
    paths = [path for parts in tables.values() for path, _ in parts]
    with locked_duckdb(paths) as connection, _explained(query, list(tables)):
        for name, parts in tables.items():
            connection.execute(f"CREATE VIEW {quoted(name)} AS {_select_parts(parts)}")
        reader = answer_reader(connection.sql(query, params=dict(parameters) or None))
        yield pa.RecordBatchReader.from_batches(reader.schema, _batches(query, list(tables), reader))


def _select_parts(parts: Parts) -> str:
    """Return SQL for the rows of files, with the partition key as the last column, if they are partitions."""
    keys = [(path, key) for path, key in parts if key is not None]
    if not keys or any(PARTITION in pq.read_schema(path).names for path, _ in keys):
        return select_files([path for path, _ in parts])
    files = select_files(list(dict.fromkeys(path for path, _ in keys)), file_column=_FILE)
    pairs = ", ".join(f"({literal(str(path))}, {literal(key)})" for path, key in keys)  # equal partitions share a file
    shown = f"rows_of.* EXCLUDE ({quoted(_FILE)}), keys.key AS {quoted(PARTITION)}"
    of_file = f"rows_of.{quoted(_FILE)} = keys.file"
    return f"SELECT {shown} FROM ({files}) AS rows_of JOIN (VALUES {pairs}) AS keys(file, key) ON {of_file}"  # noqa: S608


def _batches(query: str, tables: Sequence[str], reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    with _explained(query, tables):
        yield from reader


@contextmanager
def _explained(query: str, tables: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException, UnicodeDecodeError) as error:
        raise QueryError(query, str(error), tables) from error
