"""Handlers for tables, all stored as Parquet: polars, pyarrow, DuckDB and pandas read each other's tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.handlers.annotations import convert_to_subclass
from artifact_pipelines.handlers.exceptions import ContentMismatchError, UnknownColumnError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.hashing import OneThreadHasher
from artifact_pipelines.storage.local_paths import damage_blamed, lasting_path, stored_path, verified_path

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    import pyarrow as pa
    import pyarrow.dataset

ROW_ORDER_METADATA_KEY = "artifact/row_order"
"""Asset metadata: `any` declares that the order of a table's rows means nothing."""

_PARQUET = FileDescription("parquet", "application/vnd.apache.parquet")
METADATA_ERRORS = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Errors of pyarrow, pandas and extension types over a file's own description of its columns."""


class ParquetHandler:
    """The file format and facts that all handlers of tables share."""

    file_types: ClassVar[Sequence[str]] = ("parquet",)

    def describe(self, value: object) -> FileDescription:
        return _PARQUET

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        from artifact_pipelines.tabular.footer import describe_parquet, preview

        with artifact.open() as stream, readable_as(artifact, "a table"):
            summary = describe_parquet(stream)
            return {"row_count": summary.row_count, "columns": summary.columns, "preview": preview(stream)}


class PolarsHandler(ParquetHandler):
    """polars frames. A LazyFrame is streamed into the file, never collected; on reading, it scans the file in place."""

    writes = reads = ("polars.DataFrame", "polars.LazyFrame")

    def write(self, value: "pl.DataFrame | pl.LazyFrame", sink: BinaryIO) -> str | None:
        from artifact_pipelines.tabular.parquet import write_frame
        from artifact_pipelines.tabular.storable_columns import check_frame_columns

        check_frame_columns(value.lazy().collect_schema())
        return write_frame(value, sink, OneThreadHasher)

    def read(self, artifact: Artifact, request: ReadRequest) -> "pl.DataFrame | pl.LazyFrame":
        import polars as pl
        import polars.selectors as cs

        columns = check_columns(artifact, request.columns)
        wanted = cs.all() if columns is None else cs.by_name(*columns)  # `*` and `^a$` may be column names
        if request.type_name == "polars.LazyFrame":
            from artifact_pipelines.handlers.scanning import scan_with_polars

            lazy = scan_with_polars(artifact)
            return convert_to_subclass(lazy if columns is None else lazy.select(wanted), artifact, request)
        with readable_as(artifact, "polars.DataFrame"), verified_path(artifact) as file:
            if columns is None:
                frame = pl.read_parquet(file.path, glob=False)
            else:
                frame = pl.scan_parquet(file.path, glob=False).select(wanted).collect()
        return convert_to_subclass(frame, artifact, request)


class ArrowHandler(ParquetHandler):
    """pyarrow tables, record batches, readers and datasets. Readers and datasets are streamed batch by batch.

    A Dataset reads the file in place. A reader verifies the file at its end.
    """

    writes = reads = ("pyarrow.Table", "pyarrow.RecordBatch", "pyarrow.RecordBatchReader", "pyarrow.Dataset")

    def write(
        self, value: "pa.Table | pa.RecordBatch | pa.RecordBatchReader | pyarrow.dataset.Dataset", sink: BinaryIO
    ) -> str | None:
        from artifact_pipelines.tabular.parquet import write_batches
        from artifact_pipelines.tabular.storable_columns import check_arrow_columns

        check_arrow_columns(value.schema)
        return write_batches(value.schema, _batches(value), sink, OneThreadHasher)

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        columns = check_columns(artifact, request.columns)
        if request.type_name == "pyarrow.RecordBatchReader":
            return _open_reader(artifact, columns)
        if request.type_name == "pyarrow.Dataset":
            from artifact_pipelines.handlers.scanning import open_dataset

            with readable_as(artifact, "pyarrow.dataset.Dataset"):
                return _select(open_dataset(artifact), columns)
        table = read_table(artifact, columns)
        if request.type_name == "pyarrow.Table":
            return table
        import pyarrow as pa

        batches = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        if len(batches) > 1:  # a column of texts may be too long for one batch
            problem = f"its {table.num_rows:,} rows do not fit into one batch"
            raise ContentMismatchError(artifact.info.file_id, "pyarrow.RecordBatch", problem, "Annotate pyarrow.Table.")
        return batches[0]


class DuckDBHandler(ParquetHandler):
    """DuckDB relations, streamed as Arrow batches. From S3 they read a local copy, unlike a Dataset.

    The relations of one thread can be joined with each other, and `duckdb.sql` sees them.
    """

    writes = reads = ("duckdb.DuckDBPyRelation",)

    def write(self, value: "duckdb.DuckDBPyRelation", sink: BinaryIO) -> str | None:
        from artifact_pipelines.tabular.bounded_batches import DUCKDB_ROWS, joined
        from artifact_pipelines.tabular.parquet import write_batches
        from artifact_pipelines.tabular.row_groups import schema_in_utc
        from artifact_pipelines.tabular.storable_columns import check_arrow_columns, check_relation_columns

        check_relation_columns(value)
        with value.to_arrow_reader(DUCKDB_ROWS) as reader:  # until it is closed, the connection runs no other query
            check_arrow_columns(reader.schema)
            schema = schema_in_utc(reader.schema)  # a zone is only a display setting
            return write_batches(schema, (batch.cast(schema) for batch in joined(reader)), sink, OneThreadHasher)

    def read(self, artifact: Artifact, request: ReadRequest) -> "duckdb.DuckDBPyRelation":
        from artifact_pipelines.handlers.duckdb_connections import make_relation
        from artifact_pipelines.handlers.scanning import path_for_scan
        from artifact_pipelines.tabular.duckdb_names import check_duckdb_names

        columns = check_columns(artifact, request.columns)
        if columns == []:
            raise InvalidArgumentError("columns", columns, "at least one column: a DuckDB relation cannot have none")
        check_duckdb_names(column_names(artifact) if columns is None else columns)
        with readable_as(artifact, "duckdb.DuckDBPyRelation"):
            path = str(path_for_scan(artifact))
            relation = make_relation(lambda connection: connection.read_parquet(path))
            if columns is None:
                return relation
            found = dict(zip(column_names(artifact), relation.columns, strict=True))  # DuckDB's names
            return relation.project(", ".join(f"{_quoted(found[name])} AS {_quoted(name)}" for name in columns))


def _quoted(name: str) -> str:
    """Return the name of a column in SQL."""
    return '"' + name.replace('"', '""') + '"'


def read_table(artifact: Artifact, columns: Sequence[str] | None, for_pandas: bool = False) -> "pa.Table":
    """Return a whole table, verified; `for_pandas` adds the columns of a pandas index to `columns`."""
    import pyarrow.parquet

    with readable_as(artifact, "pyarrow.Table"), verified_path(artifact) as file:
        return pyarrow.parquet.read_table(
            file.path,
            columns=columns,
            page_checksum_verification=True,
            partitioning=None,
            use_pandas_metadata=for_pandas,
        )


def check_columns(artifact: Artifact, columns: Sequence[str] | None) -> list[str] | None:
    """Return the requested columns, each once; None: all. Raise `UnknownColumnError` if the table lacks one."""
    if columns is None:
        return None
    available = column_names(artifact)
    unknown = [column for column in columns if column not in available]
    if unknown:
        raise UnknownColumnError(artifact.info.file_id, unknown, available)
    return list(dict.fromkeys(columns))


def column_names(artifact: Artifact) -> list[str]:
    """Return the names of a stored table's columns, from its footer."""
    import pyarrow.parquet

    with readable_as(artifact, "a table"), damage_blamed(artifact), artifact.open(verify=False) as stream:
        return list(pyarrow.parquet.read_schema(stream).names)


@contextmanager
def readable_as(artifact: Artifact, type_name: str) -> Iterator[None]:
    """Turn a reader's error over an undamaged file into `ContentMismatchError`, which is not retried."""
    try:
        yield
    except _temporary_errors():
        raise
    except _reader_errors() as error:
        problem = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        remedy = "Annotate another kind of table, or pathlib.Path to inspect it; or fix the program that writes it."
        raise ContentMismatchError(artifact.info.file_id, type_name, problem, remedy) from error


def is_unordered(asset_metadata: Mapping[str, Any], description: FileDescription) -> bool:
    """True if an asset's metadata declare that its rows have no order; refuse it for a value that is not a table."""
    declared = asset_metadata.get(ROW_ORDER_METADATA_KEY)
    if declared is None:
        return False
    if declared != "any":
        raise InvalidArgumentError(ROW_ORDER_METADATA_KEY, declared, "'any', or left out if the order counts")
    if description.file_type != "parquet":
        expected = f"left out of the metadata of an asset that is not a table (it is stored as {description.file_type})"
        raise InvalidArgumentError(ROW_ORDER_METADATA_KEY, declared, expected)
    return True


def unordered_version(stored: Artifact) -> str:
    """Return the data version of a stored table whose rows have no order, such as after a query without ORDER BY."""
    from artifact_pipelines.tabular.unordered_hash import unordered_hash

    stored.verify()  # the reads below seek, so they are not verified
    with stored.open(verify=False) as stream:
        return unordered_hash(stream, OneThreadHasher)


def _temporary_errors() -> tuple[type[BaseException], ...]:  # imports only once there is an error
    import duckdb

    return (MemoryError, OSError, duckdb.OutOfMemoryException, duckdb.IOException)


def _reader_errors() -> tuple[type[BaseException], ...]:
    import duckdb
    import polars as pl
    import pyarrow as pa

    polars_errors = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
    # A message of DuckDB's that quotes other bytes than UTF-8 becomes a UnicodeDecodeError.
    return (pa.ArrowException, duckdb.Error, UnicodeDecodeError, *polars_errors, *METADATA_ERRORS)


def _batches(value: Any) -> Iterable["pa.RecordBatch"]:
    import pyarrow as pa

    if isinstance(value, pa.RecordBatch):
        return [value]
    batches: Iterable[pa.RecordBatch] = value if isinstance(value, pa.RecordBatchReader) else value.to_batches()
    return batches


def _select(dataset: "pyarrow.dataset.Dataset", columns: Sequence[str] | None) -> "pyarrow.dataset.Dataset":
    import pyarrow as pa

    if columns is None:
        return dataset
    return dataset.replace_schema(pa.schema([dataset.schema.field(column) for column in columns]))


def _open_reader(artifact: Artifact, columns: Sequence[str] | None) -> "pa.RecordBatchReader":
    import pyarrow as pa
    import pyarrow.dataset

    with readable_as(artifact, "pyarrow.RecordBatchReader"):
        dataset = _select(pyarrow.dataset.dataset(lasting_path(artifact), format="parquet"), columns)
    if not stored_path(artifact):  # a copy was verified as it was made
        return dataset.scanner().to_reader()

    def batches() -> Iterator["pa.RecordBatch"]:
        with verified_path(artifact):
            yield from dataset.scanner().to_reader()

    return pa.RecordBatchReader.from_batches(dataset.schema, batches())
