"""Parquet; its types are kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.parquet_file import FORMAT, open_parquet
from artifact_pipelines.datasets.reading.raw_stream import plain_file
from artifact_pipelines.datasets.reading.typed_table import open_typed
from artifact_pipelines.tabular.bounded_batches import read_batches


class Parquet(IFileFormat):
    """An Apache Parquet file."""

    CODE_VERSION: ClassVar[str] = "3"
    EXTENSIONS: ClassVar[Sequence[str]] = ("parquet",)
    MAGIC: ClassVar[Sequence[bytes]] = (b"PAR1",)
    ISOLATED: ClassVar[bool] = True
    type: Literal["parquet"] = "parquet"

    @contextmanager
    def open(self, file: RawFile, contract: Contract) -> Iterator[OpenTable]:
        """See `IFileFormat`."""
        with plain_file(file.path, file.label) as path, open_parquet(path, file.label) as opened:
            yield open_typed(opened.schema_arrow, read_batches(opened), contract, file.label, FORMAT)
