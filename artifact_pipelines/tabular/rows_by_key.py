"""Sorts the rows of a table by the value of a column, on disk, so that no number of rows fills the memory."""

import pathlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.core.scratch import scratch_folder
from artifact_pipelines.tabular.bounded_batches import joined

_ROWS_AT_ONCE = 1 << 18
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class RowsByKey:
    """The rows of each key, in their order.

    Attributes:
        keys: All keys, sorted.
    """

    def __init__(self, schema: pa.Schema, folder: pathlib.Path) -> None:
        self._schema, self._folder = schema, folder
        self._number_of: dict[str, int] = {}

    @property
    def keys(self) -> Sequence[str]:  # noqa: D102
        return sorted(self._number_of)

    def rows_of(self, key: str) -> pa.RecordBatchReader:
        """Return the rows of a key; of an unknown one, none."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches_of(key))

    def add(self, batch: pa.RecordBatch, column: str) -> None:
        """Take further rows, whose keys are the values of a column as text."""
        keys = as_keys(batch.column(column)).dictionary_encode()
        places = keys.indices.to_numpy()
        order = np.argsort(places, kind="stable")
        ends = np.cumsum(np.bincount(places, minlength=len(keys.dictionary)))
        ordered = batch.take(pa.array(order))
        for key, start, end in zip(keys.dictionary.to_pylist(), [0, *ends], ends, strict=False):
            self._append(key, ordered.slice(start, end - start))

    def _append(self, key: str, rows: pa.RecordBatch) -> None:
        number = self._number_of.setdefault(key, len(self._number_of))
        with self._path(number).open("ab") as sink, pa.ipc.new_stream(sink, self._schema, options=_OPTIONS) as writer:
            writer.write_batch(rows)

    def _batches_of(self, key: str) -> Iterator[pa.RecordBatch]:
        if key not in self._number_of:
            return
        path = self._path(self._number_of[key])
        with path.open("rb") as source:
            while source.tell() < path.stat().st_size:
                yield from pa.ipc.open_stream(source)

    def _path(self, number: int) -> pathlib.Path:
        return self._folder / f"{number}.arrows"


def as_keys(values: pa.Array) -> pa.Array:
    """Return the values of a column as the texts that are keys."""
    plain = pc.dictionary_decode(values) if pa.types.is_dictionary(values.type) else values
    return plain.cast(pa.large_string())


@contextmanager
def rows_by_key(schema: pa.Schema, batches: Iterable[pa.RecordBatch], column: str) -> Iterator[RowsByKey]:
    """Sort the rows of batches by a column that has no nulls, for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="keys-", dir=scratch_folder()) as folder:
        found = RowsByKey(schema, pathlib.Path(folder))
        for batch in joined(batches, _ROWS_AT_ONCE):
            found.add(batch, column)
        yield found
