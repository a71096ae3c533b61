"""Reads a raw file of any format as a table, and checks the columns that its dataset declares."""

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
    """Everything that a dataset declares about its table.

    Attributes:
        columns: Required columns with their DuckDB types.
        key: Required columns that identify a row.
    """

    format: IFileFormat
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    key: Sequence[str] = ()

    def code_version(self) -> str:
        """Return the code version of the table: another contract reads the file again."""
        return f"{self.format.code_version()} columns={dict(self.columns)} key={list(self.key)}"


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
def open_table(file: RawFile, contract: TableContract) -> Iterator[pa.RecordBatchReader]:
    """Open a raw file with the declared columns, as `IFileFormat.open` does.

    Raises:
        UnparsableSourceError: Also: its compression is not supported.
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
