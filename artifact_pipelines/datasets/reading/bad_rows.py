"""Rows that are left out of a table: each with its place, its text and what is wrong with it.

They wait on disk once they are many, so that memory stays bounded.
"""

import dataclasses
import json
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from typing import IO

import pyarrow as pa

from artifact_pipelines.datasets.reading.shown_values import shown
from artifact_pipelines.tabular.footer import DESCRIPTION

COLUMNS = {
    "file": (pa.string(), "Name of the dropped file"),
    "line": (pa.int64(), "Line where the row begins; in a spreadsheet or a typed file its number"),
    "column": (pa.string(), "Column of the first wrong value; null: the row cannot be split"),
    "value": (pa.string(), "That value"),
    "reason": (pa.string(), "Why it is wrong"),
    "row": (pa.string(), "Text of the row; where it has none, its values as JSON"),
}
"""Type and meaning of each column of the table of bad rows."""
SCHEMA = pa.schema([pa.field(name, kind, metadata={DESCRIPTION: meaning}) for name, (kind, meaning) in COLUMNS.items()])
MOST_SHOWN = 10
_HELD_BYTES = 8 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class BadRow:
    """A row that breaks its dataset's contract.

    Attributes:
        line: Number of its first line; of a sheet, or of a file without lines, the number of the row.
        column: Of the first value that is wrong; None: the row cannot be split into values.
        reason: In words, such as `is less than 0`.
        row: Its text as it stands in the file; where it has none, its values as JSON.
    """

    line: int
    column: str | None
    value: str | None
    reason: str
    row: str

    def shown(self, place: str = "line") -> str:
        """Return it in words, without the row's text.

        Args:
            place: Says of which kind its number is.
        """
        where = f"{place} {self.line}, column {self.column!r}" if self.column else f"{place} {self.line}"
        value = "" if self.column is None else "it " if self.value is None else f"{self.value[:200]!r} "
        return f"{where}: {value}{self.reason}"


class BadRows:
    """The bad rows of a file, in the order in which they are found.

    Args:
        file: Name of the dropped file.

    Attributes:
        count: Their number.
        first: Some of them, to be shown.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self.count = 0
        self.first: list[BadRow] = []
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._spool: IO[bytes] | None = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def add(self, rows: Iterable[BadRow]) -> None:
        """Take further rows."""
        found = sorted(rows, key=lambda row: row.line)
        if found:
            columns = [[self._file] * len(found), *zip(*map(dataclasses.astuple, found), strict=True)]
            self.add_batch(pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA))

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Take rows that another `BadRows` gave; they keep the name of their file."""
        self.count += batch.num_rows
        shown = batch.slice(0, max(0, MOST_SHOWN - len(self.first))).drop_columns("file")
        self.first = sorted(self.first + [BadRow(**row) for row in shown.to_pylist()], key=lambda row: row.line)
        self._held.append(batch)
        self._held_bytes += batch.nbytes
        if self._held_bytes > _HELD_BYTES:
            self._spill()

    def _spill(self) -> None:
        if self._writer is None:
            self._spool = tempfile.TemporaryFile()  # noqa: SIM115
            weakref.finalize(self, self._spool.close)
            self._writer = pa.ipc.new_stream(self._spool, SCHEMA)
        self._writer.write_table(self._held_rows())
        self._held, self._held_bytes = [], 0

    def _held_rows(self) -> pa.Table:
        """Return the rows in memory, in the order of their lines: the checks of a block find them one after another."""
        return pa.Table.from_batches(self._held, SCHEMA).sort_by([("file", "ascending"), ("line", "ascending")])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield them. None can be added any more."""
        if self._writer is not None and self._spool is not None:
            self._writer.close()
            self._spool.seek(0)
            yield from pa.ipc.open_stream(self._spool)
        yield from self._held_rows().to_batches()

    def reader(self) -> pa.RecordBatchReader:
        """Return them as a table."""
        return pa.RecordBatchReader.from_batches(SCHEMA, self.batches())


def values_as_json(table: pa.Table | pa.RecordBatch, place: int) -> str:
    """Return the values of a row as JSON, each but null as text."""
    row = {name: table.column(name)[place] for name in table.schema.names}
    return json.dumps(
        {name: shown(value) if value.is_valid else None for name, value in row.items()}, ensure_ascii=False
    )
