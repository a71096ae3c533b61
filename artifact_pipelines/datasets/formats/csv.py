"""CSV and TSV."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import duckdb
import pydantic

from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.table_reader import DuckDbFormat

Delimiter = Annotated[str, pydantic.Field(min_length=1, max_length=1, description="Separates values.")]
NullValues = Annotated[
    Sequence[str], pydantic.Field(description="Texts that mean null in CSV and TSV, besides the empty one.")
]


class Csv(DuckDbFormat):
    """Text with a row on each line, and names of columns on the first."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("csv",)
    type: Literal["csv"] = "csv"
    delimiter: Delimiter = ","
    null_values: NullValues = ()

    def relation(
        self, connection: duckdb.DuckDBPyConnection, file: RawFile, columns: Mapping[str, str]
    ) -> duckdb.DuckDBPyRelation:
        """See `DuckDbFormat`."""
        # DuckDB may detect types only, from all rows. Otherwise it skips rows or picks another delimiter to make a torn
        # file fit (https://duckdb.org/docs/current/data/csv/auto_detection).
        return connection.read_csv(
            str(file.path),
            sep=self.delimiter,
            quotechar='"',
            skiprows=0,
            header=True,
            compression="gzip" if file.compression_type else "none",
            na_values=["", *self.null_values],
            dtype=dict(columns) or None,
            sample_size=-1,
            hive_partitioning=False,
        )


class Tsv(Csv):
    """CSV with tabs."""

    EXTENSIONS: ClassVar[Sequence[str]] = ("tsv",)
    type: Literal["tsv"] = "tsv"  # type: ignore[assignment]  # another literal
    delimiter: Delimiter = "\t"
