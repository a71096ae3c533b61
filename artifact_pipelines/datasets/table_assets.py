"""The asset of a dataset's table, read from its raw file; and that of the rows left out of it."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import dagster as dg
import pyarrow as pa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.core.log_lines import log_done, now_s
from artifact_pipelines.core.types import LandingState, Materialization
from artifact_pipelines.core.wording import counted
from artifact_pipelines.datasets.dataset_table import DatasetTable, FoundTable, name_of
from artifact_pipelines.datasets.page import BAD_ROWS_KEY, bad_rows_metadata, reading_metadata
from artifact_pipelines.datasets.progress import Progress, watched_batches
from artifact_pipelines.datasets.quarantine import quarantine_file, refusal
from artifact_pipelines.datasets.requests import REQUEST_TAG
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.io_manager.asked_outputs import (
    MADE_AFTER_METADATA_KEY,
    MEANINGS_METADATA_KEY,
    SOURCE_METADATA_KEY,
)
from artifact_pipelines.io_manager.changes import KEY_METADATA_KEY
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.inputs import note_inputs
from artifact_pipelines.io_manager.publishing import publish_candidates
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

NO_BAD_ROWS = "no_bad_rows"
_OF_STEP = ("group_name", "retry_policy", "partitions_def", "pool")
_CHECK = "Every row of the file is in the table; no bad row was left out."
_BAD_ROWS = (
    "Rows that were left out of the table, because they cannot be split into values, or a value breaks its column's "
    "type or a rule."
)


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
    key = dg.AssetKey([read.dataset, "table"])
    step = {name: attributes[name] for name in _OF_STEP if name in attributes}
    of_outputs = {name: value for name, value in attributes.items() if name not in step}
    check = dg.AssetCheckSpec(NO_BAD_ROWS, asset=key, description=_CHECK)

    @dg.multi_asset(
        name=f"{read.dataset}__table",
        outs=_outs(read, description, of_outputs),
        ins={"raw": dg.AssetIn(key=[read.dataset, "raw"])},
        check_specs=[check] if read.contract.leaves_out else [],
        **step,
    )
    def table(context: dg.AssetExecutionContext, raw: Artifact, landing_zone: LandingZone) -> Iterator[Any]:
        yield from _ingest(context, read, raw, landing_zone, meanings)

    return table


def _ingest(
    context: dg.AssetExecutionContext,
    read: DatasetTable,
    raw: Artifact,
    landing_zone: LandingZone,
    meanings: Mapping[str, str],
) -> Iterator[dg.Output[Any] | dg.AssetCheckResult]:
    started_s = now_s()
    key = dg.AssetKey([read.dataset, "table"])
    with failures_explained(), landing_zone.store.open() as (catalog, backend):
        partition = context.partition_key if context.has_partition_key else None
        # The file before may have passed its checks a moment ago. Without its table, a union would lose its rows.
        waiting = catalog.candidates.waiting(key.to_user_string(), [partition])
        publish_candidates(context.instance, catalog, waiting)
        made = read.made(catalog, raw.info.file_id, partition)
        more = _others_of_run(catalog, read.dataset, partition, context.run.tags.get(REQUEST_TAG), name_of(made))

        def refuse(path: str, error: SourceError) -> None:
            context.log.warning(refusal(read.dataset, path, error))
            quarantine_file(catalog, catalog.landing.files_of(read.dataset)[path], error)

        progress = Progress(name_of(made), context.log.info, "checked")
        store = (catalog, ArtifactProducer(catalog.files, backend))
        with read.opened(store, made, progress.read, more, refuse if more else None) as found:
            metadata: dict[str, Any] = {MEANINGS_METADATA_KEY: dict(meanings)}
            if read.is_union:
                note_inputs(context, catalog, found.inputs)
                metadata[MADE_AFTER_METADATA_KEY] = str(found.made_after)
            yield from _outputs(found, context, key, progress, metadata)
    log_done(
        context.log.info,
        "ingested",
        started_s,
        dataset=read.dataset,
        partition=partition,
        file=name_of(made),
        files=1 + len(more),
        table_rows=progress.rows,
        bad_rows=found.opened.bad.count if found.opened.bad else None,
        bytes=raw.info.size_bytes + sum(each.file.size_bytes for each in more.values()),
    )


def _outs(read: DatasetTable, description: str, attributes: Mapping[str, Any]) -> Mapping[str, dg.AssetOut]:
    contract = read.contract
    shared: dict[str, Any] = {
        **attributes,
        "kinds": {"table", "parquet"},
        "code_version": f"{read.rules} key={list(contract.key)}{contract.checks()}",
    }
    key = [read.dataset, "table"]
    table = dg.AssetOut(key=key, description=description, metadata={KEY_METADATA_KEY: list(contract.key)}, **shared)
    if not contract.leaves_out:
        return {"table": table}
    return {"table": table, "bad_rows": dg.AssetOut(key=[read.dataset, "bad_rows"], description=_BAD_ROWS, **shared)}


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
        description=f"{counted(bad.count, 'bad row')} left out{', and kept in bad_rows' if bad.count else ''}.",
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
