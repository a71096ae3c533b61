"""Parquet; its types are kept."""

import pathlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.parquet

from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.raw_stream import plain_file
from artifact_pipelines.datasets.reading.typed_table import open_typed

_BATCH_ROWS = 8_192
_BATCH_BYTES = 16 << 20
_READ_ROWS = 512  # at once: reading more is no faster, and a file of some kB may hold texts of some GB
_FIRST_ROWS = 4


class Parquet(IFileFormat):
    """An Apache Parquet file."""

    CODE_VERSION: ClassVar[str] = "2"
    EXTENSIONS: ClassVar[Sequence[str]] = ("parquet",)
    MAGIC: ClassVar[Sequence[bytes]] = (b"PAR1",)
    ISOLATED: ClassVar[bool] = True
    type: Literal["parquet"] = "parquet"

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        """See `IFileFormat`."""
        with plain_file(file.path, file.label) as path, _opened(path, file.label) as opened:
            yield open_typed(opened.schema_arrow, _joined(_small_batches(opened)), contract, file.label, "Parquet")


def _opened(path: pathlib.Path, label: str) -> pyarrow.parquet.ParquetFile:
    try:
        return pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise UnparsableSourceError(label, "Parquet", "its footer is damaged or missing") from error


def _small_batches(file: pyarrow.parquet.ParquetFile) -> Iterator[pa.RecordBatch]:
    """Yield few rows at once: fewer where the first rows of a row group are large."""
    for group in range(file.num_row_groups):
        first = next(file.iter_batches(_FIRST_ROWS, row_groups=[group]), None)
        fitting = _FIRST_ROWS * _BATCH_BYTES // max(1, _size_bytes(first)) if first else 1
        del first
        yield from file.iter_batches(max(1, min(fitting, _READ_ROWS)), row_groups=[group])


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join small batches: each costs something in every later step."""
    held: list[pa.RecordBatch] = []
    rows = size_bytes = 0
    for batch in batches:
        rows, size_bytes = rows + batch.num_rows, size_bytes + _size_bytes(batch)
        if held and (rows > _BATCH_ROWS or size_bytes > _BATCH_BYTES):
            yield pa.concat_batches(held)
            held, rows, size_bytes = [], batch.num_rows, _size_bytes(batch)
        held.append(batch)
    if held:
        yield pa.concat_batches(held)


def _size_bytes(batch: pa.RecordBatch) -> int:
    """Return the size of a batch without its dictionaries, which batches share."""
    return sum(column.nbytes for column in batch.columns if not pa.types.is_dictionary(column.type))
