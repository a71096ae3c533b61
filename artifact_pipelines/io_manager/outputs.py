"""Writing: a value becomes a stored file and a row in the catalog, in one transaction, and Dagster is told."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar, cast

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.retention import RETENTION_METADATA_KEY, RetentionPolicy
from artifact_pipelines.core.types import FileInfo, Lease, Materialization, MaterializationFacts
from artifact_pipelines.io_manager.contexts import asset_of, step_of
from artifact_pipelines.io_manager.interfaces import Artifact, ITypeHandler
from artifact_pipelines.io_manager.metadata import materialization_metadata
from artifact_pipelines.io_manager.registry import TypeHandlers
from artifact_pipelines.io_manager.row_order import is_unordered, unordered_version
from artifact_pipelines.io_manager.step_inputs import StepInputs
from artifact_pipelines.io_manager.verified_path import damage_blamed
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.source_file import SourceFile

Result = TypeVar("Result")

DATASET_METADATA_KEY = "artifact/dataset"
"""Asset metadata: the name of the dataset whose raw content the asset is."""


class OutputWriter:
    """Stores what a step puts out, and records what it was made from.

    Args:
        catalog: Where materializations are recorded.
        producer: The one place that creates files.
        artifact: Returns a file that has just been put as handlers read it: it is leased, not settled.
        handlers: Handlers of all types.
        step_inputs: What the step has loaded.
    """

    def __init__(
        self,
        catalog: Catalog,
        producer: ArtifactProducer,
        artifact: Callable[[FileInfo], Artifact],
        handlers: TypeHandlers,
        step_inputs: StepInputs,
    ) -> None:
        self._catalog = catalog
        self._producer = producer
        self._artifact = artifact
        self._handlers = handlers
        self._step_inputs = step_inputs

    def write(self, context: dg.OutputContext, value: object) -> None:
        """Store a value, record its materialization, and tell Dagster its data version and metadata."""
        if context.has_asset_partitions and len(context.asset_partition_keys) != 1:
            raise InvalidArgumentError("partitions", len(context.asset_partition_keys), "exactly one in a run")
        policy = _retention_of(context)
        partition = context.asset_partition_keys[0] if context.has_asset_partitions else None
        recorded, facts = self._store(context, partition, value)
        self._catalog.retention.set_policy(recorded.asset, policy)
        self._report(context, recorded, facts)

    def _store(
        self, context: dg.OutputContext, partition: str | None, value: object
    ) -> tuple[Materialization, Mapping[str, Any]]:
        handler = self._handlers.for_value(value)
        unordered = context.has_asset_key and is_unordered(context.asset_spec.metadata, handler.describe(value))
        written = _Written()

        def record(lease: Lease) -> tuple[Materialization, Mapping[str, Any]]:
            # The bytes are in place and leased; what is told of them is read from them, not from the value.
            stored = self._artifact(lease.file)
            with damage_blamed(stored):  # a duplicate's bytes may have lain there for years
                facts = handler.facts(stored)
                logical_hash = unordered_version(stored) if unordered else written.logical_hash
            data_version = logical_hash or lease.file.content_hash
            described = self._describe(context, partition, data_version, facts)
            return self._catalog.materializations.record(described, [lease]), facts

        return self._put(handler, value, written, record)

    def _put(self, handler: ITypeHandler, value: Any, written: "_Written", settle: Callable[[Lease], Result]) -> Result:
        description = handler.describe(value)
        if isinstance(value, pathlib.Path):
            with SourceFile(value) as stream:
                return self._producer.store_stream(stream, description, settle)

        def write(sink: Any) -> None:
            written.logical_hash = handler.write(value, cast("BinaryIO", sink))

        return self._producer.store_written(write, description, settle)

    def _describe(
        self, context: dg.OutputContext, partition: str | None, data_version: str, facts: Mapping[str, Any]
    ) -> MaterializationFacts:
        columns = facts.get("columns")
        in_step = context.has_asset_key
        return MaterializationFacts(
            asset=asset_of(context),
            partition=partition,
            data_version=data_version,
            run_id=context.run_id,
            step_key=context.step_key,
            code_version=context.asset_spec.code_version if in_step else None,
            dataset=context.definition_metadata.get(DATASET_METADATA_KEY) if in_step else None,
            row_count=facts.get("row_count"),
            schema={column.name: str(column.type) for column in columns} if columns is not None else None,
            inputs=tuple(self._step_inputs.of(step_of(context))),
        )

    def _report(self, context: dg.OutputContext, recorded: Materialization, facts: Mapping[str, Any]) -> None:
        uri = self._producer.uri(recorded.file)
        context.add_output_metadata(
            materialization_metadata(recorded, uri, facts, partitioned=recorded.partition is not None)
        )
        if context.has_asset_key:
            set_data_version(context, recorded.data_version)


class _Written:
    """What a handler said of the value that it wrote last."""

    logical_hash: str | None = None


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
