"""Finds files that are several, one after another, as `cat *.parquet` makes them.

Parquet and Arrow have a list of contents at their end, and readers look there first: they read the rows of the first
file with the list of the last one, and leave out the others.
"""

import mmap
import pathlib
import re
from collections.abc import Callable, Iterator

import pyarrow as pa

SEVERAL = "it is several files, one after another; drop each by itself"


def are_several(
    path: pathlib.Path, magic: bytes, open_one: Callable[[pa.Buffer], object], most_before: int | None = None
) -> bool:
    """Return whether a file is several, perhaps with line ends between them.

    Args:
        magic: The bytes at both ends of a file.
        open_one: Raises an error of Arrow if bytes are not a file; those of a value may look like two ends.
        most_before: The most bytes that may stand before the last file; only they are searched.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        ends = _ends(data, magic, len(data) if most_before is None else most_before)
        return any(_is_one(path, end, open_one) for end in ends)


def _ends(data: mmap.mmap, magic: bytes, stop: int) -> Iterator[int]:
    """Yield the places where a file may end, because another one may begin behind them."""
    another = re.compile(rb"[\s\0]*" + re.escape(magic))
    end = data.find(magic, 0, stop) + len(magic)
    while end >= len(magic):
        if another.match(data, end):
            yield end
        end = data.find(magic, end - len(magic) + 1, stop) + len(magic)


def _is_one(path: pathlib.Path, end: int, open_one: Callable[[pa.Buffer], object]) -> bool:
    with pa.memory_map(str(path)) as data:
        try:
            open_one(data.read_buffer(end))
        except (pa.ArrowException, OSError):
            return False
    return True
