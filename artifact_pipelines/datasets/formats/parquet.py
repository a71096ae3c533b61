"""Parquet; its types are kept."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import duckdb

from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.table_reader import DuckDbFormat, cast


class Parquet(DuckDbFormat):
    """An Apache Parquet file."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("parquet",)
    type: Literal["parquet"] = "parquet"

    def relation(
        self, connection: duckdb.DuckDBPyConnection, file: RawFile, columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """See `DuckDbFormat`."""
        return cast(connection.read_parquet(str(file.path), hive_partitioning=False), columns)
