"""Writing: a value becomes stored files and a row in the catalog, in one transaction; then Dagster gets its facts.

A container of tables or arrays becomes a file for each of its members, everything else one file.
"""

import contextlib
import dataclasses
from collections.abc import Generator, Mapping, Sequence
from typing import Any, BinaryIO, cast

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import (
    CHANGES,
    PINNED_INPUTS,
    SOURCE,
    FileState,
    Lease,
    LoadedInput,
    Materialization,
    MaterializationFacts,
)
from artifact_pipelines.handlers.containers import DICT_KINDS, Container, nested_refused, split_container
from artifact_pipelines.handlers.interfaces import ITypeHandler, is_stream_handler
from artifact_pipelines.handlers.partitions import split_by_partition
from artifact_pipelines.handlers.registry import FILE_NAME, WRITTEN_AS, TypeHandlers
from artifact_pipelines.handlers.table_handlers import ParquetHandler, is_unordered, unordered_version
from artifact_pipelines.handlers.validation import check_table
from artifact_pipelines.instance.metadata import inputs_metadata, materialization_metadata
from artifact_pipelines.instance.page import WITHDRAWN, Metadata, in_page_order
from artifact_pipelines.instance.run_end import RunEnd
from artifact_pipelines.io_manager.asked_outputs import OutputAsked, Upstream
from artifact_pipelines.io_manager.changes import describe_changes
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.inputs import StepInputs
from artifact_pipelines.io_manager.version_history import FIGURES, history_metadata
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import MissingBytesError
from artifact_pipelines.storage.hashing import combined_version
from artifact_pipelines.storage.holding import Holding, stored_file
from artifact_pipelines.storage.local_paths import damage_blamed


@dataclasses.dataclass(frozen=True, slots=True)
class _PutFile:
    """A file of a value: its lease, its facts, the name of the type that loads it, and of the file that it was."""

    lease: Lease
    data_version: str
    facts: Mapping[str, Any]
    written_as: str | None
    file_name: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class KnownAnswer:
    """A value that is a materialization again: the same files, without moving their bytes.

    The caller holds its one file, a table, until the output is stored.
    """

    made: Materialization


_Put = tuple[Sequence[Lease], MaterializationFacts, Mapping[str, Any]]
Written = tuple[Materialization, Metadata]
"""A materialization, and its metadata for Dagster."""

MOST_NAME_BYTES = 2_500
"""Limit of asset key and partition key together: PostgreSQL's indexes hold 2,704 bytes."""


class OutputWriter:
    """Stores the outputs of steps, and records them with their inputs."""

    def __init__(
        self, catalog: Catalog, producer: ArtifactProducer, handlers: TypeHandlers, step_inputs: StepInputs
    ) -> None:
        self._catalog = catalog
        self._producer = producer
        self._handlers = handlers
        self._step_inputs = step_inputs
        self._run_end = RunEnd()

    def write(self, asked: OutputAsked, value: object) -> Sequence[Written]:
        """Store a value, or one for each partition that the run covers, and record a materialization of each.

        All are recorded in one transaction, or none: if the third cannot be stored, the first two are given back.

        Raises:
            InvalidArgumentError: A name is too long.
            PartitionedOutputError: The value is not one value for each partition.
            ArtifactError: The value cannot be stored.
        """
        _check_lengths(asked.asset, asked.partitions or ())
        several = None
        if asked.partitions:
            options = asked.may_cover_several, asked.partition_column
            several = split_by_partition(asked.asset, asked.partitions, value, *options)
        values = [(asked.partitions[0] if asked.partitions else None, value)] if several is None else several
        with contextlib.ExitStack() as stack:
            if several is not None and isinstance(value, Generator):
                stack.callback(value.close)  # an unfinished generator keeps its files open
            is_one_file = several is None and split_container(value, self._handlers) is None
            holding = stack.enter_context(self._producer.holding(is_brief=is_one_file))
            put = []
            for partition, one in values:
                put.append(self._put(holding, asked, partition, one))
            return self._record(holding, asked, put)

    def _put(self, holding: Holding, asked: OutputAsked, partition: str | None, value: Any) -> _Put:
        """Store a value, or each member of a container, and describe it."""
        if isinstance(value, KnownAnswer):
            return self._hold(holding, asked, partition, value.made)
        check_table(value, asked.annotation)
        split = split_container(value, self._handlers)
        if split is not None:
            return self._put_container(holding, asked, partition, *split)
        file = self._put_file(holding, asked, value)
        data_version = file.data_version
        if value is None and asked.annotation is Any and asked.run_id is not None:
            data_version = asked.run_id  # the step has put something elsewhere, and no one knows whether that changed
        notes = {WRITTEN_AS: file.written_as, FILE_NAME: file.file_name}
        metadata = {name: note for name, note in notes.items() if note is not None}
        described = _describe(asked, partition, data_version, file.facts, metadata)
        if asked.row_key is not None and (changes := self._changes(described, file.lease, asked.row_key)):
            described = dataclasses.replace(described, metadata={**described.metadata, CHANGES: changes})
        return [file.lease], described, file.facts

    def _hold(self, holding: Holding, asked: OutputAsked, partition: str | None, made: Materialization) -> _Put:
        lease = holding.hold(made.file)
        if lease is None:
            raise MissingBytesError(made.file.file_id, self._producer.location(made.file))
        facts = ParquetHandler().facts(self._producer.artifact(made.file))
        metadata = {name: made.metadata[name] for name in (WRITTEN_AS, FILE_NAME) if name in made.metadata}
        return [lease], _describe(asked, partition, made.data_version, facts, metadata), facts

    def _changes(self, new: MaterializationFacts, lease: Lease, key: tuple[str, ...]) -> Mapping[str, str] | None:
        """Return how a table differs from the current version; None: there is none, or it is the same or no table."""
        before = self._catalog.materializations.find(new.asset, [new.partition]).get(new.partition)
        if before is None or before.schema is None or new.schema is None or before.data_version == new.data_version:
            return None
        files = self._producer.artifact(before.file), self._producer.artifact(stored_file(lease))
        found = describe_changes(before, *files, new.schema, new.row_count or 0, key)
        return {"since": f"version {before.version}", **found}

    def _put_container(
        self, holding: Holding, asked: OutputAsked, partition: str | None, kind: str, members: Mapping[str, Any]
    ) -> _Put:
        files: dict[str, _PutFile] = {}
        for name, member in members.items():
            with failures_explained(lambda name=name: f"Member {name:.100}: "):  # type: ignore[misc]
                check_table(member, asked.annotation)
                files[name] = self._put_file(holding, asked, member)
        # The order of a dict is not content.
        versions = {name: files[name].data_version for name in (sorted(files) if kind in DICT_KINDS else files)}
        file_names = {name: file.file_name for name, file in files.items() if file.file_name is not None}
        container = Container(kind, tuple(files), tuple(file.written_as for file in files.values()), file_names)
        described = _describe(asked, partition, f"{combined_version(versions)}.{kind}", {}, container.to_metadata())
        facts = {"members": {name: file.facts for name, file in files.items()}}
        return [file.lease for file in files.values()], described, facts

    def _put_file(self, holding: Holding, asked: OutputAsked, value: Any) -> _PutFile:
        """Store a value as one file. Its facts are read from the stored bytes, not from the value."""
        handler, written_as = self._handlers.find_writer(value)
        description = handler.describe(value)
        unordered = is_unordered(asked.metadata, description)
        logical_hash = None
        if is_stream_handler(handler):
            with handler.open(value) as stream:
                lease = holding.put(stream, description)
        else:
            with holding.stage() as sink, nested_refused(value, self._handlers):
                logical_hash = cast("ITypeHandler", handler).write(value, cast("BinaryIO", sink))
                lease = holding.put_staged(sink, description)
        stored = self._producer.artifact(stored_file(lease))
        with damage_blamed(stored):  # a duplicate's bytes may have lain there for years
            facts = handler.facts(stored)
            if unordered:
                logical_hash = unordered_version(stored)
        # A value that is no table is its bytes and their type, for the text `1` is no number.
        data_version = logical_hash or f"{lease.file.content_hash}.{lease.file.file_type}"
        return _PutFile(lease, data_version, facts, written_as, description.file_name)

    def _record(self, holding: Holding, asked: OutputAsked, put: Sequence[_Put]) -> Sequence[Written]:
        loaded = self._step_inputs.of(asked.step)
        made_from = inputs_by_partition([described.partition for _, described, _ in put], loaded, asked.upstream)
        new = [
            (dataclasses.replace(described, inputs=inputs, metadata={**described.metadata, **_pinned(inputs)}), leases)
            for (leases, described, _), inputs in zip(put, made_from, strict=True)
        ]
        policies = {asked.asset: asked.retention}
        self._run_end.check(asked.step)
        records = holding.settle_with(lambda _: self._catalog.materializations.record_all(new, policies))
        written = []
        for (leases, described, facts), inputs, record in zip(put, made_from, records, strict=True):
            if record.data_version != described.data_version:
                written.append((record, self._kept_metadata(record)))
                continue
            # A new file may be empty.
            was_stored = all(x.file.state != FileState.PENDING or x.file.size_bytes > 0 for x in leases)
            is_duplicate = not record.bytes_added and was_stored
            uri = self._producer.location(record.file)
            metadata = materialization_metadata(record, uri, facts, is_duplicate, asked.meanings)
            metadata |= inputs_metadata(inputs)
            if asked.row_key is not None or FIGURES in asked.source:
                metadata |= history_metadata(self._catalog, record)
            written.append((record, in_page_order(metadata)))
        return written

    def _kept_metadata(self, kept: Materialization) -> Metadata:
        """Return the metadata of a current version that stays so: the content that was written is withdrawn."""
        facts = {} if kept.row_count is None else {"row_count": kept.row_count}
        metadata = materialization_metadata(kept, self._producer.location(kept.file), facts, is_duplicate=True)
        return {WITHDRAWN: dg.MetadataValue.text(str(kept.publication_reason)), **metadata}


def inputs_by_partition(
    partitions: Sequence[str | None], loaded: Sequence[LoadedInput], upstream: Mapping[str, Upstream]
) -> Sequence[tuple[LoadedInput, ...]]:
    """Return the inputs of each partition of an output, in the order in which they were loaded.

    A run over several partitions loads the inputs of all of them at once. The partition mappings of the asset tell them
    apart again. An input without a mapping belongs to the partition of its own key. An input without partitions, or of
    a partition that none of the output's depends on, went into each.

    Args:
        partitions: Partitions of the output; one alone was made from everything that was loaded.
        loaded: What the step has loaded.
        upstream: By upstream asset, its partitions that a partition of the output depends on, if not the same.
    """
    if len(partitions) == 1:
        return [tuple(loaded)]
    places: dict[str, dict[str, list[int]]] = {}
    for place, one in enumerate(loaded):
        if one.partition is not None:
            places.setdefault(one.asset, {}).setdefault(one.partition, []).append(place)
    of_each: list[set[int]] = []
    for partition in map(str, partitions):
        keys = {asset: upstream[asset](partition) if asset in upstream else (partition,) for asset in places}
        of_each.append({place for asset in places for key in keys[asset] for place in places[asset].get(key, ())})
    of_all = set(range(len(loaded))).difference(*of_each)
    return [tuple(loaded[place] for place in sorted(mine | of_all)) for mine in of_each]


def _pinned(inputs: Sequence[LoadedInput]) -> Mapping[str, Sequence[str]]:
    assets = sorted({each.asset for each in inputs if each.is_pinned})
    return {PINNED_INPUTS: assets} if assets else {}


def _describe(
    asked: OutputAsked,
    partition: str | None,
    data_version: str,
    facts: Mapping[str, Any],
    metadata: Mapping[str, Any],
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
        schema=None if columns is None else {column.name: str(column.type) for column in columns},
        metadata={**metadata, SOURCE: asked.source} if asked.source else metadata,
        publish_after=asked.publish_after,
        is_op_output=asked.key is None,
        made_after=asked.made_after,
        question=asked.question,
    )


def _check_lengths(asset: str, partitions: Sequence[str]) -> None:
    """Refuse names that an index of PostgreSQL may not hold, on SQLite too: a catalog can be migrated."""
    names = [("asset key", asset, MOST_NAME_BYTES)]
    names += [("partition key", str(one), MOST_NAME_BYTES - len(asset.encode())) for one in partitions]
    for name, value, most in names:
        if len(value.encode()) > most:
            expected = f"at most {MOST_NAME_BYTES:,} bytes of UTF-8, asset key and partition key together"
            raise InvalidArgumentError(name, value, expected)
