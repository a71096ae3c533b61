"""Parquet; its types are kept."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Literal

import pyarrow as pa

from artifact_pipelines.datasets.duckdb_scan import cast, scan
from artifact_pipelines.datasets.interfaces import IFileFormat, RawFile


class Parquet(IFileFormat):
    """An Apache Parquet file."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("parquet",)
    type: Literal["parquet"] = "parquet"

    def open(self, file: RawFile, columns: Mapping[str, str]) -> AbstractContextManager[pa.RecordBatchReader]:
        """See `IFileFormat`."""
        # No Hive partitioning: a folder `env=prod` in the store's path is no column.
        return scan(
            file,
            self.type,
            lambda connection: cast(connection.read_parquet(str(file.path), hive_partitioning=False), columns),
        )
