"""Rows of the other files of a union: a key, or a unique value, stands in one of all files only.

One idea: the hashes of the others are sorted on disk, so a batch of a new file is looked up in them; only values whose
hash is there are compared.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from artifact_pipelines.core.scratch import scratch_folder
from artifact_pipelines.datasets.reading.repetitions import Hashes, Repetitions

_HASH_BYTES = 8
Rows = Iterator[tuple[str, pa.RecordBatch]]
Read = Callable[[Sequence[str]], Rows]
"""Returns the rows of files with some columns, each batch with the name of its file; none if a column is missing."""


class RowSource:
    """Some of the other rows, which can be read again."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._hashes: dict[tuple[object, ...], Hashes] = {}

    def rows(self, unique: Repetitions) -> Rows:
        """Yield the unique columns, with the types of the file that is checked: they are as wide, or wider."""
        for name, batch in self._read(unique.columns):
            columns = [batch.column(column).cast(kind) for column, kind in unique.types.items()]
            yield name, pa.RecordBatch.from_arrays(columns, list(unique.columns))

    def hashes(self, unique: Repetitions) -> Hashes:
        """Return the hashes of the rows, sorted."""
        key = (*unique.types.items(),)
        if key not in self._hashes:
            self._hashes[key] = self._sorted(unique)
        return self._hashes[key]

    def _sorted(self, unique: Repetitions) -> Hashes:
        with tempfile.TemporaryFile(dir=scratch_folder()) as file:
            for _, batch in self.rows(unique):
                file.write(unique.hashes(batch).tobytes())
            file.flush()
            if not file.tell():
                return np.empty(0, np.uint64)
            hashes = np.memmap(file, np.uint64, "r+", shape=(file.tell() // _HASH_BYTES,))
        hashes.sort()
        return hashes


class OtherRows:
    """The rows of the files that came before one."""

    def __init__(self, sources: Sequence[RowSource] = ()) -> None:
        self.sources = sources

    def shared(self, unique: Repetitions, batch: pa.RecordBatch) -> dict[int, tuple[tuple[object, ...], str]]:
        """Return which rows of a batch have values that stand in another file: by place, the values and its name."""
        found: dict[int, tuple[tuple[object, ...], str]] = {}
        hashes = np.unique(unique.hashes(batch)) if self.sources else np.empty(0, np.uint64)
        for source in self.sources:
            if len(same := hashes[_is_in(hashes, source.hashes(unique))]):
                names = {v: name for name, rows in source.rows(unique) for _, v in unique.candidates(rows, same)}
                for place, values in unique.candidates(batch, same):
                    if values in names:
                        found.setdefault(place, (values, names[values]))
        return found


def _is_in(hashes: Hashes, in_order: Hashes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if not len(in_order):
        return np.zeros(len(hashes), np.bool_)
    places = np.minimum(np.searchsorted(in_order, hashes), len(in_order) - 1)
    return np.asarray(in_order[places] == hashes)
