"""Parts of a polars frame: as a query gives them, put together to row groups, with nothing of what lay around them."""

import collections
import contextlib
import io
from collections.abc import Generator, Iterable, Iterator, Sequence

import polars as pl


def parts_of(frame: pl.DataFrame | pl.LazyFrame, rows: int) -> Generator[pl.DataFrame]:
    """Yield a frame in parts: one in memory cut at so many rows, a query as its engine gives them.

    Smaller parts than the engine's would be cut from them, so they would save no memory.
    """
    if isinstance(frame, pl.DataFrame):
        yield from frame.iter_slices(rows)
    else:  # a query whose batches are wanted no more ends when this iterator goes
        yield from frame.collect_batches(maintain_order=True, engine="streaming")


def end(generator: Generator[pl.DataFrame]) -> None:
    """End what is wanted no more."""
    with contextlib.suppress(ValueError):  # polars is in it still, and comes to its end
        generator.close()


def drained(parts: collections.deque[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield parts, and hold those no more that were taken."""
    while parts:
        yield parts.popleft()


def grouped(parts: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """Put parts together, and cut them at row groups."""
    held: list[pl.DataFrame] = []
    room = rows
    for part in parts:
        left = part
        while left.height:
            held.append(left.head(room))
            left, room = left.slice(held[-1].height), room - held[-1].height
            if not room:
                yield pl.concat(held, rechunk=True) if len(held) > 1 else held[0]
                held, room = [], rows
    if held:
        yield pl.concat(held, rechunk=True) if len(held) > 1 else held[0]


def alone(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame whose lists hold nothing of what they are cut from: Arrow would be given a copy of all that."""
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    return _gathered(frame, nested) if nested else frame


def compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame that holds nothing else: how polars writes a list shows what lies around it and under nulls."""
    nested = {name: kind for name, kind in frame.schema.items() if kind.is_nested()}
    lists = [name for name, kind in nested.items() if isinstance(kind, pl.List) and not kind.inner.is_nested()]
    deep = [name for name in nested if name not in lists]
    if lists:
        frame = _gathered(frame, lists)
    return frame.with_columns(_read_back(frame.select(pl.selectors.by_name(deep)))) if deep else frame


def _gathered(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    return frame.with_columns(pl.selectors.by_name(columns).gather(pl.int_range(pl.len())))


def _read_back(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame as Parquet has it, which knows nothing of what lies under a null inside of a list."""
    file = io.BytesIO()
    frame.write_parquet(file, compression="uncompressed", statistics=False, row_group_size=max(1, frame.height))
    return pl.read_parquet(file.getvalue()).rechunk()
