"""CSV and TSV."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Literal

import duckdb
import pyarrow as pa
import pydantic

from artifact_pipelines.datasets.duckdb_scan import scan
from artifact_pipelines.datasets.interfaces import IFileFormat, RawFile


class Csv(IFileFormat):
    """Text with a row on each line, and names of columns on the first."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("csv",)
    type: Literal["csv"] = "csv"
    delimiter: str = pydantic.Field(
        default=",", min_length=1, max_length=1, description="Separates values; left out: a comma, or a tab in TSV."
    )
    null_values: Sequence[str] = pydantic.Field(default=(), description="Texts that mean null, besides the empty one.")

    def open(self, file: RawFile, columns: Mapping[str, str]) -> AbstractContextManager[pa.RecordBatchReader]:
        """See `IFileFormat`."""

        # DuckDB may detect types only, from all rows. Otherwise it skips rows or picks another delimiter to make a torn
        # file fit (https://duckdb.org/docs/current/data/csv/auto_detection).
        def relate(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
            return connection.read_csv(
                str(file.path),
                sep=self.delimiter,
                quotechar='"',
                skiprows=0,
                header=True,
                compression=file.compression,
                na_values=["", *self.null_values],
                dtype=dict(columns) or None,
                sample_size=-1,
                hive_partitioning=False,  # a folder `env=prod` in the store's path is no column
            )

        return scan(file, self.type, relate)


class Tsv(Csv):
    """CSV with tabs."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("tsv",)
    type: Literal["tsv"] = "tsv"  # type: ignore[assignment]  # another literal
    delimiter: str = pydantic.Field(
        default="\t", min_length=1, max_length=1, description="Separates values; left out: a tab."
    )
