"""The content hash, BLAKE3-256, known only to this module. `b3sum` checks it by hand."""

import base64
import contextlib
import hashlib
import io
import json
import queue
import threading
from collections.abc import Mapping
from typing import ClassVar

import blake3

from artifact_pipelines.core.types import Content

HASH_ALGORITHM = "blake3"
BLOCK_BYTES = 2 << 20  # smaller ones slow BLAKE3 down, larger ones gain nothing
BLOCKS = 4
_FIRST_BYTES = 64 << 10  # allocating a whole block takes longer than storing a small file
_LARGE_BYTES = 1 << 20


class ContentHasher:
    """Hashes bytes as they come. Large pieces take two threads, and release the interpreter lock."""

    _threads: ClassVar[int] = 2

    def __init__(self) -> None:
        self._hasher: blake3.blake3 | None = None

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Hash the next bytes."""
        if self._hasher is None:
            # Two hash as fast as one reads, and leave the rest of the machine to others. One if the first piece is
            # small: then all are, and starting a thread takes longer than hashing them.
            self._hasher = blake3.blake3(max_threads=self._threads if len(data) >= _LARGE_BYTES else 1)
        self._hasher.update(data)

    def hexdigest(self) -> str:
        """Return the hash of all bytes so far, as 64 lower-case hexadecimal digits."""
        return (self._hasher or blake3.blake3()).hexdigest()


class OneThreadHasher(ContentHasher):
    """The same hash on one thread, for callers with many streams or with work for other cores."""

    _threads = 1


class BlockRing:
    """A ring of four blocks: one thread fills them and writes them out, another one hashes them.

    A file of any size needs only this memory. Fill some of `space()` and report the number of bytes to `advance()`. If
    that returns a block, it is full, and the caller may read it until the next `space()`. End with `finish()`, or with
    `stop()` to discard everything.
    """

    def __init__(self) -> None:
        self._hasher = ContentHasher()
        self._thread: threading.Thread | None = None
        self._full: queue.SimpleQueue[bytearray | None] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._blocks = 1
        self._block: bytearray | None = bytearray(_FIRST_BYTES)
        self._filled = 0
        self.size_bytes = 0

    def space(self) -> memoryview:
        """Return the free space of the current block; never empty."""
        if self._block is None:
            self._block = self._next_block()
        elif self._filled == len(self._block):  # no small file
            first, self._block = self._block, bytearray(BLOCK_BYTES)
            self._block[: self._filled] = first
        return memoryview(self._block)[self._filled :]

    def advance(self, count: int) -> memoryview | None:
        """Record that `count` bytes of `space()` were filled. Return the block if it is full now, else None."""
        assert self._block is not None
        self._filled += count
        self.size_bytes += count
        if self._filled < BLOCK_BYTES:
            return None
        block, self._block, self._filled = self._block, None, 0
        if self._thread is None:  # a file of less than a block needs no thread
            self._thread = threading.Thread(target=self._hash_blocks, name="content-hasher", daemon=True)
            self._thread.start()
        self._full.put(block)
        return memoryview(block)

    def finish(self) -> tuple[memoryview, Content]:
        """Return the rest in the last block, and the content of all bytes."""
        self.stop()
        rest = memoryview(self._block or b"")[: self._filled]
        self._hasher.update(rest)
        return rest, Content(self._hasher.hexdigest(), self.size_bytes)

    def stop(self) -> None:
        """End the hashing thread once it has hashed its blocks."""
        if self._thread is not None:
            self._full.put(None)
            self._thread.join()
            self._thread = None

    def _next_block(self) -> bytearray:
        with contextlib.suppress(queue.Empty):
            return self._free.get_nowait()
        if self._blocks < BLOCKS:
            self._blocks += 1
            return bytearray(BLOCK_BYTES)
        return self._free.get()

    def _hash_blocks(self) -> None:
        while (block := self._full.get()) is not None:
            self._hasher.update(block)
            self._free.put(block)


def combined_version(versions: Mapping[str, str]) -> str:
    """Return one data version for several partitions or members, from their names and data versions, in order."""
    return blake3.blake3(json.dumps(list(versions.items())).encode()).hexdigest()


def digest_of(value: object) -> str:
    """Return a digest of JSON values; the order of keys does not matter."""
    return blake3.blake3(json.dumps(value, sort_keys=True).encode()).hexdigest()


def version_of_partitions(versions: Mapping[str, str]) -> str:
    """Return the data version of an input over partitions as Dagster computes it, with SHA-256."""
    return hashlib.sha256("".join(versions[partition] for partition in sorted(versions)).encode()).hexdigest()


def transit_checksum(body: io.RawIOBase) -> str:
    """Return the `Content-MD5` header of a request's body, which a server checks for damage in transit.

    Every S3 server knows MD5. It guards against accidents, not enemies; identity is the content hash.
    """
    digest = hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False))
    return base64.b64encode(digest.digest()).decode()
