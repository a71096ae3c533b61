"""How the table of one dataset is read from its raw files: by its format and contract, after the version before.

One idea: a raw content is opened in one way, whether its table is to be stored or only tried. Must not import Dagster.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.core.types import (
    FileId,
    LandingFile,
    LoadedInput,
    Materialization,
    Publication,
    Selection,
)
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable
from artifact_pipelines.datasets.reading.contract import Contract, VersionBefore
from artifact_pipelines.datasets.table_reader import open_stored
from artifact_pipelines.datasets.union_files import UnionFiles
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

TABLE_CODE_VERSION = "2"
_Store = tuple[Catalog, ArtifactProducer]
_Refuse = Callable[[str, SourceError], object]
_MOST_REJECTED = 100


@dataclasses.dataclass(frozen=True)
class FoundTable:
    """A table that was opened.

    Attributes:
        contract: What its file is held to.
        noted: What is recorded about its source.
        inputs: Other raw contents whose rows it has.
        made_after: ID of the materialization that it follows, if it is a union; 0: there is none.
    """

    opened: OpenTable
    contract: Contract
    noted: Mapping[str, Any]
    inputs: Sequence[LoadedInput] = ()
    made_after: int = 0


@dataclasses.dataclass(frozen=True)
class DatasetTable:
    """How the table of a dataset is read.

    Attributes:
        contract: As the dataset declares it; the version before is added when a file is read.
        is_union: True if the table has the rows of all files that were dropped, each under its name.
        file_column: Column of a union that takes the name of each row's file.
    """

    dataset: str
    file_format: IFileFormat
    contract: Contract
    is_union: bool = False
    file_column: str | None = None

    @property
    def rules(self) -> str:
        """How values are read; a table that was read by other rules says nothing about the types of the next one."""
        columns = f"columns={dict(self.contract.columns)}{self.contract.spelled()}"
        union = f" files=all file_column={self.file_column}" if self.is_union else ""
        return f"{TABLE_CODE_VERSION} {self.file_format.code_version()} {columns}{union}"

    def made(self, catalog: Catalog, file_id: FileId, partition: str | None) -> Materialization:
        """Return the newest materialization of a raw file, which knows under which name it was dropped."""
        selection, raw = Selection(file_id=file_id), f"{self.dataset}/raw"
        found = catalog.materializations.find(raw, [partition], selection).get(partition)
        if found is None:
            raise catalog.materializations.nothing_found(raw, partition, selection)
        return found

    @contextmanager
    def opened(
        self,
        store: _Store,
        made: Materialization,
        watch: Callable[[int, int | None], object] | None = None,
        more: Mapping[str, Materialization] = MappingProxyType({}),
        refuse: _Refuse | None = None,
    ) -> Iterator[FoundTable]:
        """Open the table of a raw content.

        Args:
            store: Catalog and storage.
            watch: Takes how far the file is read; see `open_stored`.
            more: Further contents of the same run, by name, if the table is a union.
            refuse: Takes the name and the error of a file of a union that is left out; None: it raises.

        Raises:
            SourceError: The content is refused; also when the table is read.
        """
        catalog, producer = store
        name, contract = name_of(made), self._contract(catalog, made.partition)
        key = list(self.contract.key)
        noted = {"file": name, "rules": self.rules, "checks": contract.checks(), "key": key}
        if not self.is_union:
            stored = producer.artifact(made.file)
            options = (self.file_format, contract, watch, self.file_column)
            with open_stored(stored, made.file.file_type, name, *options) as opened:
                yield FoundTable(opened, contract, noted)
            return
        how = (self.file_format, self.file_column, watch, more, refuse)
        files = UnionFiles(catalog, producer, self.dataset, made, name, self.rules, *how)
        with files.open(contract) as (opened, listed):
            before = files.current.materialization_id if files.current else 0
            yield FoundTable(opened, contract, {**noted, "files": listed}, files.inputs(listed), before)

    def try_refused(self, store: _Store, file: LandingFile, partition: str | None) -> None:
        """Read a file whose content is an older version without a table: only if it is good, it may be a version again.

        Raises:
            SourceError: It is refused once more.
        """
        catalog, raw = store[0], f"{self.dataset}/raw"
        made = catalog.datasets.version_with(raw, partition, file.content_hash) if file.content_hash else None
        current = catalog.materializations.find(raw, [partition]).get(partition)
        if made is None or current is None or made.version == current.version:
            return
        if catalog.datasets.find(f"{self.dataset}@v{made.version}", partition).table is None:
            with self.opened(store, made) as found:
                for _ in found.opened.batches:
                    pass

    def _contract(self, catalog: Catalog, partition: str | None) -> Contract:
        columns = [column for column in self.contract.key if column != self.file_column]  # which no file has
        return dataclasses.replace(
            self.contract,
            key=columns,
            before=self._version_before(catalog, partition),
            key_of_file=self.file_column in self.contract.key,
        )

    def _version_before(self, catalog: Catalog, partition: str | None) -> VersionBefore | None:
        """Return the current table, or the newest of all partitions, whose types are those of each.

        None: there is none, or it was read by other rules, which no longer count.
        """
        table = f"{self.dataset}/table"
        if partition is None:
            current = catalog.materializations.find(table, [None]).get(None)
        else:
            newest = catalog.materializations.history(table, limit=_MOST_REJECTED)
            current = next((made for made in newest if made.publication == Publication.PUBLISHED), None)
        if current is None or current.schema is None or current.source.get("rules") != self.rules:
            return None
        columns = {name: kind for name, kind in current.schema.items() if name != self.file_column}
        return VersionBefore(current.version, columns, current.source.get("read_as", {}))


def name_of(raw: Materialization) -> str:
    """Return the name under which a raw content was dropped."""
    return str(raw.source.get("file", raw.asset))
