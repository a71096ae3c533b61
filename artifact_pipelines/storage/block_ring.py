"""A ring of four blocks: one thread fills them and writes them out, another one hashes them.

A file of any size needs only this memory. Blocks are 2 MiB: smaller ones slow BLAKE3 down, larger ones gain nothing.
"""

import contextlib
import queue
import threading

from artifact_pipelines.core.types import Content
from artifact_pipelines.storage.hashing import ContentHasher

BLOCK_BYTES = 2 << 20
BLOCKS = 4
# Allocating a whole block takes longer than storing a small file.
_FIRST_BYTES = 64 << 10


class BlockRing:
    """Takes bytes and returns their content at the end.

    Fill some of `space()` and report the number of bytes to `advance()`. If that returns a block, it is full, and the
    caller may read it until the next `space()`. End with `finish()`, or with `stop()` to discard everything.
    """

    def __init__(self) -> None:
        self._hasher = ContentHasher()
        self._thread: threading.Thread | None = None
        self._full: queue.SimpleQueue[bytearray | None] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._blocks = 1
        self._block: bytearray | None = bytearray(_FIRST_BYTES)
        self._filled = 0
        self._size_bytes = 0

    @property
    def pending(self) -> int:
        """Bytes in the current block, which is not full yet."""
        return self._filled

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
        self._size_bytes += count
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
        return rest, Content(self._hasher.hexdigest(), self._size_bytes)

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
