"""Reads raw files as tables, most of them with a DuckDB that can open no other file."""

import abc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.datasets.exceptions import SchemaMismatchError, UnparsableSourceError
from artifact_pipelines.datasets.interfaces import IFileFormat, RawFile
from artifact_pipelines.tabular.locked_duckdb import locked_duckdb

_BATCH_ROWS = 8_192  # they may hold long texts


def check_column_type(kind: str) -> None:
    """Check that DuckDB knows a type by this name.

    Raises:
        InvalidArgumentError: DuckDB does not know it.
    """
    try:
        duckdb.sqltype(kind)
    except duckdb.Error as error:
        expected = "a type of DuckDB, such as BIGINT, DOUBLE, DECIMAL(10,2), VARCHAR, BOOLEAN, DATE or TIMESTAMPTZ"
        raise InvalidArgumentError("column type", kind, expected) from error


@contextmanager
def open_table(
    file: RawFile, file_format: IFileFormat, columns: Mapping[str, str], key: Sequence[str]
) -> Iterator[pa.RecordBatchReader]:
    """Open a raw file as `IFileFormat.open` does, and check that it has the declared columns and the key.

    Raises:
        UnparsableSourceError: Also: its compression is not supported.
    """
    if file.compression_type not in (None, "gzip"):
        kind = f"{file.file_type}.{file.compression_type}"
        raise UnparsableSourceError(file.label, kind, "compressed files are supported as .gz only")
    with file_format.open(file, columns) as reader:
        names = reader.schema.names
        if missing := [name for name in (*columns, *key) if name not in names]:
            problem = f"missing {', '.join(missing)}; found {', '.join(names)}"
            raise SchemaMismatchError(file.label, problem)
        if len(names) == 1 and any(delimiter in names[0] for delimiter in ";|\t,"):
            problem = f"one column named {names[0]!r}; set format.delimiter to the character that separates values"
            raise SchemaMismatchError(file.label, problem)
        yield reader


class DuckDbFormat(IFileFormat):
    """A format that DuckDB can read."""

    @abc.abstractmethod
    def relation(
        self, connection: duckdb.DuckDBPyConnection, file: RawFile, columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """Return the file's rows; see `IFileFormat.open`.

        Without Hive partitioning: a folder `env=prod` in the store's path is no column.
        """

    @contextmanager
    def open(self, file: RawFile, columns: Mapping[str, str]) -> Iterator[pa.RecordBatchReader]:
        """See `IFileFormat`."""
        with locked_duckdb([file.path]) as connection, self._explained(file):
            reader = self.relation(connection, file, columns).to_arrow_reader(_BATCH_ROWS)
            yield pa.RecordBatchReader.from_batches(reader.schema, self._checked(reader, file))

    def _checked(self, reader: pa.RecordBatchReader, file: RawFile) -> Iterator[pa.RecordBatch]:
        with self._explained(file):
            yield from reader

    @contextmanager
    def _explained(self, file: RawFile) -> Iterator[None]:
        try:
            yield
        except duckdb.BinderException as error:  # a declared column is missing
            raise SchemaMismatchError(file.label, _first_lines(error)) from error
        except (duckdb.Error, pa.ArrowException) as error:
            raise UnparsableSourceError(file.label, self.tag(), _first_lines(error)) from error


def cast(relation: duckdb.DuckDBPyRelation, columns: Mapping[str, str]) -> duckdb.DuckDBPyRelation:
    """Return a relation whose columns have the declared types."""
    quoted = {'"' + name.replace('"', '""') + '"': kind for name, kind in columns.items()}
    casts = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in quoted.items())
    return relation.project(f"* REPLACE ({casts})") if casts else relation


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # A line that ends with a colon introduces a list, which would be cut off.
    return " ".join(line.rstrip(".") for line in lines[:3] if not line.endswith(":"))[:500]
