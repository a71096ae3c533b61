"""A program: it stores a file of a given size from a pipe-like stream, reads it back, and prints its peak of memory."""

import io
import pathlib
import random
import sys
from typing import TYPE_CHECKING, BinaryIO, cast

from artifact_pipelines.core.types import FileId
from artifact_pipelines_tests.stress.place import OpenPlace, Place

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK_BYTES = 1 << 20


class Generated(io.RawIOBase):
    """A stream of so many bytes, no two blocks alike, that is nowhere but on its way."""

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes
        self._block = bytearray(random.Random(1).randbytes(_BLOCK_BYTES))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        with memoryview(buffer).cast("B") as view:
            count = min(_BLOCK_BYTES, self._left, view.nbytes)
            self._block[:8] = self._left.to_bytes(8, "little")
            view[:count] = memoryview(self._block)[:count]
        self._left -= count
        return count


def read_back(opened: OpenPlace, file_id: FileId) -> int:
    with opened.producer.open(file_id) as stream:
        return sum(iter(lambda: len(stream.read(_BLOCK_BYTES)), 0))


def peak_bytes() -> int:
    """The peak of this very program; what `getrusage` says counts the one that started it as well."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def main(catalog_url: str, storage_url: str, size_bytes: str) -> None:
    with Place(catalog_url, storage_url).open() as opened:
        stream = cast("BinaryIO", Generated(int(size_bytes)))
        file_id = opened.producer.create_artifact(stream, "bin")
        print(read_back(opened, file_id), peak_bytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
