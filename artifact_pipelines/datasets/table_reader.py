"""Reads raw files as tables, and holds their columns to the dataset's contract."""

from collections.abc import Iterator
from contextlib import contextmanager

from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.columns import check_columns
from artifact_pipelines.datasets.reading.contract import Contract


@contextmanager
def open_table(file: RawFile, file_format: IFileFormat, contract: Contract) -> Iterator[OpenTable]:
    """Open a raw file as `IFileFormat.open` does, and check that it has the columns of the contract.

    Raises:
        SchemaMismatchError: See `check_columns`.
    """
    with file_format.open(file, contract) as table:
        check_columns(table.batches.schema.names, contract, file.label)
        yield table
