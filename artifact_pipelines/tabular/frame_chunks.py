"""Chunks of a polars frame: taken from a query, regrouped to row groups, and freed of the memory around them."""

import collections
import contextlib
import io
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

Chunk = TypeVar("Chunk")
Rows = pl.Series | npt.NDArray[np.intp]


def iterate_chunks(frame: pl.DataFrame | pl.LazyFrame, rows: int) -> Generator[pl.DataFrame]:
    """Yield a DataFrame in slices of `rows` rows, or a query's result as its engine delivers it.

    Smaller chunks than the engine's would be slices of them and save no memory. Close the generator to stop the query.
    """
    if isinstance(frame, pl.DataFrame):
        yield from frame.iter_slices(rows)
    else:
        yield from frame.collect_batches(maintain_order=True, engine="streaming")


def close_chunks(generator: Generator[pl.DataFrame]) -> None:
    """Stop a generator of chunks that is no longer needed."""
    with contextlib.suppress(ValueError):  # polars is still inside it, and will run it to its end
        generator.close()


def drain_chunks(chunks: collections.deque[Chunk]) -> Iterator[Chunk]:
    """Yield chunks, and release each one as it is taken."""
    while chunks:
        yield chunks.popleft()


def regroup_chunks(chunks: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """Yield the same rows in frames of `rows` rows each; the last may have fewer."""
    held: list[pl.DataFrame] = []
    room = rows
    for chunk in chunks:
        left = chunk
        while left.height:
            held.append(left.head(room))
            left, room = left.slice(held[-1].height), room - held[-1].height
            if not room:
                yield pl.concat(held, rechunk=True) if len(held) > 1 else held[0]
                held, room = [], rows
    if held:
        yield pl.concat(held, rechunk=True) if len(held) > 1 else held[0]


def take_rows(frame: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """Return some rows of a frame, to keep: texts that polars takes hold the bytes of all others in memory.

    Args:
        rows: Their positions, in the order of the result.
    """
    taken = frame[rows]
    texts = [name for name, kind in frame.schema.items() if kind.is_nested() or kind in (pl.String, pl.Binary)]
    for column in _copied(taken[texts]) if texts else ():
        taken.replace_column(taken.get_column_index(column.name), column)
    return taken


def detach_lists(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose lists own their items: Arrow would copy everything that they are slices of."""
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    return _gather(frame, nested) if nested else frame


def normalize_lists(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose lists hold nothing around their items or under nulls: polars would write that too."""
    nested = {name: kind for name, kind in frame.schema.items() if kind.is_nested()}
    lists = [name for name, kind in nested.items() if isinstance(kind, pl.List) and not kind.inner.is_nested()]
    deep = [name for name in nested if name not in lists]
    if lists:
        frame = _gather(frame, lists)
    return frame.with_columns(_read_back(frame.select(pl.selectors.by_name(deep)))) if deep else frame


def _gather(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    return frame.with_columns(pl.selectors.by_name(columns).gather(pl.int_range(pl.len())))


def _copied(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame by way of Arrow's formats, which have only the bytes of its values.

    The stream takes a fifth of the file's time, but would have all bytes that nested texts hold.
    """
    buffer = io.BytesIO()
    if any(kind.is_nested() for kind in frame.dtypes):
        frame.write_ipc(buffer, compression="uncompressed")
        buffer.seek(0)
        return pl.read_ipc(buffer)
    frame.write_ipc_stream(buffer)
    buffer.seek(0)
    return pl.read_ipc_stream(buffer)


def _read_back(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame by way of Parquet, which drops values under a null inside a list."""
    file = io.BytesIO()
    frame.write_parquet(file, compression="uncompressed", statistics=False, row_group_size=max(1, frame.height))
    return pl.read_parquet(file.getvalue()).rechunk()
