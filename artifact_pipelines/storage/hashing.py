"""The content hash, BLAKE3-256, known only to this module. `b3sum` checks it by hand."""

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from typing import ClassVar

import blake3

HASH_ALGORITHM = "blake3"


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


def combined_version(versions: Mapping[str, str]) -> str:
    """Return one data version for several partitions, from their keys and data versions, in order."""
    return blake3.blake3(json.dumps(list(versions.items())).encode()).hexdigest()


def version_of_partitions(versions: Mapping[str, str]) -> str:
    """Return the data version of an input over partitions as Dagster computes it, with SHA-256."""
    return hashlib.sha256("".join(versions[partition] for partition in sorted(versions)).encode()).hexdigest()


def transit_checksum(body: io.RawIOBase) -> str:
    """Return the `Content-MD5` header of a request's body, which a server checks for damage in transit.

    Every S3 server knows MD5. It guards against accidents, not enemies; identity is the content hash.
    """
    digest = hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False))
    return base64.b64encode(digest.digest()).decode()
