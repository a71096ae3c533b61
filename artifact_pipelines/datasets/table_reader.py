"""Reads a raw file of any format as a table that fits what its dataset declares."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.datasets.exceptions import SchemaMismatchError, UnparsableSourceError
from artifact_pipelines.datasets.interfaces import IFileFormat, RawFile


@dataclasses.dataclass(frozen=True, slots=True)
class TableContract:
    """What a dataset declares about its table.

    Attributes:
        format: How its files are read.
        columns: Columns that must be there, with the types (DuckDB's names) they must have.
        key: Columns that must be there because they identify a row.
    """

    format: IFileFormat
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    key: Sequence[str] = ()

    def code_version(self) -> str:
        """Return the code version of the table that fits it."""
        return f"{self.format.code_version()} columns={dict(self.columns)} key={list(self.key)}"


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
def open_table(file: RawFile, contract: TableContract) -> Iterator[pa.RecordBatchReader]:
    """Open a raw file as a table, in the order of its rows; it is read as the batches are taken.

    Raises:
        UnparsableSourceError: The file is not of its format, or of none that is supported.
        SchemaMismatchError: A declared column is missing, or its values are not of the declared type.
    """
    if file.compression_type not in (None, "gzip"):
        kind = f"{file.file_type}.{file.compression_type}"
        raise UnparsableSourceError(file.label, kind, "compressed files are supported as .gz only")
    with contract.format.open(file, contract.columns) as reader:
        _check_columns(reader.schema.names, contract, file.label)
        yield reader


def _check_columns(columns: Sequence[str], contract: TableContract, label: str) -> None:
    missing = [name for name in (*contract.columns, *contract.key) if name not in columns]
    if missing:
        raise SchemaMismatchError(label, f"missing {', '.join(missing)}; found {', '.join(columns)}")
    if len(columns) == 1 and any(delimiter in columns[0] for delimiter in ";|\t,"):
        raise SchemaMismatchError(
            label, f"one column named {columns[0]!r}; set format.delimiter to the character that separates values"
        )
