"""The IO manager: every materialization becomes a stored file and a row in the catalog, in one transaction.

One idea: the content hash is the data version, so what did not change makes nothing downstream run again.
"""

import pathlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, TypeVar, cast

import dagster as dg
import pydantic

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.interfaces import IArtifactProducer
from artifact_pipelines.core.retention import RETENTION_METADATA_KEY, RetentionPolicy
from artifact_pipelines.core.settings import STORAGE_URL, refuse_password
from artifact_pipelines.core.types import (
    FileId,
    FileInfo,
    Lease,
    LoadedInput,
    Materialization,
    MaterializationFacts,
    NewArtifact,
)
from artifact_pipelines.io_manager.failures import failures_explained
from artifact_pipelines.io_manager.interfaces import Artifact, ITypeHandler
from artifact_pipelines.io_manager.metadata import materialization_metadata
from artifact_pipelines.io_manager.registry import TypeHandlers
from artifact_pipelines.io_manager.s3_config import S3Config
from artifact_pipelines.io_manager.verified_path import damage_blamed
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.open_producer import open_producer
from artifact_pipelines.storage.source_file import SourceFile

Result = TypeVar("Result")

DATASET_METADATA_KEY = "artifact/dataset"
"""Asset metadata: the name of the dataset whose raw content the asset is."""


class ArtifactIOManager(dg.IOManager, IArtifactProducer):
    """Stores outputs as artifacts and loads inputs from them.

    Args:
        catalog: Where materializations are recorded.
        producer: The one place that creates files.
        handlers: Handlers for your own types; they come before the built-in ones.
    """

    def __init__(self, catalog: Catalog, producer: ArtifactProducer, handlers: Sequence[ITypeHandler] = ()) -> None:
        self._catalog = catalog
        self._producer = producer
        self._handlers = TypeHandlers(handlers)
        self._loaded: dict[tuple[str, str], list[LoadedInput]] = {}
        self._lock = threading.Lock()

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

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Store a value, record its materialization, and tell Dagster its data version and metadata."""
        with failures_explained():
            handler = self._handlers.for_value(obj)
            if context.has_asset_partitions and len(context.asset_partition_keys) != 1:
                raise InvalidArgumentError("partitions", len(context.asset_partition_keys), "exactly one in a run")

            def record(lease: Lease) -> tuple[Materialization, Mapping[str, Any]]:
                # The bytes are in place and leased; what is told of them is read from them, not from the value.
                stored = self._leased_artifact(lease.file)
                with damage_blamed(stored):  # a duplicate's bytes may have lain there for years
                    facts = handler.facts(stored)
                return self._catalog.materializations.record(self._describe(context, lease.file, facts), [lease]), facts

            policy = _retention_of(context)
            recorded, facts = self._store(handler, obj, record)
            self._catalog.retention.set_policy(recorded.asset, policy)
            self._report(context, recorded, facts)

    def load_input(self, context: dg.InputContext) -> Any:
        """Load the artifact of an upstream asset as the type that the input is annotated with."""
        with failures_explained():
            annotation = context.dagster_type.typing_type
            if not context.has_asset_partitions:
                return self._load(context, None, annotation)
            partitions = context.asset_partition_keys
            if len(partitions) == 1:
                return self._load(context, partitions[0], annotation)
            return {partition: self._load(context, partition, None) for partition in partitions}

    def artifact(self, file: FileInfo) -> Artifact:
        """Return a stored file as handlers read it."""
        producer = self._producer
        return Artifact(
            file, lambda: producer.uri(file), lambda verify: producer.open(file.file_id, verify), producer.verify_reads
        )

    def _leased_artifact(self, file: FileInfo) -> Artifact:
        """Return a file that has just been put: what its row says is settled only when its lease is."""
        producer = self._producer
        return Artifact(
            file, lambda: producer.uri(file), lambda verify: producer.open_file(file, verify), producer.verify_reads
        )

    def _store(self, handler: ITypeHandler, value: Any, settle: Callable[[Lease], Result]) -> Result:
        description = handler.describe(value)
        if isinstance(value, pathlib.Path):
            with SourceFile(value) as stream:
                return self._producer.store_stream(stream, description, settle)
        return self._producer.store_written(
            lambda sink: handler.write(value, cast("BinaryIO", sink)), description, settle
        )

    def _describe(self, context: dg.OutputContext, file: FileInfo, facts: Mapping[str, Any]) -> MaterializationFacts:
        columns = facts.get("columns")
        in_step = context.has_asset_key
        return MaterializationFacts(
            asset=_asset_of(context),
            partition=context.asset_partition_keys[0] if context.has_asset_partitions else None,
            data_version=file.content_hash,
            run_id=context.run_id,
            step_key=context.step_key,
            code_version=context.asset_spec.code_version if in_step else None,
            dataset=context.definition_metadata.get(DATASET_METADATA_KEY) if in_step else None,
            row_count=facts.get("row_count"),
            schema={column.name: str(column.type) for column in columns} if columns is not None else None,
            inputs=tuple(self._loaded.get((context.run_id, context.step_key), ())),
        )

    def _report(self, context: dg.OutputContext, recorded: Materialization, facts: Mapping[str, Any]) -> None:
        uri = self._producer.uri(recorded.file)
        context.add_output_metadata(
            materialization_metadata(recorded, uri, facts, partitioned=recorded.partition is not None)
        )
        if context.has_asset_key:
            set_data_version(context, recorded.data_version)

    def _load(self, context: dg.InputContext, partition: str | None, annotation: Any) -> Any:
        asset = _asset_of(context)
        run_id, step_key = _step_of(context)
        found = self._catalog.materializations.current(asset, partition, run_id=run_id)
        if run_id and step_key:
            with self._lock:
                loaded = self._loaded.setdefault((run_id, step_key), [])
                loaded.extend(LoadedInput(asset, partition, file.file_id) for file in found.files)
        return self._handlers.read(self.artifact(found.file), annotation)


def set_data_version(context: dg.OutputContext, data_version: str) -> None:
    """Make a data version the one of the output's asset, unless the user's code has set its own.

    The one place that uses this semi-public call of Dagster's; a test shows that it works.
    """
    step = context.step_context
    if not step.has_data_version(context.asset_key):
        step.set_data_version(context.asset_key, dg.DataVersion(data_version))


def _retention_of(context: dg.OutputContext) -> RetentionPolicy | None:
    return retention_policy(context.asset_spec.metadata) if context.has_asset_key else None


def retention_policy(asset_metadata: Mapping[str, Any]) -> RetentionPolicy | None:
    """Return the policy that an asset's metadata declare, if they do.

    Raises:
        InvalidArgumentError: It is not of the form that a policy has.
    """
    declared = asset_metadata.get(RETENTION_METADATA_KEY)
    if isinstance(declared, dg.JsonMetadataValue):
        declared = declared.data
    return None if declared is None else RetentionPolicy.from_mapping(declared)


def _asset_of(context: dg.OutputContext | dg.InputContext) -> str:
    if context.has_asset_key:
        return context.asset_key.to_user_string()
    output = context if isinstance(context, dg.OutputContext) else context.upstream_output
    assert output is not None  # an input without an asset key comes from an output
    return "/".join(output.get_identifier())


def _step_of(context: dg.InputContext) -> tuple[str | None, str | None]:
    try:
        step = context.step_context
    except dg.DagsterInvariantViolationError:  # loaded outside of a run
        return None, None
    return step.run_id, step.step.key


class ArtifactIOManagerFactory(dg.ConfigurableIOManagerFactory[ArtifactIOManager]):
    """Makes the IO manager from two URLs.

    Attributes:
        catalog_url: `sqlite:////path/catalog.db` or `postgresql://user@host/database`.
        storage_url: A folder (a path or `file:///folder`), or `s3://bucket/prefix`.
        verify_reads: Whether reading a whole file checks its hash.
        s3: How to reach the S3 server; what it leaves out, the standard AWS variables say.
    """

    catalog_url: str = pydantic.Field(repr=False)  # may hold a password
    storage_url: str
    verify_reads: bool = True
    s3: S3Config = S3Config()

    @pydantic.field_validator("storage_url")
    @classmethod
    def _shows_no_password(cls, storage_url: str) -> str:
        refuse_password(storage_url, STORAGE_URL)
        return storage_url

    def create_io_manager(self, context: dg.InitResourceContext) -> ArtifactIOManager:
        """Open catalog and storage."""
        catalog = Catalog(self.catalog_url)
        producer = open_producer(catalog.files, self.storage_url, self.verify_reads, self.s3.settings())
        return ArtifactIOManager(catalog, producer)
