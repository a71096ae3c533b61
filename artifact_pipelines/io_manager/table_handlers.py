"""Handlers for tables, all stored as Parquet: polars, pyarrow and DuckDB read each other's artifacts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.io_manager.interfaces import Artifact, ReadRequest
from artifact_pipelines.io_manager.local_copies import lasting_path, stored_path
from artifact_pipelines.io_manager.verified_path import verified_path
from artifact_pipelines.storage.hashing import OneThreadHasher

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    import pyarrow as pa

_PARQUET = FileDescription("parquet", "application/vnd.apache.parquet")
_BATCH_ROWS = 65_536


class _ParquetHandler:
    file_types: ClassVar[Sequence[str]] = ("parquet",)

    def describe(self, value: object) -> FileDescription:
        return _PARQUET

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        from artifact_pipelines.tabular.parquet import describe_parquet, preview

        with artifact.open() as stream:
            summary = describe_parquet(stream)
            return {"row_count": summary.row_count, "columns": summary.columns, "preview": preview(stream)}


class PolarsHandler(_ParquetHandler):
    """polars frames. A LazyFrame is streamed into the file, never collected; read back it scans the file in place."""

    writes = ("polars.DataFrame", "polars.LazyFrame")
    reads = ("polars.DataFrame", "polars.LazyFrame")

    def write(self, value: "pl.DataFrame | pl.LazyFrame", sink: BinaryIO) -> str | None:
        from artifact_pipelines.tabular.parquet import write_frame

        return write_frame(value, sink, OneThreadHasher)

    def read(self, artifact: Artifact, request: ReadRequest) -> "pl.DataFrame | pl.LazyFrame":
        import polars as pl

        if request.type_name == "polars.LazyFrame":
            return pl.scan_parquet(lasting_path(artifact), glob=False)
        with verified_path(artifact) as file:
            return pl.read_parquet(file.path, glob=False)


class ArrowHandler(_ParquetHandler):
    """pyarrow tables and record batch readers; a reader is streamed, batch by batch."""

    writes = ("pyarrow.Table", "pyarrow.RecordBatchReader")
    reads = ("pyarrow.Table", "pyarrow.RecordBatchReader", "pyarrow.Dataset")

    def write(self, value: "pa.Table | pa.RecordBatchReader", sink: BinaryIO) -> str | None:
        import pyarrow as pa

        from artifact_pipelines.tabular.parquet import write_batches

        batches = value.to_batches() if isinstance(value, pa.Table) else value
        return write_batches(value.schema, batches, sink, OneThreadHasher)

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        import pyarrow.dataset
        import pyarrow.parquet

        if request.type_name == "pyarrow.Table":
            with verified_path(artifact) as file:
                return pyarrow.parquet.read_table(file.path, page_checksum_verification=True, partitioning=None)
        dataset = pyarrow.dataset.dataset(lasting_path(artifact), format="parquet")
        if request.type_name == "pyarrow.Dataset":
            return dataset
        # A copy was verified when it was made.
        return _reader(dataset, artifact) if stored_path(artifact) else dataset.scanner().to_reader()


class DuckDBHandler(_ParquetHandler):
    """DuckDB relations, streamed as Arrow batches."""

    writes = ("duckdb.DuckDBPyRelation",)
    reads = ("duckdb.DuckDBPyRelation",)

    def write(self, value: "duckdb.DuckDBPyRelation", sink: BinaryIO) -> str | None:
        from artifact_pipelines.tabular.parquet import write_batches
        from artifact_pipelines.tabular.row_groups import in_utc

        reader = value.to_arrow_reader(_BATCH_ROWS)
        schema = in_utc(reader.schema)  # as DuckDB has them: a zone is how a connection shows them
        return write_batches(schema, (batch.cast(schema) for batch in reader), sink, OneThreadHasher)

    def read(self, artifact: Artifact, request: ReadRequest) -> "duckdb.DuckDBPyRelation":
        import duckdb

        return duckdb.connect().read_parquet(str(lasting_path(artifact)))


def _reader(dataset: Any, artifact: Artifact) -> "pa.RecordBatchReader":
    """Return a table's batches in order, at whose end its file has been verified."""
    import pyarrow as pa

    def batches() -> Iterator["pa.RecordBatch"]:
        with verified_path(artifact):
            yield from dataset.scanner().to_reader()

    return pa.RecordBatchReader.from_batches(dataset.schema, batches())
