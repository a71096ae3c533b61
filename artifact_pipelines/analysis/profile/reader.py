"""Reads a Parquet file in units on up to two threads, and yields what is made of each unit in the order of the file.

The one idea: a reader that is opened for a few row groups frees their memory when it is done; one reader of a whole
file would hold more and more. Likewise a row group of a wide table is read some columns at a time: the buffers of each
column that is being decoded take more than its values.
"""

import collections
import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from artifact_pipelines.tabular.bounded_batches import BATCH_BYTES, joined, read_batches

BATCH_ROWS = 131_072
_NUMBER_BYTES = 48 << 20  # of a batch without texts: smaller ones of a wide table would cost many small calls
_FEWEST_BYTES = 16 << 20
_COLUMN_BYTES = 32 << 10  # of a batch, given to what each column keeps of its distinct values
THREADS = 2
_ONE_THREAD_BYTES = 16 << 20  # of a row group: two such groups at once take the 500 MB that a profile may take
_UNIT_ROWS = 65_536  # smaller row groups are read together,
_WIDE_ROWS = 16_384  # or up to so many rows
_WIDE_BYTES = 16 << 20  # and bytes of a table with many columns
_PEEK_ROWS = 1024
_FEWEST_ROWS = 512
_COLUMNS_AT_ONCE = 250
_PLAIN_BYTES = 4  # a text that is not in a dictionary takes 4 bytes and more
_EXPANSION = 4  # a dictionary is decoded if its texts then take less than this times the stored bytes

Lengths = npt.NDArray[np.integer]
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """Row groups side by side.

    Attributes:
        start: Number of rows before them.
    """

    groups: Sequence[int]
    start: int


class TableFile:
    """A Parquet file. Its footer is read once.

    Attributes:
        path: The file.
        is_wide: True if it has so many columns that each takes little of a batch.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        with pq.ParquetFile(path) as file:
            self.metadata = file.metadata
            self.schema = file.schema_arrow
        leaves = [self.metadata.schema.column(leaf) for leaf in range(self.metadata.num_columns)]
        self._names = [column.path for column in leaves]
        self._texts = [leaf for leaf, column in enumerate(leaves) if _is_text(column)]
        self._most_bytes = max(_FEWEST_BYTES, _NUMBER_BYTES - _COLUMN_BYTES * len(leaves))
        self.is_wide = len(leaves) > _COLUMNS_AT_ONCE
        self._is_nested = any(column.path != column.name for column in leaves)

    def map_units(self, measure: Callable[[Unit], Result], units: Sequence[Unit]) -> Iterator[Result]:
        """Yield the result of each unit in order; few are computed ahead of the one that is taken.

        A file with a large row group is read on one thread, since two such groups at once take twice the memory.
        """
        sizes = (self.metadata.row_group(group).total_byte_size for group in range(self.metadata.num_row_groups))
        threads = 1 if max(sizes, default=0) >= _ONE_THREAD_BYTES else THREADS
        with ThreadPoolExecutor(threads) as pool:
            waiting = collections.deque[Future[Result]]()
            for unit in units:
                waiting.append(pool.submit(measure, unit))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def batches(self, unit: Unit) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a unit. Texts that repeat come as dictionaries, so each is read once."""
        coded, text_bytes = self._texts_of(unit)
        with pq.ParquetFile(self.path, metadata=self.metadata, read_dictionary=coded) as file:
            rows = self._batch_rows(text_bytes)
            if rows is None:
                yield from read_batches(file, BATCH_ROWS, unit.groups)
                return
            if self.is_wide:
                read = itertools.chain.from_iterable(self._wide_group(file, group, rows) for group in unit.groups)
            else:
                read = file.iter_batches(rows, row_groups=unit.groups, use_threads=False)
            yield from joined(read, rows, self._most_bytes) if len(unit.groups) > 1 else read

    def _wide_group(self, file: pq.ParquetFile, group: int, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a row group: at once if they are at most twice as many as those of a batch."""
        if self.metadata.row_group(group).num_rows > 2 * rows:
            yield from file.iter_batches(rows, row_groups=[group], use_threads=False)
            return
        starts = range(0, len(self._names), _COLUMNS_AT_ONCE)
        slices = (self._names[start : start + _COLUMNS_AT_ONCE] for start in starts)
        read = [file.read_row_group(group, names, use_threads=False) for names in slices]
        columns = [column for table in read for column in table.columns]
        yield from pa.Table.from_arrays(columns, self._names).combine_chunks().to_batches()

    def units(self) -> Sequence[Unit]:
        """Return all of it in units. The same row groups at its beginning are the same units, but perhaps the last."""
        units = list[Unit]()
        groups, start, rows, size_bytes = list[int](), 0, 0, 0
        for group in range(self.metadata.num_row_groups):
            groups.append(group)
            rows += self.metadata.row_group(group).num_rows
            size_bytes += self.metadata.row_group(group).total_byte_size
            is_full = rows >= _UNIT_ROWS or (rows >= _WIDE_ROWS and size_bytes >= _WIDE_BYTES)
            if is_full or group == self.metadata.num_row_groups - 1:
                units.append(Unit(groups, start))
                groups, start, rows, size_bytes = [], start + rows, 0, 0
        return units

    def _texts_of(self, unit: Unit) -> tuple[list[str], float]:
        """Return the columns of texts whose dictionaries are kept, and a bound of the bytes of a row's other texts."""
        stored = {self._names[leaf]: self._stored_bytes(unit, leaf) for leaf in self._texts}
        in_dictionary = [self._names[leaf] for leaf in self._texts if self._has_dictionary(unit, leaf)]
        coded = {name for name in in_dictionary if stored[name] < _PLAIN_BYTES}
        longest = dict.fromkeys(stored, 0)
        for name, texts, codes in self._first_texts(unit, [name for name in in_dictionary if name not in coded]):
            if _mean(texts, codes) > _EXPANSION * stored[name]:
                coded.add(name)
            longest[name] = max(longest[name], int(texts.max()))
        return list(coded), sum(stored[name] + longest[name] for name in stored if name not in coded)

    def _first_texts(self, unit: Unit, names: Sequence[str]) -> Iterator[tuple[str, Lengths, Lengths]]:
        """Yield, for columns of each row group, the lengths of all texts of its dictionary, and first codes in it."""
        for group in unit.groups if names else ():
            with pq.ParquetFile(self.path, metadata=self.metadata, read_dictionary=list(names)) as file:
                read = file.iter_batches(_PEEK_ROWS, row_groups=[group], columns=list(names), use_threads=False)
                first = next(read, None)
            for name, column in zip(first.schema.names, first.columns, strict=True) if first else ():
                if pa.types.is_dictionary(column.type) and len(column.dictionary):
                    lengths = pc.binary_length(column.dictionary.cast(pa.large_binary())).to_numpy(zero_copy_only=False)
                    yield name, lengths, column.indices.drop_null().to_numpy()

    def _batch_rows(self, text_bytes: float) -> int | None:
        """Return the rows of a batch; None if they may be so large that each batch must be looked at."""
        fitting = min(self._most_bytes / (1 + 8 * len(self._names)), BATCH_BYTES / (1 + text_bytes))
        return None if self._is_nested or fitting < _FEWEST_ROWS else min(BATCH_ROWS, int(fitting))

    def _has_dictionary(self, unit: Unit, leaf: int) -> bool:
        return any(self.metadata.row_group(group).column(leaf).has_dictionary_page for group in unit.groups)

    def _stored_bytes(self, unit: Unit, leaf: int) -> float:
        """Return the stored bytes of a value."""
        chunks = [self.metadata.row_group(group).column(leaf) for group in unit.groups]
        stored = sum(chunk.total_uncompressed_size for chunk in chunks)
        return float(stored / max(1, sum(chunk.num_values for chunk in chunks)))


def _is_text(column: pq.ColumnSchema) -> bool:
    """True if the values of a column, not of a field of one, are texts or binaries of any length."""
    is_decimal = column.logical_type.type == "DECIMAL"
    return column.path == column.name and column.physical_type == "BYTE_ARRAY" and not is_decimal


def _mean(lengths: Lengths, codes: Lengths) -> float:
    return float(lengths[codes].mean()) if len(codes) else 0.0
