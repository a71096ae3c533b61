"""Newline-delimited JSON, also known as JSON Lines."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import duckdb

from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.table_reader import DuckDbFormat, cast


class Ndjson(DuckDbFormat):
    """Text with one JSON object, which is one row, on each line."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("ndjson", "jsonl")
    type: Literal["ndjson"] = "ndjson"

    def relation(
        self, connection: duckdb.DuckDBPyConnection, file: RawFile, columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """See `DuckDbFormat`."""
        found = connection.read_json(
            str(file.path),
            format="newline_delimited",
            compression="gzip" if file.compression_type else "none",
            hive_partitioning=False,
        )
        return cast(found, columns)
