"""The table of a dataset with `files: all`: the rows of several files, in the order of their names.

One idea: the current table has the rows of all other files already, one file after another. So only a new file is read,
and the rows of the others are copied. All files are read again only after a change of the rules to read them.
"""

import dataclasses
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pyarrow as pa

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.exceptions import SchemaMismatchError
from artifact_pipelines.datasets.interfaces import OpenTable
from artifact_pipelines.datasets.other_rows import OtherRows, Rows, RowSource
from artifact_pipelines.datasets.reading.bad_rows import BadRows
from artifact_pipelines.datasets.reading.contract import Contract, VersionBefore, arrow_name
from artifact_pipelines.datasets.reading.exact_casts import cast_exactly

MOST_KEPT = 256
"""The hashes of so many files are kept while a union is made; each has an open file."""


@dataclasses.dataclass(frozen=True, slots=True)
class CountedFile:
    """A file whose rows are in the table.

    Attributes:
        name: Path below the landing zone.
        materialization_id: Of its raw content, as are version, file ID and hash.
        rows: None: all rows of the table that are of no other file.
    """

    name: str
    materialization_id: int
    version: int
    file_id: int
    content_hash: str
    rows: int | None = None


def counted_files(source: Mapping[str, Any], row_count: int | None) -> Mapping[str, CountedFile]:
    """Return the files in a table by name, in the order of their rows, from what is recorded with the table."""
    files = [CountedFile(**each) for each in source.get("files", ())]
    rest = (row_count or 0) - sum(file.rows or 0 for file in files)
    return {file.name: file if file.rows is not None else dataclasses.replace(file, rows=rest) for file in files}


@dataclasses.dataclass(frozen=True)
class UnionTable:
    """A table to make from files.

    Attributes:
        files: All files, by name.
        anew: Names of those that are read, at least one. The rows of the others are in the table before.
        open: Opens the file of a name as a table that follows a contract.
        file_column: Column that takes the name of each row's file; None: there is none.
        bad: Takes the rows that are left out.
        others: Rows of the table that are of none of these files, or are of files that are not read.
        sources: Rows of files that were read, by name: what is known of them is found once, not for each later file.
    """

    files: Mapping[str, CountedFile]
    anew: Sequence[str]
    open: Callable[[str, Contract, OtherRows], AbstractContextManager[OpenTable]]
    file_column: str | None = None
    bad: BadRows | None = None
    others: OtherRows = dataclasses.field(default_factory=OtherRows)
    sources: dict[str, RowSource] = dataclasses.field(default_factory=dict)

    @contextmanager
    def opened(
        self, contract: Contract, before: pa.RecordBatchReader | None, counted: Mapping[str, CountedFile]
    ) -> Iterator[tuple[OpenTable, Sequence[CountedFile]]]:
        """Open the union: its batches, and its files in the order of their rows.

        Args:
            contract: With the types of the table before, if rows of it are copied.
            before: The rows of that table.
            counted: The files in that table.

        Raises:
            SourceError: As `open_table`.
        """
        rows: dict[str, int] = {}
        columns = _columns(before.schema if before else (), self.file_column)
        *others, last = sorted(self.anew, key=self._arrival)  # in which they had to follow each other before
        own: dict[str, Contract] = {}
        for name in others:
            with self.open(name, contract, self._before(name, own)) as table:
                contract = self._followed(contract, table, name, columns)
                own[name] = _with_columns(contract, table.batches.schema.names)
                rows[name] = sum(batch.num_rows for batch in table.batches)
        with self.open(last, contract, self._before(last, own)) as table:
            contract = self._followed(contract, table, last, columns)
            schema = pa.schema(list(columns.items()))
            if self.file_column:
                schema = schema.append(pa.field(self.file_column, pa.string()))
            own = {name: _with_columns(contract, each.before.columns) for name, each in own.items() if each.before}
            old = TakenRows(before or ())
            batches = self._batches(old, counted, {last: table}, own, schema)
            names = sorted(self.files)
            files = [dataclasses.replace(self.files[n], rows=rows.get(n, self.files[n].rows)) for n in names]
            reader = pa.RecordBatchReader.from_batches(schema, batches)
            yield OpenTable(reader, table.read_as, bad=self.bad), [f if f.name != last else _rest(f) for f in files]

    def without_bad_files(
        self, contract: Contract, counted: Mapping[str, CountedFile], refuse: Callable[[str, SourceError], object]
    ) -> "UnionTable":
        """Read the files that are anew, and return the union without those that raise; of these old rows stay.

        Args:
            contract: As for `opened`, as are the counted files.
            refuse: Takes the name of such a file, and its error.

        Raises:
            SourceError: Each of them raises; this is the first error.
        """
        columns: dict[str, pa.DataType] = {}
        own: dict[str, Contract] = {}
        errors: dict[str, SourceError] = {}
        for name in sorted(self.anew, key=self._arrival):
            seen = dict(columns)
            try:
                with self.open(name, contract, self._before(name, own)) as table:
                    followed = self._followed(contract, table, name, seen)
                    for _ in table.batches:
                        pass
            except SourceError as error:
                errors[name] = error
                refuse(name, error)
            else:
                own[name], contract, columns = contract, followed, seen
        if not own:
            raise next(iter(errors.values()))
        files = {name: file for name, file in self.files.items() if name not in errors}
        files |= {name: counted[name] for name in errors if name in counted}
        return dataclasses.replace(self, files=files, anew=[name for name in self.anew if name in own])

    def _before(self, name: str, contracts: Mapping[str, Contract]) -> OtherRows:
        """Return the rows that came before those of a file."""
        earlier = [each for each in contracts if self._arrival(each) < self._arrival(name)]
        return OtherRows([*self.others.sources, *(self._source(each, contracts[each]) for each in earlier)])

    def _source(self, name: str, contract: Contract) -> RowSource:
        if found := self.sources.get(name):
            return found
        source = RowSource(functools.partial(self._rows_of, name, contract))
        if len(self.sources) < MOST_KEPT:
            self.sources[name] = source
        return source

    def _rows_of(self, name: str, contract: Contract, columns: Sequence[str]) -> Rows:
        with self.open(name, contract, self.others) as table:
            if set(columns) <= set(table.batches.schema.names):
                yield from ((name, batch.select(columns)) for batch in table.batches)

    def _arrival(self, name: str) -> int:
        return self.files[name].materialization_id

    def _followed(self, contract: Contract, table: OpenTable, name: str, columns: dict[str, pa.DataType]) -> Contract:
        """Return the contract that the next file has to follow, and add the columns of this one to all columns."""
        schema = table.batches.schema
        if self.file_column in schema.names and not table.file_column:
            remedy = "Rename the column in the file, or set another `file_column` in the dataset's YAML file"
            raise SchemaMismatchError(name, f"column {self.file_column!r} is to hold the name of the file", remedy)
        columns.update(_columns(schema, self.file_column))
        names = {column: arrow_name(kind) for column, kind in columns.items()}
        version = contract.before.version if contract.before else 0
        return dataclasses.replace(contract, before=VersionBefore(version, names, table.read_as))

    def _batches(
        self,
        old: "TakenRows",
        counted: Mapping[str, CountedFile],
        opened: Mapping[str, OpenTable],
        contracts: Mapping[str, Contract],
        schema: pa.Schema,
    ) -> Iterator[pa.RecordBatch]:
        for name in sorted({*self.files, *counted}):
            if name not in self.anew:
                yield from (_fitted(batch, schema, {}, name) for batch in old.take(counted[name].rows or 0))
                continue
            for _ in old.take(counted[name].rows or 0) if name in counted else ():
                pass  # replaced
            names = {self.file_column: name} if self.file_column else {}
            with ExitStack() as stack:
                table = opened.get(name) or stack.enter_context(
                    self.open(name, contracts[name], self._before(name, contracts))
                )
                yield from (_fitted(batch, schema, names, name) for batch in table.batches)
                if self.bad is not None and table.bad is not None:
                    for batch in table.bad.batches():
                        self.bad.add_batch(batch)


def _columns(fields: Iterable[pa.Field], without: str | None = None) -> dict[str, pa.DataType]:
    return {field.name: field.type for field in fields if field.name != without}


def _with_columns(contract: Contract, names: Collection[str]) -> Contract:
    """Return a contract for a file that has these columns and was read before some others came."""
    assert contract.before is not None
    columns = {name: kind for name, kind in contract.before.columns.items() if name in names}
    return dataclasses.replace(contract, before=dataclasses.replace(contract.before, columns=columns))


def _rest(file: CountedFile) -> CountedFile:
    """Return a file whose number of rows is known only when they are stored."""
    return dataclasses.replace(file, rows=None)


def _fitted(batch: pa.RecordBatch, schema: pa.Schema, constants: Mapping[str, str], label: str) -> pa.RecordBatch:
    """Return a batch with the columns of a schema: constants, and nulls in those that it lacks.

    Raises:
        SchemaMismatchError: The files have types of which none holds the values of all, such as microseconds of the
            year 3000 and nanoseconds.
    """
    columns = []
    for field in schema:
        if field.name in batch.schema.names:
            columns.append(_cast(batch.column(field.name), field, label))
        else:
            value = pa.scalar(constants.get(field.name), field.type)
            columns.append(pa.repeat(value, batch.num_rows))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _cast(values: pa.Array, field: pa.Field, label: str) -> pa.Array:
    found = values if values.type == field.type else cast_exactly(values, field.type)
    if found is None:
        problem = f"column {field.name!r} is {values.type}, and its values do not fit into {field.type} of other files"
        raise SchemaMismatchError(label, problem, "Declare a type for the column in `columns`")
    return found


class TakenRows:
    """Rows of batches, taken a number at a time."""

    def __init__(self, batches: Any) -> None:
        self._batches = iter(batches)
        self._rest: pa.RecordBatch | None = None

    def take(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the next rows."""
        while rows:
            batch = self._rest if self._rest is not None else next(self._batches)
            some = batch.slice(0, rows)
            self._rest = batch.slice(some.num_rows) if some.num_rows < batch.num_rows else None
            rows -= some.num_rows
            yield some
