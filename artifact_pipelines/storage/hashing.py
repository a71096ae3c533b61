"""The content hash. The only module that knows which one it is: BLAKE3-256, which `b3sum` checks by hand."""

import blake3

HASH_ALGORITHM = "blake3"


class ContentHasher:
    """Hashes bytes as they come, on the calling thread; large pieces are hashed without holding the interpreter."""

    def __init__(self) -> None:
        self._hasher = blake3.blake3()

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take in the next bytes."""
        self._hasher.update(data)

    def hexdigest(self) -> str:
        """Return the hash of all bytes so far, as 64 lower-case hexadecimal digits."""
        return self._hasher.hexdigest()
