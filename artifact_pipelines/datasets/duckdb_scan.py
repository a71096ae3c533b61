"""Reads a raw file in a DuckDB that can open no other, and translates DuckDB's errors."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from artifact_pipelines.datasets.exceptions import SchemaMismatchError, UnparsableSourceError
from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.tabular.locked_duckdb import locked_duckdb

_BATCH_ROWS = 8_192  # they may hold long texts


@contextmanager
def scan(
    file: RawFile, file_format: str, relate: Callable[[duckdb.DuckDBPyConnection], duckdb.DuckDBPyRelation]
) -> Iterator[pa.RecordBatchReader]:
    """Open a file's relation, which `relate` builds, as batches.

    Args:
        file_format: Names the format in errors.

    Raises:
        UnparsableSourceError: DuckDB cannot read the file.
        SchemaMismatchError: The file lacks a column.
    """
    with locked_duckdb([file.path]) as connection, _explained(file, file_format):
        reader = relate(connection).to_arrow_reader(_BATCH_ROWS)
        yield pa.RecordBatchReader.from_batches(reader.schema, _checked(reader, file, file_format))


def cast(relation: duckdb.DuckDBPyRelation, columns: Mapping[str, str]) -> duckdb.DuckDBPyRelation:
    """Return a relation whose columns have the declared types."""
    casts = [f"CAST({_quoted(name)} AS {kind}) AS {_quoted(name)}" for name, kind in columns.items()]
    return relation.project(f"* REPLACE ({', '.join(casts)})") if casts else relation


def _checked(reader: pa.RecordBatchReader, file: RawFile, file_format: str) -> Iterator[pa.RecordBatch]:
    with _explained(file, file_format):
        yield from reader


@contextmanager
def _explained(file: RawFile, file_format: str) -> Iterator[None]:
    try:
        yield
    except duckdb.BinderException as error:  # a declared column is missing
        raise SchemaMismatchError(file.label, _first_lines(error)) from error
    except (duckdb.Error, pa.ArrowException) as error:
        raise UnparsableSourceError(file.label, file_format, _first_lines(error)) from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # A line that ends with a colon introduces a list, which would be cut off.
    return " ".join(line.rstrip(".") for line in lines[:3] if not line.endswith(":"))[:500]
