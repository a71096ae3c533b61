"""The content hash. The only module that knows which one it is: BLAKE3-256, which `b3sum` checks by hand."""

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
    """Hashes bytes as they come; large pieces on two threads, without holding the interpreter."""

    _threads: ClassVar[int] = 2

    def __init__(self) -> None:
        self._hasher: blake3.blake3 | None = None

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take in the next bytes."""
        if self._hasher is None:
            # Two: one reads as fast as two hash, and a writer must not take a whole machine. One where the first
            # piece is small, for so is the rest, and to start a thread takes longer than to hash it.
            self._hasher = blake3.blake3(max_threads=self._threads if len(data) >= _LARGE_BYTES else 1)
        self._hasher.update(data)

    def hexdigest(self) -> str:
        """Return the hash of all bytes so far, as 64 lower-case hexadecimal digits."""
        return (self._hasher or blake3.blake3()).hexdigest()


class OneThreadHasher(ContentHasher):
    """The same hash, for whoever has many streams or work for the other cores."""

    _threads = 1


def combined_version(versions: Mapping[str, str]) -> str:
    """Return one data version for the partitions of a run: of their keys and data versions, in order."""
    return blake3.blake3(json.dumps(list(versions.items())).encode()).hexdigest()


def version_of_partitions(versions: Mapping[str, str]) -> str:
    """Return the data version of an input over partitions, by key, as Dagster computes it: SHA-256 is its choice."""
    return hashlib.sha256("".join(versions[partition] for partition in sorted(versions)).encode()).hexdigest()


def transit_checksum(body: io.RawIOBase) -> str:
    """Return the `Content-MD5` header of a request's body, by which a server finds what was damaged on the way to it.

    MD5 because every S3 server knows it. It guards against accidents, not enemies; identity is the content hash.
    """
    digest = hashlib.file_digest(body, lambda: hashlib.md5(usedforsecurity=False))
    return base64.b64encode(digest.digest()).decode()
