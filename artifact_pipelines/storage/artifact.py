"""A stored file in the hands of a reader."""

from collections.abc import Callable
from typing import BinaryIO

from rich.filesize import decimal

from artifact_pipelines.core.types import FileInfo, Materialization
from artifact_pipelines.storage.interfaces import S3Access

_PIECE_BYTES = 1 << 20


class Artifact:
    """A stored file: its row in the catalog, and its bytes on request. `ArtifactProducer.artifact` makes it.

    Attributes:
        info: Its row in the catalog.
        verify_reads: True if reading all of it checks its hash.
        materialization: The materialization that it was loaded from; None: it was asked for by its file.
    """

    def __init__(
        self,
        info: FileInfo,
        uri: Callable[[], str],
        open_stream: Callable[[bool], BinaryIO],
        verify_reads: bool = True,
        s3_access: Callable[[], S3Access | None] | None = None,
        materialization: Materialization | None = None,
    ) -> None:
        self.info = info
        self.verify_reads = verify_reads
        self._uri = uri
        self._open_stream = open_stream
        self._s3_access = s3_access
        self.materialization = materialization

    def __repr__(self) -> str:
        info = self.info
        kind = ".".join(filter(None, (info.file_type, info.compression_type)))
        digest = f"{info.hash_algorithm} {info.content_hash[:12]}..."
        return f"Artifact(file {info.file_id}, {kind}, {decimal(info.size_bytes)}, {digest})"

    def uri(self) -> str:
        """Return the URI of its bytes (`file:///…` or `s3://…`), after checking that they are there."""
        return self._uri()

    def s3_access(self) -> S3Access | None:
        """Return how another engine reads the `uri` itself; None if it needs a copy, or the path of a local file."""
        return self._s3_access() if self._s3_access else None

    def open(self, verify: bool | None = None) -> BinaryIO:
        """Return a stream of its bytes; close it after use.

        Args:
            verify: As for `ArtifactProducer.open`.
        """
        return self._open_stream(self.verify_reads if verify is None else verify)

    def verify(self) -> None:
        """Read all of it if reads are verified, before a reader that takes its path or only some of its bytes.

        Raises:
            IntegrityError: It is missing or damaged.
        """
        if self.verify_reads:
            piece = bytearray(_PIECE_BYTES)
            with self.open() as stream:
                while stream.readinto(piece):  # type: ignore[attr-defined]  # it is a BufferedReader
                    pass
