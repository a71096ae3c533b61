"""Opens the table of a dataset with `files: all` from the catalog: which files it has, and where their rows are."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.core.types import FileId, LoadedInput, Materialization, Selection
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable
from artifact_pipelines.datasets.other_rows import OtherRows, Rows, RowSource
from artifact_pipelines.datasets.reading.bad_rows import BadRows
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.table_reader import open_stored
from artifact_pipelines.datasets.union_table import CountedFile, TakenRows, UnionTable, counted_files
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.local_paths import verified_path
from artifact_pipelines.tabular.bounded_batches import read_batches

_ALL = 1_000_000


@dataclasses.dataclass(frozen=True)
class UnionFiles:
    """The files of a dataset whose table is their union.

    Attributes:
        raw: The raw content that is new, or read again.
        name: The name under which it was dropped.
        rules: How files are read now. Rows of a table that was read by other rules are not copied.
        watch: Takes how far that file is read; see `open_stored`.
        more: Further contents of the same run, by the names of their files.
        refuse: Takes files that are left out, and why; None: they raise.
    """

    catalog: Catalog
    producer: ArtifactProducer
    dataset: str
    raw: Materialization
    name: str
    rules: str
    file_format: IFileFormat
    file_column: str | None = None
    watch: Callable[[int, int | None], object] | None = None
    more: Mapping[str, Materialization] = dataclasses.field(default_factory=dict)
    refuse: Callable[[str, SourceError], object] | None = None

    def inputs(self, listed: Sequence[Mapping[str, Any]]) -> list[LoadedInput]:
        """Return the raw contents of the files in a union but for the new one, which the step has loaded."""
        files = [CountedFile(**each) for each in listed if each["name"] != self.name]
        asset, partition = self.raw.asset, self.partition
        return [LoadedInput(f.materialization_id, asset, partition, f.version, FileId(f.file_id)) for f in files]

    @contextmanager
    def open(self, contract: Contract) -> Iterator[tuple[OpenTable, list[dict[str, object]]]]:
        """Open the union as `UnionTable.opened`, with its files in the form that is recorded with the table.

        Args:
            contract: Without a version before, or with other rules for values, all files are read again.
        """
        files, table = self._files, self.current
        read_by = {"rules": self.rules, "checks": contract.checks()}
        is_same = table is not None and all(table.source.get(name, "") == each for name, each in read_by.items())
        counted = counted_files(table.source, table.row_count) if table and contract.before and is_same else {}
        anew = [name for name in sorted(files) if name in (self.name, *self.more) or name not in counted]
        bad = self._bad_rows(set(counted) - set(anew)) if contract.leaves_out else None
        kept = [name for name in counted if name not in anew]
        others = OtherRows(
            [RowSource(functools.partial(self._kept_rows, table, counted, kept))] if table and kept else []
        )
        union = UnionTable(files, anew, self._open, self.file_column, bad, others)
        if self.refuse is not None:
            union = union.without_bad_files(contract, counted, self.refuse)
        if not counted or table is None:
            with union.opened(contract, None, {}) as (opened, listed):
                yield opened, [dataclasses.asdict(file) for file in listed]
            return
        with verified_path(self.producer.artifact(table.file)) as file, pq.ParquetFile(file.path) as rows:
            reader = pa.RecordBatchReader.from_batches(rows.schema_arrow, read_batches(rows))
            with union.opened(contract, file.batches(reader), counted) as (opened, listed):
                yield opened, [dataclasses.asdict(file) for file in listed]

    def _bad_rows(self, names: Set[str]) -> BadRows:
        """Return the bad rows of files that are not read again."""
        bad = BadRows(self.name)
        made = self.catalog.materializations.find(f"{self.dataset}/bad_rows", [self.partition]).get(self.partition)
        if made and names:
            with verified_path(self.producer.artifact(made.file)) as file, pq.ParquetFile(file.path) as rows:
                for batch in read_batches(rows):
                    bad.add_batch(batch.filter(pc.is_in(batch.column("file"), pa.array(sorted(names)))))
        return bad

    @functools.cached_property
    def current(self) -> Materialization | None:
        """The table that the union is made from, and has to follow."""
        return self.catalog.materializations.find(f"{self.dataset}/table", [self.partition]).get(self.partition)

    @property
    def partition(self) -> str | None:
        """The partition whose files they are."""
        return self.raw.partition

    @functools.cached_property
    def _files(self) -> Mapping[str, CountedFile]:
        """Return all files, by name; those that were dropped before the dataset became a union too."""
        table = self.current
        counted = dict(counted_files(table.source, table.row_count)) if table else {}
        if table and not counted:
            versions = reversed(self.catalog.datasets.versions(self.dataset, _ALL, self.partition))
            counted = {_name(each.raw): _counted(each.raw) for each in versions if each.table}
        more = {name: _counted(made, name) for name, made in self.more.items()}
        return {**counted, **more, self.name: _counted(self.raw, self.name)}

    def _kept_rows(
        self, table: Materialization, counted: Mapping[str, CountedFile], kept: Collection[str], columns: Sequence[str]
    ) -> Rows:
        """Yield the rows of a table that stay, with some columns."""
        with self.producer.artifact(table.file).open(verify=False) as stream, pq.ParquetFile(stream) as file:
            if set(columns) <= set(file.schema_arrow.names):
                rows = TakenRows(file.iter_batches(columns=list(columns)))
                for name, each in counted.items():
                    yield from ((name, batch) for batch in rows.take(each.rows or 0) if name in kept)

    def _open(self, name: str, contract: Contract, others: OtherRows) -> AbstractContextManager[OpenTable]:
        made = self.raw if name == self.name else self.more.get(name) or self._raw(self._files[name])
        stored = self.producer.artifact(made.file)
        watch = self.watch if name == self.name else None
        options = (self.file_format, contract, watch, self.file_column, others)
        return open_stored(stored, made.file.file_type, name, *options)

    def _raw(self, file: CountedFile) -> Materialization:
        selection = Selection(file_id=FileId(file.file_id))
        found = self.catalog.materializations.find(self.raw.asset, [self.partition], selection).get(self.partition)
        if found is None:
            raise self.catalog.materializations.nothing_found(self.raw.asset, self.partition, selection)
        return found


def _name(raw: Materialization) -> str:
    return str(raw.source.get("file", raw.asset))


def _counted(raw: Materialization, name: str | None = None) -> CountedFile:
    content = raw.file.file_id, raw.file.content_hash
    return CountedFile(name or _name(raw), raw.materialization_id, raw.version, *content)
