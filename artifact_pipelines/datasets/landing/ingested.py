"""Tells which contents of a dataset's files are in the store and in its table already."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import FileDescription, LandingFile, LandingState
from artifact_pipelines.datasets.exceptions import NoPartitionError
from artifact_pipelines.datasets.landing.zone import KnownContent, failed_in_run
from artifact_pipelines.datasets.partition_keys import PartitionKeys
from artifact_pipelines.datasets.union_table import counted_files
from artifact_pipelines.storage.file_types import describe_by_name

Counted = Mapping[str, Sequence[str]]
"""Names of the files whose rows are in a table, by the hash of their content."""


@dataclasses.dataclass(frozen=True)
class Ingested:
    """What the catalog knows of the files that a dataset has ingested.

    Attributes:
        raw_asset: Key of the asset that stores its files.
        is_union: True if a table has the rows of all files; else each file replaces the one before.
        keys: The partitions; None: the dataset has none.
    """

    catalog: Catalog
    dataset: str
    raw_asset: str
    is_union: bool = False
    keys: PartitionKeys | None = None

    @property
    def table_asset(self) -> str:
        """Key of the asset that holds the table."""
        return f"{self.dataset}/table"

    def partition_of(self, path: str) -> str | None:
        """Return the partition of a file; None: it has none, or the dataset has none."""
        try:
            return self.keys.of(path) if self.keys else None
        except NoPartitionError:
            return None

    def read_since(self, files: Collection[LandingFile]) -> Mapping[str, LandingFile]:
        """Return the files in quarantine whose content the current table has: its rules have changed since."""
        waiting: dict[str | None, list[LandingFile]] = {}
        for file in files:
            if failed_in_run(file) and file.content_hash:
                waiting.setdefault(self.partition_of(file.path), []).append(file)
        done = {}
        for partition, some in waiting.items():
            hashes = {str(file.content_hash) for file in some}
            read = self.catalog.datasets.read_by_current(self.table_asset, partition, hashes)
            if counted := self.counted([partition]):  # a union may have left a bad file of its run out
                read = {content: version for content, version in read.items() if content in counted[partition]}
            for file in some:
                if version := read.get(str(file.content_hash)):
                    reason = f"{self.table_asset} version {version} was read from this content"
                    done[file.path] = dataclasses.replace(file, state=LandingState.DUPLICATE, reason=reason)
        return done

    def counted(self, partitions: Collection[str | None]) -> Mapping[str | None, Counted] | None:
        """Return the names of the files whose rows are in each union; None: the tables are no unions."""
        if not self.is_union:
            return None
        found = self.catalog.materializations.find(self.table_asset, list(partitions)) if partitions else {}
        names: dict[str | None, dict[str, list[str]]] = {partition: {} for partition in partitions}
        for partition, table in found.items():
            for file in counted_files(table.source, table.row_count).values():
                names[partition].setdefault(file.content_hash, []).append(file.name)
        return names


class KnownContents:
    """What is known of contents during one tick; each partition is looked up once, and each content."""

    def __init__(self, ingested: Ingested, files: Collection[LandingFile]) -> None:
        self._ingested = ingested
        self._known: dict[str | None, KnownContent] = {}
        done = {file.content_hash for file in files if file.state == LandingState.INGESTED}
        self._failed_as: dict[str, list[FileDescription]] = {}
        for file in files:
            if failed_in_run(file) and file.content_hash and file.content_hash not in done:
                self._failed_as.setdefault(file.content_hash, []).append(describe_by_name(file.path))

    def of(self, partition: str | None, content_hash: str | None) -> KnownContent:
        """Return what is known of a content in a partition."""
        raw, catalog = self._ingested.raw_asset, self._ingested.catalog
        if partition not in self._known:
            newest = catalog.materializations.history(raw, partition, limit=1)
            counted = self._ingested.counted([partition])
            current = newest[0].file.content_hash if newest else None
            in_table = None if counted is None else counted[partition]
            self._known[partition] = KnownContent(current, {}, self._failed_as, in_table)
        # A damaged file is repaired by another drop.
        made = catalog.datasets.version_with(raw, partition, content_hash) if content_hash else None
        version_of = {str(content_hash): made.version} if made else {}
        is_in_table = content_hash is None or self._is_in_table(partition, content_hash)
        return dataclasses.replace(self._known[partition], version_of=version_of, is_in_table=is_in_table)

    def _is_in_table(self, partition: str | None, content_hash: str) -> bool:
        """True unless a content is the current one, and the current table was made from another one."""
        if content_hash != self._known[partition].current:
            return True
        table, catalog = self._ingested.table_asset, self._ingested.catalog
        has_table = bool(catalog.materializations.find(table, [partition]))
        return not has_table or bool(catalog.datasets.read_by_current(table, partition, [content_hash]))
