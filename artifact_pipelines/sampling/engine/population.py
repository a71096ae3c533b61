"""The table that a sample is drawn from, as row groups that can be read one by one.

The one idea: a slice of a scan reads only the row groups that it lies in, of a local file as of one on S3, and only the
columns that are asked for. So nothing of a table is in memory but the slices that threads work on.
"""

import collections
import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, TypeVar

import polars as pl
import polars.selectors as cs
import pyarrow.parquet as pq

THREADS = 2
_SLICE_ROWS = 122_880
_AHEAD = 2
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Population:
    """A table in slices.

    Attributes:
        scan: All of its rows. It is sliced, so it must be a scan of a file or a frame in memory, not a query.
        bounds: Position of the first row of each slice, and the number of rows of the table; at least one slice.
    """

    scan: pl.LazyFrame
    bounds: Sequence[int]

    @property
    def row_count(self) -> int:
        """Return the number of rows."""
        return self.bounds[-1]

    @property
    def slices(self) -> range:
        """Return the numbers of the slices."""
        return range(len(self.bounds) - 1)

    def schema(self) -> pl.Schema:
        """Return the columns and their types."""
        return self.scan.collect_schema()

    def read(self, number: int, columns: Sequence[str]) -> pl.DataFrame:
        """Return some columns of a slice."""
        start, stop = self.bounds[number : number + 2]
        if not columns:
            return pl.DataFrame(height=stop - start)
        return self.scan.select(cs.by_name(*columns)).slice(start, stop - start).collect(engine="in-memory")


def population_of_frame(frame: pl.DataFrame) -> Population:
    """Return a frame in memory as a population."""
    return Population(frame.lazy(), [*(range(0, frame.height, _SLICE_ROWS) or [0]), frame.height])


def population_of_scan(scan: pl.LazyFrame, file: BinaryIO | pathlib.Path) -> Population:
    """Return a Parquet file as a population.

    Args:
        scan: A scan of the file.
        file: The same file, whose footer says where its row groups begin.
    """
    metadata = pq.read_metadata(file)
    bounds = [0]
    for group in range(metadata.num_row_groups):
        bounds.append(bounds[-1] + metadata.row_group(group).num_rows)
    return Population(scan, bounds if metadata.num_rows else [0, 0])


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the results of some work in the order of the items; a few of them are ahead of the caller."""
    pending: collections.deque[Future[Result]] = collections.deque()
    with ThreadPoolExecutor(THREADS, "sampling") as pool:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) >= THREADS + _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
