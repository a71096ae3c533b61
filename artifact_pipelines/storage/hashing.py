"""The content hash. The only module that knows which one it is: BLAKE3-256, which `b3sum` checks by hand."""

import blake3

HASH_ALGORITHM = "blake3"


class ContentHasher:
    """Hashes bytes as they come; large pieces on two threads, without holding the interpreter."""

    def __init__(self) -> None:
        # Two: one reads as fast as two hash, and a writer must not take a whole machine.
        self._hasher = blake3.blake3(max_threads=2)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take in the next bytes."""
        self._hasher.update(data)

    def hexdigest(self) -> str:
        """Return the hash of all bytes so far, as 64 lower-case hexadecimal digits."""
        return self._hasher.hexdigest()
