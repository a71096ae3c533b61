"""Finds rows that have the same values in some columns, in bounded memory.

One idea: equal hashes show which values may stand twice; only these are compared, in another pass over the table.
"""

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.core.exceptions import InvalidArgumentError

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
MOST_REPEATED = 1_000_000
"""Different values that stand twice and are compared; more are not looked at."""
_HELD_HASHES = 8_000_000
_PARTS_BITS = 6


class Repetitions:
    """The hashes of all rows; up to 8 million of them in memory, more on disk.

    Rows with a null in one of the columns are never the same.

    Args:
        field: Its name in YAML, such as `key`.

    Attributes:
        types: Of the columns, by name.

    Raises:
        InvalidArgumentError: Values of a column are structs, lists or maps.
    """

    def __init__(self, columns: Sequence[str], field: str, schema: pa.Schema) -> None:
        self.columns, self.field = columns, field
        self._held: list[Hashes] = []
        self._count = 0
        self._parts: list[IO[bytes]] = []
        self.types = {name: _plain(schema.field(name).type) for name in columns}
        for name, kind in self.types.items():
            if pa.types.is_nested(kind):
                raise InvalidArgumentError(field, name, f"a column of plain values; it is {kind}")

    def add(self, batch: pa.RecordBatch) -> None:
        """Take further rows."""
        hashes = self.hashes(batch)
        self._held.append(hashes)
        self._count += len(hashes)
        if self._count > _HELD_HASHES:
            self._spill()

    def hashes(self, batch: pa.RecordBatch) -> Hashes:
        """Return the hashes of rows without nulls."""
        return self._frame(batch).drop_nulls().hash_rows(seed=1).to_numpy()

    def _frame(self, batch: pa.RecordBatch) -> pl.DataFrame:
        columns = [batch.column(name) for name in self.columns]
        plain = [pc.dictionary_decode(each) if pa.types.is_dictionary(each.type) else each for each in columns]
        frame = pl.from_arrow(pa.Table.from_arrays(plain, [str(place) for place in range(len(plain))]))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _spill(self) -> None:
        """Move the hashes to disk, in files by their first bits, so that equal ones meet in one file."""
        if not self._parts:
            self._parts = [tempfile.TemporaryFile() for _ in range(1 << _PARTS_BITS)]  # noqa: SIM115
            weakref.finalize(self, lambda files: [file.close() for file in files], self._parts)
        hashes = self._sorted()
        starts = np.arange(1 << _PARTS_BITS, dtype=np.uint64) << np.uint64(64 - _PARTS_BITS)
        for file, part in zip(self._parts, np.split(hashes, np.searchsorted(hashes, starts[1:])), strict=True):
            file.write(part.tobytes())

    def _sorted(self) -> Hashes:
        hashes = np.concatenate(self._held) if self._held else np.empty(0, np.uint64)
        self._held, self._count = [], 0
        hashes.sort()
        return hashes

    def repeated(self) -> Hashes:
        """Return the hashes that occur more than once, at most one more than are compared. No row can be added then."""
        if not self._parts:
            return _repeated(self._sorted())
        self._spill()
        found: list[Hashes] = []
        for file in self._parts:
            file.seek(0)
            if sum(map(len, found)) <= MOST_REPEATED:
                found.append(_repeated(np.sort(np.frombuffer(file.read(), np.uint64))))
            file.close()
        return np.concatenate(found)[: MOST_REPEATED + 1]

    def candidates(self, batch: pa.RecordBatch, hashes: Hashes) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Yield places and values of the rows with one of some hashes, which may be the same; dates are texts."""
        frame = self._frame(batch).with_row_index("row")
        found = frame.drop("row").hash_rows(seed=1).to_numpy()
        rows = frame.filter(pl.Series(np.isin(found, hashes))).drop_nulls()
        for row, *values in zip(*map(_values, rows.iter_columns()), strict=True):
            yield row, tuple(values)


def _values(column: pl.Series) -> list[Any]:
    """Return values; days and moments as text, because Python's own have fewer years."""
    has_years = column.dtype == pl.Date or column.dtype == pl.Datetime
    return pc.cast(column.to_arrow(), pa.string()).to_pylist() if has_years else column.to_list()


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _repeated(hashes: Hashes) -> Hashes:
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])[: MOST_REPEATED + 1]
