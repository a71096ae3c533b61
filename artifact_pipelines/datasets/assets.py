"""The assets of a dataset: its raw file, and the table read from it; and the landing zone as a resource."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, BinaryIO

import dagster as dg
import pyarrow as pa
import pydantic

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError, SourceError
from artifact_pipelines.core.settings import LANDING_URL, check_place
from artifact_pipelines.core.types import (
    LandingFile,
    LandingState,
    Materialization,
    Publication,
    Selection,
    StoragePath,
)
from artifact_pipelines.datasets.exceptions import NoPartitionError
from artifact_pipelines.datasets.interfaces import IFileFormat, ILandingZone, OpenTable
from artifact_pipelines.datasets.landing_places import open_landing_zone
from artifact_pipelines.datasets.landing_rules import DEFAULT_RULES, LandingRules
from artifact_pipelines.datasets.landing_zone import find_landed, is_as_requested, open_landed
from artifact_pipelines.datasets.partition_keys import PartitionKeys
from artifact_pipelines.datasets.progress import Progress, WatchedStream, watched_batches
from artifact_pipelines.datasets.quarantine import quarantine_file
from artifact_pipelines.datasets.reading.bad_rows import BadRows
from artifact_pipelines.datasets.reading.contract import Contract, VersionBefore
from artifact_pipelines.datasets.requests import REQUEST_TAG, leave_to_older_run
from artifact_pipelines.datasets.table_reader import open_stored
from artifact_pipelines.datasets.union_files import UnionFiles
from artifact_pipelines.io_manager.asked_outputs import (
    DATASET_METADATA_KEY,
    MADE_AFTER_METADATA_KEY,
    SOURCE_METADATA_KEY,
)
from artifact_pipelines.io_manager.changes import KEY_METADATA_KEY
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.inputs import note_inputs
from artifact_pipelines.io_manager.resources import ArtifactStore, checked_url
from artifact_pipelines.io_manager.side_outputs import store_beside
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.factory import open_backend

RAW_CODE_VERSION = "1"
TABLE_CODE_VERSION = "2"
NO_BAD_ROWS = "no_bad_rows"
_CHECK = "Every row of the file is in the table; no bad row was left out."
_BAD_ROWS = """Rows that were left out of the table, because they cannot be split into values, or a value breaks its
column's type or a rule.

Columns:
    file: Name of the dropped file.
    line: Line where the row begins; in a spreadsheet or a typed file its number.
    column: Column of the first wrong value; null: the row cannot be split.
    value: That value.
    reason: Why it is wrong.
    row: Text of the row; where it has none, its values as JSON.
"""


class LandingZone(dg.ConfigurableResource[None]):
    """Where people drop files.

    Attributes:
        landing_url: A folder, as a path or `file:///folder`, or `s3://bucket/prefix` on the server of the store.
        store: Its catalog remembers the files and their states.
        settle_s: Seconds that a file must stay unchanged to count as complete.
    """

    landing_url: Annotated[str, checked_url(check_place, LANDING_URL)]
    store: ArtifactStore
    settle_s: float = 1.0

    def open(self) -> ILandingZone:
        """Return the landing zone."""
        return open_landing_zone(self.landing_url, self.store.s3.settings())

    def known_files(self, dataset: str) -> Mapping[str, LandingFile]:
        """Return the files of a dataset as the catalog knows them, by path."""
        with Catalog(self.store.catalog_url) as catalog:
            return catalog.landing.files_of(dataset)

    def read_stored(self, path: StoragePath) -> BinaryIO:
        """Open stored bytes, to check that they are there."""
        return open_backend(self.store.storage_url, self.store.s3.settings()).read_stream(path)


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
) -> dg.AssetsDefinition:
    """Return the asset that stores a dropped file unchanged.

    Args:
        source: The dataset's glob.
        attributes: Further arguments of `dg.asset`, such as the group and the partitions.
        rules: Which names count.
        keys: The partitions of the dataset, if it has any.
        seen_as: Returns the landing zone as the dataset sees it, such as `LandingFolders`.
    """
    glob = rules.glob(source)

    @dg.asset(
        key=[dataset, "raw"],
        description=f"The dropped file of {dataset}, byte for byte.\n\nSource: landing zone, `{source}`.",
        kinds={"file"},
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
            stream = WatchedStream(open_landed(zone, path), Progress(path, context.log.info))
            if run_key and not is_as_requested(zone.look(path), known.get(path), run_key):
                stream.close()
                return context.log.info(f"{path} has changed since it was requested; the sensor looks at it anew.")
            yield dg.Output(stream, metadata={SOURCE_METADATA_KEY: {"file": path, "glob": source}})

    return raw


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
    dataset: str,
    description: str,
    file_format: IFileFormat,
    contract: Contract,
    attributes: Mapping[str, Any],
    is_union: bool = False,
    file_column: str | None = None,
) -> dg.AssetsDefinition:
    """Return the asset that reads the raw file into a typed table, in a stream; and that of its bad rows, if any.

    Args:
        is_union: True if the table has the rows of all files that were dropped, each under its name.
        file_column: Column of a union that takes the name of each row's file.
        contract: As the dataset declares it; the version before is added at run time.
    """
    rules = f"{TABLE_CODE_VERSION} {file_format.code_version()} columns={dict(contract.columns)}{contract.spelled()}"
    rules += f" files=all file_column={file_column}" if is_union else ""
    step = {name: attributes[name] for name in ("group_name", "retry_policy", "partitions_def") if name in attributes}
    shared = {name: value for name, value in attributes.items() if name not in step}
    shared["code_version"] = f"{rules} key={list(contract.key)}{contract.checks()}"
    key = [dataset, "table"]
    outs = {
        "table": dg.AssetOut(
            key=key,
            description=description,
            kinds={"parquet"},
            metadata={KEY_METADATA_KEY: list(contract.key)},
            **shared,
        )
    }
    if contract.leaves_out:
        outs["bad_rows"] = dg.AssetOut(key=[dataset, "bad_rows"], description=_BAD_ROWS, kinds={"parquet"}, **shared)

    @dg.multi_asset(
        name=f"{dataset}__table",
        outs=outs,
        ins={"raw": dg.AssetIn(key=[dataset, "raw"])},
        check_specs=[dg.AssetCheckSpec(NO_BAD_ROWS, asset=dg.AssetKey(key), description=_CHECK)]
        if contract.leaves_out
        else [],
        **step,
    )
    def table(context: dg.AssetExecutionContext, raw: Artifact, landing_zone: LandingZone) -> Iterator[Any]:
        with failures_explained(), landing_zone.store.open() as (catalog, backend):
            partition = context.partition_key if context.has_partition_key else None
            made = _made(catalog, dataset, raw, partition)
            name = str(made.source.get("file", made.asset))
            columns = [column for column in contract.key if column != file_column]  # which no file has
            before = _version_before(catalog, dataset, rules, file_column, partition)
            expected = dataclasses.replace(
                contract, key=columns, before=before, key_of_file=file_column in contract.key
            )
            noted = {"file": name, "rules": rules, "checks": contract.checks(), "key": list(contract.key)}
            progress = Progress(name, context.log.info, "checked")
            if not is_union:
                options = (file_format, expected, progress.read, file_column)
                with open_stored(raw, made.file.file_type, name, *options) as opened:
                    yield from _outputs(opened, expected, noted, context, dg.AssetKey(key), progress)
                return
            producer = ArtifactProducer(catalog.files, backend)
            others = _others_of_run(catalog, dataset, partition, context.run.tags.get(REQUEST_TAG), name)
            more = {file.path: made_of_it for file, made_of_it in others}

            def refuse(path: str, error: SourceError) -> None:
                context.log.warning(f"{path} waits in quarantine: {error}")
                quarantine_file(catalog, catalog.landing.files_of(dataset)[path], error)

            told = refuse if more else None
            how = (file_format, file_column, progress.read, more, told)
            files = UnionFiles(catalog, producer, dataset, made, name, rules, *how)
            with files.open(expected) as (opened, listed):
                note_inputs(context, catalog, files.inputs(listed))
                made_after = {MADE_AFTER_METADATA_KEY: str(files.current.materialization_id if files.current else 0)}
                seen = {**noted, "files": listed}
                yield from _outputs(opened, expected, seen, context, dg.AssetKey(key), progress, made_after)

    return table


def _outputs(
    opened: OpenTable,
    contract: Contract,
    noted: Mapping[str, Any],
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    progress: Progress,
    metadata: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[dg.Output[Any] | dg.AssetCheckResult]:
    """Yield a table, with what is recorded about how it was read; then its bad rows, if they are left out of it."""
    read = {"read_as": dict(opened.read_as), "widened": contract.widened(opened.batches.schema)}
    moved = {"reordered": list(opened.reordered)} if opened.reordered else {}
    watched = watched_batches(opened.batches, progress)
    source = {SOURCE_METADATA_KEY: {**noted, **read, **moved}, **metadata}
    if opened.bad is None:
        yield dg.Output(watched, "table", metadata=source)
        return
    bad = opened.bad

    def batches() -> Iterator[pa.RecordBatch]:
        yield from watched
        context.add_asset_metadata(_bad_rows_metadata(bad), key)  # before Dagster reports the table

    yield dg.Output(pa.RecordBatchReader.from_batches(watched.schema, batches()), "table", metadata=source)
    if bad.count:
        context.log.warning(f"{noted['file']}: bad rows left out: {bad.count:,}, the first: {bad.first[0].shown()}")
    yield dg.Output(bad.reader(), "bad_rows", metadata={SOURCE_METADATA_KEY: {"file": noted["file"]}})
    warning = dg.AssetCheckSeverity.WARN
    yield dg.AssetCheckResult(
        passed=not bad.count,
        asset_key=key,
        check_name=NO_BAD_ROWS,
        severity=warning,
        metadata=_bad_rows_metadata(bad),
    )


def _bad_rows_metadata(bad: BadRows) -> Mapping[str, Any]:
    """Return the number of bad rows, and the first ones."""
    rows = [dg.TableRecord({name: value or "" for name, value in dataclasses.asdict(row).items()}) for row in bad.first]
    return {"bad_rows": bad.count, **({"first_bad_rows": dg.MetadataValue.table(rows)} if rows else {})}


def _made(catalog: Catalog, dataset: str, raw: Artifact, partition: str | None) -> Materialization:
    """Return the newest materialization of a raw file, which knows under which name it was dropped."""
    selection = Selection(file_id=raw.info.file_id)
    found = catalog.materializations.find(f"{dataset}/raw", [partition], selection).get(partition)
    if found is None:
        raise catalog.materializations.nothing_found(f"{dataset}/raw", partition, selection)
    return found


def _others_of_run(
    catalog: Catalog, dataset: str, partition: str | None, run_key: str | None, name: str
) -> Sequence[tuple[LandingFile, Materialization]]:
    """Return the other files that a run ingests, with their raw contents."""
    files = catalog.landing.files_of(dataset, LandingState.REQUESTED).values() if run_key else ()
    mine = [file for file in files if file.run_key == run_key and file.path != name and file.content_hash]
    raw = f"{dataset}/raw"
    found = [(file, catalog.datasets.version_with(raw, partition, str(file.content_hash))) for file in mine]
    return [(file, made) for file, made in found if made is not None]


def _version_before(
    catalog: Catalog, dataset: str, rules: str, file_column: str | None, partition: str | None
) -> VersionBefore | None:
    """Return the current table, or the newest of all partitions, whose types are those of each.

    None: there is none, or it was read by other rules, which no longer count.
    """
    if partition is None:
        current = catalog.materializations.find(f"{dataset}/table", [None]).get(None)
    else:
        newest = catalog.materializations.history(f"{dataset}/table", limit=1)
        current = newest[0] if newest and newest[0].publication == Publication.PUBLISHED else None
    if current is None or current.schema is None or current.source.get("rules") != rules:
        return None
    columns = {name: kind for name, kind in current.schema.items() if name != file_column}
    return VersionBefore(current.version, columns, current.source.get("read_as", {}))
