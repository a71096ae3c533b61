"""Reads a raw file of any supported format as a stream of Arrow batches, in a DuckDB that may open nothing else."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import duckdb
import pyarrow as pa

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.datasets.exceptions import SchemaMismatchError, UnparsableSourceError
from artifact_pipelines.tabular.locked_duckdb import locked_duckdb

FORMATS = ("csv", "tsv", "ndjson", "parquet")
_BATCH_ROWS = 8_192  # they may hold long texts
_EXTENSIONS = {"jsonl": "ndjson"}


@dataclasses.dataclass(frozen=True, slots=True)
class TableContract:
    """What a dataset declares about its table.

    Attributes:
        file_format: One of `FORMATS`; None: by the file's extension.
        delimiter: What separates the values of a CSV file; None: a comma (a tab for `tsv`).
        null_values: Texts in a CSV file that stand for null, besides the empty one.
        columns: Columns that must be there, with the types (DuckDB's names) they must have.
        key: Columns that must be there because they identify a row.
    """

    file_format: str | None = None
    delimiter: str | None = None
    null_values: Sequence[str] = ()
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    key: Sequence[str] = ()


def check_column_type(kind: str) -> None:
    """Check that DuckDB knows a type by this name.

    Raises:
        InvalidArgumentError: It does not.
    """
    try:
        duckdb.sqltype(kind)
    except duckdb.Error as error:
        expected = "a type of DuckDB, such as BIGINT, DOUBLE, DECIMAL(10,2), VARCHAR, BOOLEAN, DATE or TIMESTAMPTZ"
        raise InvalidArgumentError("column type", kind, expected) from error


@contextmanager
def open_table(
    path: pathlib.Path, file_type: str, compression_type: str | None, contract: TableContract, label: str
) -> Iterator[pa.RecordBatchReader]:
    """Open a raw file as a table, in the order of its rows; it is read as the batches are taken.

    Args:
        path: The file; its name says nothing.
        file_type: Extension that it came with, such as `csv`.
        compression_type: None or `gzip`.
        label: What to call the file in errors.

    Raises:
        UnparsableSourceError: The file is not of its format, or of none that is supported.
        SchemaMismatchError: A declared column is missing, or its values are not of the declared type.
    """
    file_format = contract.file_format or _EXTENSIONS.get(file_type, file_type)
    if file_format not in FORMATS or compression_type not in (None, "gzip"):
        kind = f"{file_type}.{compression_type}" if compression_type else file_type
        raise UnparsableSourceError(label, kind, f"supported are {', '.join(FORMATS)}, plain or .gz")
    with locked_duckdb([path]) as connection, _explained(label, file_format):
        relation = _scan(connection, path, file_format, compression_type, contract)
        _check_columns(relation.columns, contract, label)
        reader = relation.to_arrow_reader(_BATCH_ROWS)
        yield pa.RecordBatchReader.from_batches(reader.schema, _checked(reader, label, file_format))


def _checked(reader: pa.RecordBatchReader, label: str, file_format: str) -> Iterator[pa.RecordBatch]:
    with _explained(label, file_format):
        yield from reader


@contextmanager
def _explained(label: str, file_format: str) -> Iterator[None]:
    try:
        yield
    except duckdb.BinderException as error:  # a declared column that is not there
        raise SchemaMismatchError(label, _first_line(error)) from error
    except (duckdb.Error, pa.ArrowException) as error:
        raise UnparsableSourceError(label, file_format, _first_line(error)) from error


def _scan(
    connection: duckdb.DuckDBPyConnection,
    path: pathlib.Path,
    file_format: str,
    compression_type: str | None,
    contract: TableContract,
) -> duckdb.DuckDBPyRelation:
    # The path is the store's, not the data's: a folder `env=prod` in it is no column, as DuckDB would have it.
    compression: Literal["gzip", "none"] = "gzip" if compression_type == "gzip" else "none"
    if file_format == "parquet":
        return _cast(connection.read_parquet(str(path), hive_partitioning=False), contract)
    if file_format == "ndjson":
        relation = connection.read_json(
            str(path), format="newline_delimited", compression=compression, hive_partitioning=False
        )
        return _cast(relation, contract)
    # Nothing is left to the sniffer but the types, and these it reads off all rows: left to itself it skips rows or
    # takes another delimiter to make a torn file fit (https://duckdb.org/docs/current/data/csv/auto_detection).
    return connection.read_csv(
        str(path),
        sep=contract.delimiter or ("\t" if file_format == "tsv" else ","),
        quotechar='"',
        skiprows=0,
        header=True,
        compression=compression,
        na_values=["", *contract.null_values],
        dtype=dict(contract.columns) or None,
        sample_size=-1,
        hive_partitioning=False,
    )


def _cast(relation: duckdb.DuckDBPyRelation, contract: TableContract) -> duckdb.DuckDBPyRelation:
    casts = [f"CAST({_quoted(name)} AS {kind}) AS {_quoted(name)}" for name, kind in contract.columns.items()]
    return relation.project(f"* REPLACE ({', '.join(casts)})") if casts else relation


def _check_columns(columns: Sequence[str], contract: TableContract, label: str) -> None:
    missing = [name for name in (*contract.columns, *contract.key) if name not in columns]
    if missing:
        raise SchemaMismatchError(label, f"missing {', '.join(missing)}; found {', '.join(columns)}")
    if len(columns) == 1 and any(delimiter in columns[0] for delimiter in ";|\t,"):
        raise SchemaMismatchError(
            label, f"one column named {columns[0]!r}; set format.delimiter to what separates values"
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # A line that ends so begins a list, which would be cut off.
    return " ".join(line.rstrip(".") for line in lines[:3] if not line.endswith(":"))[:500]
