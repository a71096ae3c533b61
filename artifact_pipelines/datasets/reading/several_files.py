"""Finds files that are several, one after another, as `cat *.parquet` makes them.

Parquet and Arrow have a list of contents at their end, and readers look there first: they read the rows of the first
file with the list of the last one, and leave out the others.
"""

import mmap
import pathlib
from collections.abc import Callable

import pyarrow as pa

SEVERAL = "it is several files, one after another; drop each by itself"


def are_several(path: pathlib.Path, magic: bytes, open_one: Callable[[pa.Buffer], object]) -> bool:
    """Return whether a file is several.

    Args:
        magic: The bytes at both ends of a file.
        open_one: Raises an error of Arrow if bytes are not a file; those of a value may look like two ends.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = data.find(2 * magic)
        if end < 0:
            return False
        with pa.memory_map(str(path)) as first:
            try:
                open_one(first.read_buffer(end + len(magic)))
            except (pa.ArrowException, OSError):
                return False
    return True
