"""Newline-delimited JSON, also known as JSON Lines."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Literal

import duckdb
import pyarrow as pa

from artifact_pipelines.datasets.duckdb_scan import cast, scan
from artifact_pipelines.datasets.interfaces import IFileFormat, RawFile


class Ndjson(IFileFormat):
    """Text with one JSON object, which is one row, on each line."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("ndjson", "jsonl")
    type: Literal["ndjson"] = "ndjson"

    def open(self, file: RawFile, columns: Mapping[str, str]) -> AbstractContextManager[pa.RecordBatchReader]:
        """See `IFileFormat`."""

        def relate(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
            found = connection.read_json(
                str(file.path),
                format="newline_delimited",
                compression=file.compression,
                hive_partitioning=False,  # a folder `env=prod` in the store's path is no column
            )
            return cast(found, columns)

        return scan(file, self.type, relate)
