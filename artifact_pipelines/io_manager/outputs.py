"""Writing: a value becomes a stored file and a row in the catalog, in one transaction, and Dagster is told."""

import contextlib
import dataclasses
from collections.abc import Generator, Mapping, Sequence
from typing import Any, BinaryIO, cast

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.retention import RETENTION_METADATA_KEY, RetentionPolicy
from artifact_pipelines.core.types import FileInfo, FileState, Lease, Materialization, MaterializationFacts
from artifact_pipelines.handlers.partitions import split_by_partition
from artifact_pipelines.handlers.registry import WRITTEN_AS, TypeHandlers
from artifact_pipelines.handlers.row_order import ROW_ORDER_METADATA_KEY, is_unordered, unordered_version
from artifact_pipelines.io_manager.contexts import (
    asset_of,
    check_known,
    metadata_of,
    partitions_of,
    plain_metadata,
    step_of,
)
from artifact_pipelines.io_manager.metadata import inputs_metadata, materialization_metadata
from artifact_pipelines.io_manager.partitions import inputs_by_partition
from artifact_pipelines.io_manager.publishing import PUBLISH_METADATA_KEY, publication_metadata, required_checks
from artifact_pipelines.io_manager.step_inputs import StepInputs
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.hashing import combined_version
from artifact_pipelines.storage.holding import Holding, stored_file
from artifact_pipelines.storage.verified_path import damage_blamed

DATASET_METADATA_KEY = "artifact/dataset"
"""Asset metadata: the name of the dataset whose raw content the asset is."""

_DECLARED = (
    DATASET_METADATA_KEY,
    PUBLISH_METADATA_KEY,
    RETENTION_METADATA_KEY,
    ROW_ORDER_METADATA_KEY,
    "artifact/design",  # of a sample, for people
)

MOST_NAME_BYTES = 2_500
"""What asset key and partition key may have together: PostgreSQL's indexes hold 2,704 bytes."""


class OutputWriter:
    """Stores what a step puts out, and records what it was made from.

    Args:
        catalog: Where materializations are recorded.
        producer: The one place that creates files.
        handlers: Handlers of all types.
        step_inputs: What the step has loaded.
    """

    def __init__(
        self,
        catalog: Catalog,
        producer: ArtifactProducer,
        handlers: TypeHandlers,
        step_inputs: StepInputs,
    ) -> None:
        self._catalog = catalog
        self._producer = producer
        self._handlers = handlers
        self._step_inputs = step_inputs

    def write(self, context: dg.OutputContext, value: object) -> None:
        """Store a value, record its materialization, and tell Dagster its data version and metadata.

        Of a run over several partitions each has a value, a file and a materialization of its own. All of them are
        recorded in one transaction, or none: if the third cannot be stored, the first two are given back.
        """
        asset = asset_of(context)
        check_known(f"metadata artifact/… of asset {asset}", metadata_of(context), _DECLARED)
        policies = {asset: _retention_of(context)}
        required_checks(context)  # before anything is stored
        dataset = _dataset_of(context)
        partitions = partitions_of(context) if context.has_asset_partitions else None
        _check_lengths(asset, partitions or ())
        if partitions and dataset is not None:  # its versions are numbered without partitions
            raise InvalidArgumentError(DATASET_METADATA_KEY, dataset, "left out of a partitioned asset's metadata")
        several = split_by_partition(asset, partitions, value, _may_cover_several(context)) if partitions else None
        values = [(partitions[0] if partitions else None, value)] if several is None else several
        # A generator that is not read to its end holds what it has opened.
        is_generated = several is not None and isinstance(value, Generator)
        with (
            contextlib.closing(value) if is_generated else contextlib.nullcontext(),  # type: ignore[type-var]
            self._producer.holding(is_brief=several is None) as holding,
        ):
            put = []
            for partition, one in values:
                put.append(self._put(holding, context, partition, one))
            recorded = self._record(holding, context, put, policies)
        self._report(context, recorded)

    def _record(
        self,
        holding: Holding,
        context: dg.OutputContext,
        put: Sequence["_Put"],
        policies: Mapping[str, RetentionPolicy | None],
    ) -> Sequence["_Put"]:
        loaded = self._step_inputs.of(step_of(context))
        made_from = inputs_by_partition(context, [one.described.partition for one in put], loaded)
        put = [
            dataclasses.replace(one, described=dataclasses.replace(one.described, inputs=inputs))
            for one, inputs in zip(put, made_from, strict=True)
        ]
        new = [(one.described, [one.lease]) for one in put]
        recorded = holding.settle_with(lambda _: self._catalog.materializations.record_all(new, policies))
        return [dataclasses.replace(one, recorded=record) for one, record in zip(put, recorded, strict=True)]

    def _put(self, holding: Holding, context: dg.OutputContext, partition: str | None, value: Any) -> "_Put":
        """Store a value and describe it. Its facts are read from the stored bytes, not from the value."""
        handler, written_as = self._handlers.for_value(value), self._handlers.type_of(value)
        description = handler.describe(value)
        unordered = is_unordered(metadata_of(context), description)
        logical_hash = None
        if hasattr(handler, "write"):
            with holding.stage() as sink:
                logical_hash = handler.write(value, cast("BinaryIO", sink))
                lease = holding.put_staged(sink, description)
        else:
            with handler.open(value) as stream:
                lease = holding.put(stream, description)
        stored = self._producer.artifact(stored_file(lease))
        with damage_blamed(stored):  # a duplicate's bytes may have lain there for years
            facts = handler.facts(stored)
            if unordered:
                logical_hash = unordered_version(stored)
        data_version = logical_hash or typed_version(lease.file)
        if value is None and context.dagster_type.typing_type is Any:
            data_version = context.run_id  # it has put something elsewhere, and nobody knows whether that changed
        described = self._describe(context, partition, data_version, facts)
        described = dataclasses.replace(described, metadata={WRITTEN_AS: written_as} if written_as else {})
        return _Put(lease, described, facts)

    def _describe(
        self, context: dg.OutputContext, partition: str | None, data_version: str, facts: Mapping[str, Any]
    ) -> MaterializationFacts:
        columns = facts.get("columns")
        return MaterializationFacts(
            asset=asset_of(context),
            partition=None if partition is None else str(partition),  # some are a kind of text
            data_version=data_version,
            run_id=context.run_id,
            step_key=context.step_key,
            code_version=context.asset_spec.code_version if context.has_asset_key else None,
            dataset=_dataset_of(context),
            row_count=facts.get("row_count"),
            schema={column.name: str(column.type) for column in columns} if columns is not None else None,
            publish_after=required_checks(context),
            is_op_output=not context.has_asset_key,
        )

    def _report(self, context: dg.OutputContext, put: Sequence["_Put"]) -> None:
        for one in put:
            uri = self._producer.location(one.record.file)
            metadata = {
                **materialization_metadata(one.record, uri, one.facts, one.is_duplicate),
                **inputs_metadata(one.described.inputs),
                **publication_metadata(one.record),
            }
            if len(put) == 1:
                context.add_output_metadata(metadata)
            else:
                context.step_context.add_asset_metadata(metadata, context.asset_key, one.record.partition)
        if context.has_asset_key:
            set_data_version(context, _data_version([one.record for one in put]))


@dataclasses.dataclass(frozen=True, slots=True)
class _Put:
    """A value that has been stored, and the record of it once there is one."""

    lease: Lease
    described: MaterializationFacts
    facts: Mapping[str, Any]
    recorded: Materialization | None = None

    @property
    def record(self) -> Materialization:
        assert self.recorded is not None
        return self.recorded

    @property
    def is_duplicate(self) -> bool:
        """Whether the content was stored before; a new file may have no bytes at all."""
        was_new = self.lease.file.state == FileState.PENDING
        return not self.record.bytes_added and (not was_new or self.lease.file.size_bytes > 0)


def set_data_version(context: dg.OutputContext, data_version: str) -> None:
    """Make a data version the one of the output's asset, unless the user's code has set its own.

    The one place that uses this semi-public call of Dagster's; a test shows that it works.
    """
    step = context.step_context
    if not step.has_data_version(context.asset_key):
        step.set_data_version(context.asset_key, dg.DataVersion(data_version))


def typed_version(file: FileInfo) -> str:
    """Return the data version of what is no table: of what bytes it is, and of what type: the text `1` is no number."""
    return f"{file.content_hash}.{file.file_type}"


def _data_version(recorded: Sequence[Materialization]) -> str:
    """Return the data version of a step's output: Dagster has one for all partitions of a run."""
    if len(recorded) == 1:
        return recorded[0].data_version
    return combined_version({str(made.partition): made.data_version for made in recorded})


def _may_cover_several(context: dg.OutputContext) -> bool:
    """Tell whether the asset's backfill policy lets a run cover several partitions."""
    assets = context.step_context.assets_def
    policy = assets.backfill_policy if assets else None
    return policy is not None and policy.max_partitions_per_run != 1


def _check_lengths(asset: str, partitions: Sequence[str]) -> None:
    """Refuse names that an index of PostgreSQL may not hold, on SQLite too: a catalog can be migrated.

    Raises:
        InvalidArgumentError: A name is too long.
    """
    room = MOST_NAME_BYTES - len(asset.encode())
    for name, value in [("asset key", asset), *(("partition key", str(one)) for one in partitions)]:
        if len(value.encode()) > (MOST_NAME_BYTES if name == "asset key" else room):
            expected = f"at most {MOST_NAME_BYTES:,} bytes of UTF-8, asset key and partition key together"
            raise InvalidArgumentError(name, value, expected)


def _dataset_of(context: dg.OutputContext) -> str | None:
    return metadata_of(context).get(DATASET_METADATA_KEY)


def _retention_of(context: dg.OutputContext) -> RetentionPolicy | None:
    return retention_policy(metadata_of(context))


def retention_policy(asset_metadata: Mapping[str, Any]) -> RetentionPolicy | None:
    """Return the policy that an asset's metadata declare, if they do.

    Raises:
        InvalidArgumentError: It is not of the form that a policy has.
    """
    declared = plain_metadata(asset_metadata).get(RETENTION_METADATA_KEY)
    return None if declared is None else RetentionPolicy.from_mapping(declared)
