"""The asset of a dataset's raw file: a dropped file, byte for byte."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import dagster as dg
import pydantic

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError, SourceError
from artifact_pipelines.core.types import LandingFile
from artifact_pipelines.datasets.dataset_table import DatasetTable
from artifact_pipelines.datasets.exceptions import NoPartitionError
from artifact_pipelines.datasets.interfaces import ILandingZone
from artifact_pipelines.datasets.landing.entry_names import SourceGlob
from artifact_pipelines.datasets.landing.rules import DEFAULT_RULES, LandingRules
from artifact_pipelines.datasets.landing.zone import find_landed, is_as_requested, is_unchanged, open_landed
from artifact_pipelines.datasets.page import dropped_file_metadata, raw_kinds
from artifact_pipelines.datasets.partition_keys import PartitionKeys
from artifact_pipelines.datasets.progress import Progress, WatchedStream
from artifact_pipelines.datasets.quarantine import quarantine_file, refusal
from artifact_pipelines.datasets.requests import REQUEST_TAG, leave_to_older_run
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.io_manager.asked_outputs import DATASET_METADATA_KEY, SOURCE_METADATA_KEY, retention_policy
from artifact_pipelines.io_manager.exceptions import failures_explained
from artifact_pipelines.io_manager.side_outputs import store_beside
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.interfaces import IStorageBackend

RAW_CODE_VERSION = "1"


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


class _RawRun:
    """A run of the asset, for one file or, if the table is the union of all files, for several."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        landing_zone: LandingZone,
        zone: ILandingZone,
        dataset: str,
        source: str,
        keys: PartitionKeys | None,
    ) -> None:
        self._context = context
        self._landing_zone = landing_zone
        self.zone = zone
        self._dataset = dataset
        self._source = source
        self._keys = keys
        self._partition = context.partition_key if context.has_partition_key else None
        self._known = landing_zone.known_files(dataset)
        self._run_key = context.run.tags.get(REQUEST_TAG)

    def find(self, glob: SourceGlob) -> str:
        """Return the path of the newest file that the run may take."""
        return find_landed(self.zone, self._dataset, glob, self._known, self._is_in_partition)

    def noted(self, path: str) -> dict[str, str]:
        """Return what is recorded of where a file came from."""
        return {"file": path, "glob": self._source}

    def check_partition(self, path: str) -> None:
        """Check that a file belongs to the partition of the run.

        Raises:
            InvalidArgumentError: It belongs to another one.
        """
        if self._keys and self._keys.of(path) != self._partition:
            expected = f"a file of partition {self._partition}, not of {self._keys.of(path)}"
            raise InvalidArgumentError("path", path, expected)

    def try_refused(self, table: DatasetTable, path: str) -> None:
        """Read a file that was refused before as a table, so that it does not become a version without one again."""
        file, sighting = self._known.get(path), self.zone.look(path)
        if file and (sighting is None or is_unchanged(sighting, file)):
            with self._landing_zone.store.open() as (catalog, backend):
                table.try_refused((catalog, ArtifactProducer(catalog.files, backend)), file, self._partition)

    def opened(self, path: str) -> WatchedStream | None:
        """Return the content of a file, or None if the file has changed since the sensor requested it."""
        stream = self._watched(open_landed(self.zone, path), path)
        if self._run_key and not is_as_requested(self.zone.look(path), self._known.get(path), self._run_key):
            stream.close()
            return None
        return stream

    def store_all_but_last(self, paths: Sequence[str]) -> str | None:
        """Store each file that is as it was requested, but for the last one, and return the path of that.

        A file that cannot be read goes to quarantine, and stops no other. A content that an earlier try stored is
        there.
        """
        files = [self._known[path] for path in paths if path in self._known]
        with self._landing_zone.store.open() as (catalog, backend):
            mine = [file for file in files if self._run_key and file.run_key == self._run_key]
            readable = [(file, stream) for file in mine if (stream := self._opened_or_refused(catalog, file))]
            for file, stream in readable[:-1]:
                with stream:
                    self._store((catalog, backend), file, stream)
            for file, stream in readable[-1:]:
                stream.close()
                return file.path
        return None

    def _opened_or_refused(self, catalog: Catalog, file: LandingFile) -> BinaryIO | None:
        try:
            is_same = is_as_requested(self.zone.look(file.path), file, str(file.run_key))
            return open_landed(self.zone, file.path) if is_same else None
        except SourceError as error:
            self._context.log.warning(refusal(self._dataset, file.path, error))
            quarantine_file(catalog, file, error)
        return None

    def _store(self, store: tuple[Catalog, IStorageBackend], file: LandingFile, stream: BinaryIO) -> None:
        known = store[0].datasets.version_with(f"{self._dataset}/raw", self._partition, str(file.content_hash))
        if known is None:
            keys = None if self._partition is None else (self._partition,)
            key, definition = self._context.asset_key, self._context.assets_def
            stored = store_beside(
                self._context.get_step_execution_context(),
                store,
                key,
                self._watched(stream, file.path),
                keys,
                dataset=self._dataset,
                retention=retention_policy(definition.metadata_by_key[key]),
                code_version=definition.code_versions_by_key[key],
                source=self.noted(file.path),
            )
            for _, event in stored:
                self._context.log_event(event)

    def _watched(self, stream: BinaryIO, path: str) -> WatchedStream:
        return WatchedStream(stream, Progress(path, self._context.log.info))

    def _is_in_partition(self, path: str) -> bool:
        """True if a file belongs to the partition of the run, or there are no partitions."""
        try:
            return self._keys is None or self._keys.of(path) == self._partition
        except NoPartitionError:
            return False


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
            run = _RawRun(context, landing_zone, seen_as(landing_zone.open()), dataset, source, keys)
            path = config.path or run.find(glob)
            if config.more:
                path = run.store_all_but_last([path, *config.more]) or path
            run.check_partition(path)
            if table:
                run.try_refused(table, path)
            stream = run.opened(path)
            if stream is None:
                return context.log.info(f"{path} has changed since it was requested; the sensor looks at it anew.")
            shown = dropped_file_metadata(path, run.zone.look(path))
            yield dg.Output(stream, metadata={SOURCE_METADATA_KEY: run.noted(path), **shown})

    return raw
