"""Parquet; its types are kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

import pyarrow as pa
import pyarrow.parquet

from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.typed_table import open_typed

_BATCH_ROWS = 8_192  # they may hold long texts


class Parquet(IFileFormat):
    """An Apache Parquet file."""

    CODE_VERSION: ClassVar[str] = "2"
    EXTENSIONS: ClassVar[Sequence[str]] = ("parquet",)
    MAGIC: ClassVar[bytes | None] = b"PAR1"
    ISOLATED: ClassVar[bool] = True
    type: Literal["parquet"] = "parquet"

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        """See `IFileFormat`."""
        try:
            opened = pyarrow.parquet.ParquetFile(file.path, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise UnparsableSourceError(file.label, "Parquet", "its footer is damaged or missing") from error
        with opened:
            yield open_typed(opened.schema_arrow, opened.iter_batches(_BATCH_ROWS), contract, file.label, "Parquet")
