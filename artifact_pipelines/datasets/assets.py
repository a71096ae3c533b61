"""The assets of a dataset: its raw file, and the table read from it; and the landing zone as a resource."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, BinaryIO

import dagster as dg
import pyarrow as pa
import pydantic

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError, SourceError
from artifact_pipelines.core.types import (
    LandingFile,
    LandingState,
    Materialization,
)
from artifact_pipelines.datasets.dataset_table import DatasetTable, FoundTable, name_of
from artifact_pipelines.datasets.exceptions import NoPartitionError
from artifact_pipelines.datasets.interfaces import ILandingZone, Sighting
from artifact_pipelines.datasets.landing_rules import DEFAULT_RULES, LandingRules
from artifact_pipelines.datasets.landing_zone import find_landed, is_as_requested, is_unchanged, open_landed
from artifact_pipelines.datasets.page import (
    BAD_ROWS_KEY,
    bad_rows_metadata,
    dropped_file_metadata,
    raw_kinds,
    reading_metadata,
)
from artifact_pipelines.datasets.partition_keys import PartitionKeys
from artifact_pipelines.datasets.progress import Progress, WatchedStream, watched_batches
from artifact_pipelines.datasets.quarantine import quarantine_file
from artifact_pipelines.datasets.requests import REQUEST_TAG, leave_to_older_run
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.io_manager.asked_outputs import (
    DATASET_METADATA_KEY,
    MADE_AFTER_METADATA_KEY,
    MEANINGS_METADATA_KEY,
    SOURCE_METADATA_KEY,
)
from artifact_pipelines.io_manager.changes import KEY_METADATA_KEY
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.inputs import note_inputs
from artifact_pipelines.io_manager.publishing import publish_candidates
from artifact_pipelines.io_manager.side_outputs import store_beside
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

RAW_CODE_VERSION = "1"
NO_BAD_ROWS = "no_bad_rows"
_CHECK = "Every row of the file is in the table; no bad row was left out."
_BAD_ROWS = (
    "Rows that were left out of the table, because they cannot be split into values, or a value breaks its column's "
    "type or a rule."
)


class LandedFile(dg.Config):
    """The file to ingest."""

    path: str | None = pydantic.Field(
        default=None,
        description=(
            "Path below the landing zone, as the sensor shows it (a backslash begins an escaped byte); "
            "left out: the matching file that changed last and is not in quarantine."
        ),
    )
    more: list[str] = pydantic.Field(
        default=[], description="Further files that enter the same table, if it is the union of all files."
    )


def build_raw_asset(
    dataset: str,
    source: str,
    attributes: Mapping[str, Any],
    rules: LandingRules = DEFAULT_RULES,
    keys: PartitionKeys | None = None,
    seen_as: Callable[[ILandingZone], ILandingZone] = lambda zone: zone,
    table: DatasetTable | None = None,
) -> dg.AssetsDefinition:
    """Return the asset that stores a dropped file unchanged.

    Args:
        source: The dataset's glob.
        attributes: Further arguments of `dg.asset`, such as the group and the partitions.
        rules: Which names count.
        keys: The partitions of the dataset, if it has any.
        seen_as: Returns the landing zone as the dataset sees it, such as `LandingFolders`.
        table: How the table is read, to try a content that was refused before; None: it becomes a version again.
    """
    glob = rules.glob(source)

    @dg.asset(
        key=[dataset, "raw"],
        description=f"The dropped file of {dataset}, byte for byte.\n\nSource: landing zone, `{source}`.",
        kinds=raw_kinds(source),
        code_version=RAW_CODE_VERSION,
        metadata={DATASET_METADATA_KEY: dataset},
        output_required=False,
        **attributes,
    )
    def raw(
        context: dg.AssetExecutionContext, config: LandedFile, landing_zone: LandingZone
    ) -> Iterator[dg.Output[Any]]:
        if other := leave_to_older_run(context.instance, context.run):
            return context.log.info(f"Run {other} ingests this file already; this run leaves it to that one.")
        with failures_explained():
            zone = seen_as(landing_zone.open())
            known, run_key = landing_zone.known_files(dataset), context.run.tags.get(REQUEST_TAG)
            path = config.path or find_landed(zone, dataset, glob, known, lambda path: _is_in(path, context, keys))
            if config.more and run_key:
                paths = [each for each in (path, *config.more) if each in known and known[each].run_key == run_key]
                path = (
                    _store_all_but_last(context, landing_zone, zone, dataset, source, [known[p] for p in paths]) or path
                )
            if keys and keys.of(path) != context.partition_key:
                expected = f"a file of partition {context.partition_key}, not of {keys.of(path)}"
                raise InvalidArgumentError("path", path, expected)
            if table and path in known:
                _try_refused(context, landing_zone, table, known[path], zone.look(path))
            stream = WatchedStream(open_landed(zone, path), Progress(path, context.log.info))
            if run_key and not is_as_requested(zone.look(path), known.get(path), run_key):
                stream.close()
                return context.log.info(f"{path} has changed since it was requested; the sensor looks at it anew.")
            noted = {SOURCE_METADATA_KEY: {"file": path, "glob": source}}
            yield dg.Output(stream, metadata={**noted, **dropped_file_metadata(path, zone.look(path))})

    return raw


def _try_refused(
    context: dg.AssetExecutionContext,
    landing_zone: LandingZone,
    table: DatasetTable,
    file: LandingFile,
    sighting: Sighting | None,
) -> None:
    """Read a file that was refused before as a table, so that it does not become a version without one once more."""
    if sighting is None or is_unchanged(sighting, file):
        with landing_zone.store.open() as (catalog, backend):
            partition = context.partition_key if context.has_partition_key else None
            table.try_refused((catalog, ArtifactProducer(catalog.files, backend)), file, partition)


def _store_all_but_last(
    context: dg.AssetExecutionContext,
    landing_zone: LandingZone,
    zone: ILandingZone,
    dataset: str,
    source: str,
    files: Sequence[LandingFile],
) -> str | None:
    """Store each file that is as it was requested, but for the last one, and return the path of that.

    A file that cannot be read goes to quarantine, and stops no other. A content that an earlier try stored is there.
    """
    partition = context.partition_key if context.has_partition_key else None
    with landing_zone.store.open() as (catalog, backend):

        def opened(file: LandingFile) -> BinaryIO | None:
            try:
                is_same = is_as_requested(zone.look(file.path), file, str(file.run_key))
                return open_landed(zone, file.path) if is_same else None
            except SourceError as error:
                context.log.warning(str(error))
                quarantine_file(catalog, file, error)
            return None

        readable = [(file, stream) for file in files if (stream := opened(file))]
        for file, stream in readable[:-1]:
            with stream:
                if catalog.datasets.version_with(f"{dataset}/raw", partition, str(file.content_hash)) is None:
                    watched = WatchedStream(stream, Progress(file.path, context.log.info))
                    noted = {"file": file.path, "glob": source}
                    keys = None if partition is None else (partition,)
                    store_beside(context, (catalog, backend), context.asset_key, watched, keys, source=noted)
        for file, stream in readable[-1:]:
            stream.close()
            return file.path
    return None


def _is_in(path: str, context: dg.AssetExecutionContext, keys: PartitionKeys | None) -> bool:
    """True if a file belongs to the partition of a run, or there are no partitions."""
    try:
        return keys is None or keys.of(path) == context.partition_key
    except NoPartitionError:
        return False


def build_table_asset(
    read: DatasetTable,
    description: str,
    attributes: Mapping[str, Any],
    meanings: Mapping[str, str] = MappingProxyType({}),
) -> dg.AssetsDefinition:
    """Return the asset that reads the raw file into a typed table, in a stream; and that of its bad rows, if any.

    Args:
        meanings: What its columns mean, as far as the dataset says.
    """
    contract = read.contract
    of_step = ("group_name", "retry_policy", "partitions_def", "pool")
    step = {name: attributes[name] for name in of_step if name in attributes}
    shared = {name: value for name, value in attributes.items() if name not in step}
    shared["code_version"] = f"{read.rules} key={list(contract.key)}{contract.checks()}"
    key = [read.dataset, "table"]
    outs = {
        "table": dg.AssetOut(
            key=key,
            description=description,
            kinds={"table", "parquet"},
            metadata={KEY_METADATA_KEY: list(contract.key)},
            **shared,
        )
    }
    if contract.leaves_out:
        outs["bad_rows"] = dg.AssetOut(
            key=[read.dataset, "bad_rows"], description=_BAD_ROWS, kinds={"table", "parquet"}, **shared
        )

    @dg.multi_asset(
        name=f"{read.dataset}__table",
        outs=outs,
        ins={"raw": dg.AssetIn(key=[read.dataset, "raw"])},
        check_specs=[dg.AssetCheckSpec(NO_BAD_ROWS, asset=dg.AssetKey(key), description=_CHECK)]
        if contract.leaves_out
        else [],
        **step,
    )
    def table(context: dg.AssetExecutionContext, raw: Artifact, landing_zone: LandingZone) -> Iterator[Any]:
        with failures_explained(), landing_zone.store.open() as (catalog, backend):
            partition = context.partition_key if context.has_partition_key else None
            # The file before may have passed its checks a moment ago. Without its table, a union would lose its rows.
            table_key = f"{read.dataset}/table"
            publish_candidates(context.instance, catalog, catalog.candidates.waiting(table_key, [partition]))
            made = read.made(catalog, raw.info.file_id, partition)
            more = _others_of_run(catalog, read.dataset, partition, context.run.tags.get(REQUEST_TAG), name_of(made))

            def refuse(path: str, error: SourceError) -> None:
                context.log.warning(f"{path} waits in quarantine: {error}")
                quarantine_file(catalog, catalog.landing.files_of(read.dataset)[path], error)

            progress = Progress(name_of(made), context.log.info, "checked")
            store = (catalog, ArtifactProducer(catalog.files, backend))
            with read.opened(store, made, progress.read, more, refuse if more else None) as found:
                metadata: dict[str, Any] = {MEANINGS_METADATA_KEY: dict(meanings)}
                if read.is_union:
                    note_inputs(context, catalog, found.inputs)
                    metadata[MADE_AFTER_METADATA_KEY] = str(found.made_after)
                yield from _outputs(found, context, dg.AssetKey(key), progress, metadata)

    return table


def _outputs(
    found: FoundTable,
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    progress: Progress,
    metadata: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[dg.Output[Any] | dg.AssetCheckResult]:
    """Yield a table, with what is recorded about how it was read; then its bad rows, if they are left out of it."""
    opened, noted = found.opened, found.noted
    read = {"read_as": dict(opened.read_as), "widened": found.contract.widened(opened.batches.schema)}
    moved = {"reordered": list(opened.reordered)} if opened.reordered else {}
    watched = watched_batches(opened.batches, progress)
    shown = reading_metadata(str(noted["file"]), read, moved)
    source = {SOURCE_METADATA_KEY: {**noted, **read, **moved}, **metadata, **shown}
    if opened.bad is None:
        yield dg.Output(watched, "table", metadata=source)
        return
    bad = opened.bad

    def batches() -> Iterator[pa.RecordBatch]:
        yield from watched
        context.add_asset_metadata(bad_rows_metadata(bad), key)  # before Dagster reports the table

    # The place of the number on the page; `batches` has it in the end.
    source[BAD_ROWS_KEY] = 0
    yield dg.Output(pa.RecordBatchReader.from_batches(watched.schema, batches()), "table", metadata=source)
    if bad.count:
        context.log.warning(f"{noted['file']}: bad rows left out: {bad.count:,}. They are in bad_rows.")  # never data
    of_file = {SOURCE_METADATA_KEY: {"file": noted["file"]}, "artifact/dropped_file": noted["file"]}
    yield dg.Output(bad.reader(), "bad_rows", metadata=of_file)
    warning = dg.AssetCheckSeverity.WARN
    yield dg.AssetCheckResult(
        passed=not bad.count,
        asset_key=key,
        check_name=NO_BAD_ROWS,
        severity=warning,
        metadata=bad_rows_metadata(bad),
    )


def _others_of_run(
    catalog: Catalog, dataset: str, partition: str | None, run_key: str | None, name: str
) -> Mapping[str, Materialization]:
    """Return the raw contents of the other files that a run ingests, by name."""
    files = catalog.landing.files_of(dataset, LandingState.REQUESTED).values() if run_key else ()
    mine = [file for file in files if file.run_key == run_key and file.path != name and file.content_hash]
    raw = f"{dataset}/raw"
    found = {file.path: catalog.datasets.version_with(raw, partition, str(file.content_hash)) for file in mine}
    return {path: made for path, made in found.items() if made is not None}
