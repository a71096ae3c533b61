"""Writing: a value becomes a stored file and a row in the catalog, in one transaction; then Dagster gets its facts."""

import contextlib
import dataclasses
from collections.abc import Generator, Mapping, Sequence
from typing import Any, BinaryIO, cast

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import FileInfo, FileState, Lease, LoadedInput, Materialization, MaterializationFacts
from artifact_pipelines.handlers.partitions import split_by_partition
from artifact_pipelines.handlers.registry import WRITTEN_AS, TypeHandlers
from artifact_pipelines.handlers.row_order import is_unordered, unordered_version
from artifact_pipelines.io_manager.asked_outputs import OutputAsked
from artifact_pipelines.io_manager.loaded_inputs import StepInputs, inputs_by_partition
from artifact_pipelines.io_manager.metadata import inputs_metadata, materialization_metadata, publication_metadata
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.hashing import combined_version
from artifact_pipelines.storage.holding import Holding, stored_file
from artifact_pipelines.storage.verified_path import damage_blamed

_Put = tuple[Lease, MaterializationFacts, Mapping[str, Any]]

MOST_NAME_BYTES = 2_500
"""Limit of asset key and partition key together: PostgreSQL's indexes hold 2,704 bytes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """A value that was stored and recorded.

    Attributes:
        record: The materialization.
        facts: What the handler reports of the stored file.
        inputs: The materializations that it was made from.
        is_duplicate: True if the content was stored before; a new file may have no bytes at all.
    """

    record: Materialization
    facts: Mapping[str, Any]
    inputs: tuple[LoadedInput, ...]
    is_duplicate: bool


class OutputWriter:
    """Stores the outputs of steps, and records them with their inputs.

    Args:
        catalog: Where materializations are recorded.
        producer: The one place that creates files.
        handlers: Handlers of all types.
        step_inputs: Knows the inputs of the step.
    """

    def __init__(
        self, catalog: Catalog, producer: ArtifactProducer, handlers: TypeHandlers, step_inputs: StepInputs
    ) -> None:
        self._catalog = catalog
        self._producer = producer
        self._handlers = handlers
        self._step_inputs = step_inputs

    def write(self, asked: OutputAsked, value: object) -> Sequence[Written]:
        """Store a value and record its materialization.

        In a run over several partitions each one has a value, a file and a materialization of its own. All of them are
        recorded in one transaction, or none: if the third cannot be stored, the first two are given back.

        Raises:
            InvalidArgumentError: A name is too long.
            PartitionedOutputError: The value is not one value for each partition.
            ArtifactError: The value cannot be stored.
        """
        _check_lengths(asked.asset, asked.partitions or ())
        several = None
        if asked.partitions:
            several = split_by_partition(asked.asset, asked.partitions, value, asked.may_cover_several)
        values = [(asked.partitions[0] if asked.partitions else None, value)] if several is None else several
        # An unfinished generator keeps its files open.
        is_generated = several is not None and isinstance(value, Generator)
        with (
            contextlib.closing(value) if is_generated else contextlib.nullcontext(),  # type: ignore[type-var]
            self._producer.holding(is_brief=several is None) as holding,
        ):
            put = []
            for partition, one in values:
                put.append(self._put(holding, asked, partition, one))
            return self._record(holding, asked, put)

    def _put(self, holding: Holding, asked: OutputAsked, partition: str | None, value: Any) -> _Put:
        """Store a value and describe it. Its facts are read from the stored bytes, not from the value."""
        handler, written_as = self._handlers.find_writer(value)
        description = handler.describe(value)
        unordered = is_unordered(asked.metadata, description)
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
        if value is None and asked.annotation is Any and asked.run_id is not None:
            data_version = asked.run_id  # the step has put something elsewhere, and no one knows whether that changed
        return lease, _describe(asked, partition, data_version, facts, written_as), facts

    def _record(self, holding: Holding, asked: OutputAsked, put: Sequence[_Put]) -> Sequence[Written]:
        loaded = self._step_inputs.of(asked.step)
        made_from = inputs_by_partition([described.partition for _, described, _ in put], loaded, asked.upstream)
        new = [
            (dataclasses.replace(described, inputs=inputs), [lease])
            for (lease, described, _), inputs in zip(put, made_from, strict=True)
        ]
        policies = {asked.asset: asked.retention}
        records = holding.settle_with(lambda _: self._catalog.materializations.record_all(new, policies))
        return [
            Written(record, facts, inputs, _is_duplicate(record, lease.file))
            for (lease, _, facts), inputs, record in zip(put, made_from, records, strict=True)
        ]


def report_written(
    context: dg.OutputContext, asked: OutputAsked, written: Sequence[Written], producer: ArtifactProducer
) -> None:
    """Report metadata and data version of an output to Dagster, as part of the step's own event."""
    for one in written:
        metadata = {
            **materialization_metadata(one.record, producer.location(one.record.file), one.facts, one.is_duplicate),
            **inputs_metadata(one.inputs),
            **publication_metadata(one.record),
        }
        if len(written) == 1:
            context.add_output_metadata(metadata)
        elif asked.step is not None:
            asked.step.add_asset_metadata(metadata, asked.key, one.record.partition)
    set_data_version(asked, _data_version([one.record for one in written]))


def set_data_version(asked: OutputAsked, data_version: str) -> None:
    """Set the data version of the output's asset, unless the user's code has set its own.

    The one place that uses this semi-public call of Dagster's; a test shows that it works.
    """
    step, key = asked.step, asked.key
    if step is not None and key is not None and not step.has_data_version(key):
        step.set_data_version(key, dg.DataVersion(data_version))


def typed_version(file: FileInfo) -> str:
    """Return the data version of a value that is no table: its bytes and their type, for the text `1` is no number."""
    return f"{file.content_hash}.{file.file_type}"


def _describe(
    asked: OutputAsked, partition: str | None, data_version: str, facts: Mapping[str, Any], written_as: str | None
) -> MaterializationFacts:
    columns = facts.get("columns")
    return MaterializationFacts(
        asset=asked.asset,
        partition=None if partition is None else str(partition),  # some are a kind of text
        data_version=data_version,
        run_id=asked.run_id,
        step_key=asked.step_key,
        code_version=asked.code_version,
        dataset=asked.dataset,
        row_count=facts.get("row_count"),
        schema={column.name: str(column.type) for column in columns} if columns is not None else None,
        metadata={WRITTEN_AS: written_as} if written_as else {},
        publish_after=asked.publish_after,
        is_op_output=asked.key is None,
    )


def _is_duplicate(record: Materialization, leased: FileInfo) -> bool:
    return not record.bytes_added and (leased.state != FileState.PENDING or leased.size_bytes > 0)


def _data_version(recorded: Sequence[Materialization]) -> str:
    """Return the data version of a step's output: Dagster has one for all partitions of a run."""
    if len(recorded) == 1:
        return recorded[0].data_version
    return combined_version({str(made.partition): made.data_version for made in recorded})


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
