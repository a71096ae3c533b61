"""The store for notebooks and scripts: `with open_store() as store: store.load("flights/table")`.

No Dagster is needed here. The store uses the same catalog, the same files and the same handlers as the IO manager.
"""

import datetime
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.files import REBUILT
from artifact_pipelines.catalog.stored_names import (
    find_file,
    find_materialization,
    find_materializations,
    resolve_name,
)
from artifact_pipelines.core.exceptions import InvalidArgumentError, NotHeldError
from artifact_pipelines.core.history_table import HistoryTable
from artifact_pipelines.core.interfaces import IArtifactProducer
from artifact_pipelines.core.selection import selection_from
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileId, FileInfo, FileState, Materialization, NewArtifact, Rollback
from artifact_pipelines.handlers.containers import read_value
from artifact_pipelines.handlers.registry import FILE_NAME, TypeHandlers
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import CALLER, ArtifactProducer
from artifact_pipelines.storage.factory import open_producer
from artifact_pipelines.storage.file_types import describe_by_name, name_by_type, safe_file_name
from artifact_pipelines.storage.opened_files import opened_path
from artifact_pipelines.storage.source_file import SourceFile

if TYPE_CHECKING:
    import polars
    import pyarrow

_MOST_ASSETS = 10_000


def open_store(catalog_url: str | None = None, storage_url: str | None = None, verify_reads: bool = True) -> "Store":
    """Open the store that the pipeline uses, or another one. Close it after use, or use it in a `with` block.

    Args:
        catalog_url: `sqlite:////path/catalog.db` or `postgresql://user@host/database`; None: `ARTIFACT_CATALOG_URL`.
        storage_url: A folder, `file:///folder` or `s3://bucket/prefix`; None: `ARTIFACT_STORAGE_URL`.
        verify_reads: True if reading a whole file checks its hash.

    Raises:
        ConfigurationError: A URL is invalid.
        OutdatedCatalogError: The catalog's schema is older than this version of the package.
        CatalogUnavailableError: The catalog does not answer.
    """
    settings = Settings.from_environment()
    catalog = Catalog(catalog_url or settings.catalog_url)
    return Store(catalog, open_producer(catalog.files, storage_url or settings.storage_url, verify_reads))


class Store(IArtifactProducer):
    """Stored files and the artifacts of assets, outside of Dagster.

    A file ID that is not a positive whole number is an `InvalidFileIdError`, one without a file an `UnknownFileError`.

    Attributes:
        catalog: The catalog of the store.
    """

    def __init__(self, catalog: Catalog, producer: ArtifactProducer) -> None:
        self.catalog = catalog
        self._producer = producer
        self._handlers = TypeHandlers()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.catalog!r})"

    def close(self) -> None:
        """Close the catalog's connections."""
        self.catalog.close()

    def create_artifact(
        self,
        content_stream: BinaryIO,
        file_type: str,
        mime_type: str | None = None,
        compression_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> FileId:
        """See `IArtifactProducer`."""
        return self._producer.create_artifact(content_stream, file_type, mime_type, compression_type, metadata)

    def create_artifacts(self, items: Iterable[NewArtifact]) -> Sequence[FileId]:
        """See `IArtifactProducer`."""
        return self._producer.create_artifacts(items)

    def put(
        self, path: pathlib.Path, watch: Callable[[BinaryIO], BinaryIO] = lambda stream: stream
    ) -> tuple[FileId, FileState]:
        """Store a file from disk as `create_artifact` does. Returns its ID, and the state that its content had.

        The state is `PENDING` if the content is new, `STORED` if it was there already, and `DAMAGED` if its bytes were
        missing or wrong and are put again.

        Args:
            path: The file.
            watch: Wraps the stream of the file, to show progress. If the store may already have the content, the
                stream is read twice.

        Raises:
            SourceError: The file is missing, unreadable, or changed while it was read.
            BackendError: Storage or catalog did not answer, or the storage is full.
        """
        with SourceFile(path) as stream, self._producer.holding(is_brief=True) as holding:
            lease = holding.put(watch(stream), describe_by_name(path.name))
            holding.settle(CALLER)
        return lease.file.file_id, lease.file.state

    def open(self, file_id: FileId | int, verify: bool | None = None) -> BinaryIO:
        """Return a binary stream of a file. Close it after use.

        Args:
            file_id: The file.
            verify: True if a read from start to end checks the hash, and raises `DamagedBytesError` at the end;
                None: the setting of `open_store`.

        Raises:
            IntegrityError: The bytes are missing, have another size or are known to be damaged.
        """
        return self._producer.open(FileId(file_id), verify)

    def info(self, file_id: FileId | int) -> FileInfo:
        """Return the facts about a file: size, content hash, type, state."""
        return self.catalog.files.get_file(FileId(file_id))

    def uri(self, file_id: FileId | int) -> str:
        """Return the URI of a file's bytes (`file:///…` or `s3://…`). Raises an `IntegrityError` as `open` does."""
        return self._producer.uri(self.info(file_id))

    def artifact(self, file: FileInfo) -> Artifact:
        """Return a file of a materialization, for readers that take a path. Nothing is read."""
        return self._producer.artifact(file)

    def release(self, file_id: FileId | int) -> None:
        """Drop one reference that a `create_artifact` made. The bytes stay until they are collected.

        If there is none, drop the reference that the recovery of a lost catalog made for an unknown holder.

        Raises:
            NotHeldError: No such reference is left.
        """
        try:
            self._producer.release(FileId(file_id))
        except NotHeldError as error:
            if REBUILT not in error.holders:
                raise
            self.catalog.files.release(FileId(file_id), REBUILT)

    def load(
        self,
        asset: str,
        as_type: Any = None,
        partition: str | None = None,
        version: int | None = None,
        *,
        tag: str | None = None,
        as_of: datetime.datetime | str | None = None,
        run_id: str | None = None,
    ) -> Any:
        """Return the artifact of an asset.

        Args:
            asset: Asset key, such as `flights/table`, or another name that `find` takes.
            as_type: `polars.LazyFrame`, `pyarrow.Table`, `pathlib.Path`, `Artifact`, …; of a container of tables,
                `dict[str, polars.LazyFrame]`, …; None: the type that was stored.
            partition: Partition key of a partitioned asset.
            version: Version number, as `history` lists it. Without version, tag, as_of and run_id: the current version.
            tag: Tag of the version.
            as_of: Time with a time zone; the version that was current then.
            run_id: Run that made the version; the newest if it made several.

        Raises:
            NotFoundError: The asset or version is not in the catalog.
            UsageError: The file cannot be read as that type, or several of version, tag, as_of and run_id are given.
            IntegrityError: The bytes are missing or damaged. A file that is scanned in place (`LazyFrame`, `Dataset`, a
                DuckDB relation) is checked only by size if it is on S3 or larger than 64 MiB.
        """
        wish = {"version": version, "tag": tag, "as_of": as_of, "run_id": run_id}
        found = self._find(asset, partition, {key: value for key, value in wish.items() if value is not None})
        artifacts = [self._producer.artifact(file, found) for file in found.files]
        return read_value(self._handlers, artifacts, found.metadata, as_type)

    def find(self, name: str, partition: str | None = None, version: int | None = None) -> Materialization:
        """Return what a name stands for: `flights/table`, `flights/table@v3`, `sales/table[2024-01]`, or `flights@v3`.

        Raises:
            InvalidArgumentError: It is no name, or it names a partition or version and another is given.
            NotFoundError: Nothing of that name is stored.
        """
        return find_materialization(self.catalog, name, partition, version)

    def find_file(self, name: str) -> FileInfo:
        """Return the one file that a name or the text of a file ID stands for. Raises as `find`, also for several."""
        return find_file(self.catalog, name)[0]

    def path(self, name: str) -> pathlib.Path:
        """Return the path of a stored file, for any program to read, under a name that shows what it is.

        It is a link to the stored file, or a copy if the store is on S3, in the folder `artifact-pipelines` of the
        user's cache. It stays there when the process ends.

        Raises:
            UsageError, NotFoundError: As `find_file`.
            IntegrityError: The bytes are missing or damaged.
        """
        file, made = find_file(self.catalog, name)
        return opened_path(self._producer.artifact(file, made), _file_name(file, made))

    @contextmanager
    def query(self, query: str, **parameters: object) -> "Iterator[pyarrow.RecordBatchReader]":
        """Open the answer of one SELECT over stored tables, read as it is taken; the query can reach nothing else.

        Args:
            query: In DuckDB's SQL. The names of tables stand in quotes: `SELECT * FROM 'flights/table@v3'`. A
                partitioned asset without a partition is one table of all partitions, with the key in a last column
                `partition`, unless it has a column of this name.
            parameters: Values of `$name` in the query.

        Raises:
            UnsafeQueryError: It is not one SELECT, or tries to reach something else.
            QueryError: DuckDB does not understand it, or cannot answer it.
            NotFoundError: A table is not stored.
            UsageError: What is stored under a name is no table.
        """
        from artifact_pipelines.tabular.sql_over_files import sql_over_files

        with sql_over_files(query, self._table_files, parameters) as answer:
            yield answer

    def sql(self, query: str, **parameters: object) -> "polars.DataFrame":
        """Return the answer of `query` as a frame; it must fit into memory."""
        import polars

        with self.query(query, **parameters) as answer:
            frame = polars.from_arrow(answer.read_all())
        assert isinstance(frame, polars.DataFrame)  # of a table
        return frame

    def _table_files(self, name: str) -> Sequence[tuple[pathlib.Path, str | None]]:
        from artifact_pipelines.handlers.scanning import path_for_scan

        found = find_materializations(self.catalog, name)
        is_whole = resolve_name(self.catalog, name).partition is None
        for made in found:
            if made.file.file_type != "parquet" or len(made.files) > 1:
                raise InvalidArgumentError(f"{name!r}", made.file.file_type, "a table that is stored as Parquet")
        paths = [path_for_scan(self._producer.artifact(made.file, made)) for made in found]
        return [(path, made.partition if is_whole else None) for path, made in zip(paths, found, strict=True)]

    def rollback(self, asset: str, version: int, partition: str | None = None) -> Rollback:
        """Make an older version current again. No bytes move.

        The version keeps its number; the next new content gets the number after the highest. This does not report to
        Dagster: use `artifact-pipelines rollback` for that, before or afterwards.

        Raises:
            NotFoundError: The version does not exist, or was released.
            IntegrityError: The bytes are missing, have another size or are known to be damaged. Nothing was changed.
        """
        found = self.find(asset, partition, version)
        for file in found.files:
            self._producer.uri(file)
        return self.catalog.materializations.roll_back(found.asset, found.version, found.partition)

    def _find(self, asset: str, partition: str | None, wish: Mapping[str, Any]) -> Materialization:
        catalog = self.catalog.materializations
        if not isinstance(asset, str):
            raise InvalidArgumentError("asset", asset, "the name of one asset, such as 'flights/table'")
        if not wish:
            return self.find(asset, partition)
        selection = selection_from(wish, "load")
        if selection.version is not None:
            return self.find(asset, partition, selection.version)
        found = catalog.find(asset, [partition], selection).get(partition)
        if found is None:
            raise catalog.nothing_found(asset, partition, selection)
        return found

    def assets(self, pattern: str = "*") -> HistoryTable:
        """Return the current materialization of each asset and partition, by name. A notebook shows them as a table.

        Args:
            pattern: Only assets whose names match: `*` stands for any characters, `?` for one; `flights` matches
                `flights/table` too.
        """
        return HistoryTable(self.catalog.materializations.list_current(_MOST_ASSETS, pattern=pattern))

    def history(self, asset: str, partition: str | None = None) -> HistoryTable:
        """Return the materializations of an asset, one of its partitions or versions, newest first.

        A notebook shows them as a table.

        Args:
            asset: Asset key, or another name that `find` takes.
            partition: Partition key of a partitioned asset.

        Raises:
            NotFoundError: There is none.
        """
        name = resolve_name(self.catalog, asset, partition)
        made = self.catalog.materializations.history(name.asset, name.partition)
        found = [each for each in made if name.version in (None, each.version)]
        return HistoryTable(found or [self.find(asset, partition)])  # raises an error with the remedy


def _file_name(file: FileInfo, made: Materialization | None) -> str:
    """Return the name that a file had, or else one by its asset or ID, with the extensions of its type."""
    own = "" if made is None else made.metadata.get(FILE_NAME) or pathlib.PurePath(made.source.get("file", "")).name
    stem = f"file-{file.file_id}" if made is None else made.asset.replace("/", "-")
    by_type = name_by_type(stem, file.file_type, file.compression_type)
    return safe_file_name(own if pathlib.PurePath(own).suffix else by_type) or by_type
