"""The promises that layers make to each other, each stated once. Standard library only."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Protocol

from artifact_pipelines.core.types import Content, FileDescription, FileId, FileInfo, Lease, NewArtifact, StoragePath


class IArtifactProducer(Protocol):
    """Creates files. No other class does."""

    def create_artifact(
        self,
        content_stream: BinaryIO,
        file_type: str,
        mime_type: str | None = None,
        compression_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> FileId:
        """Store the bytes of a stream, from its current position to its end, and return the ID of the file.

        The same content always gives the same ID and is stored once. Each call that returns gives the caller one
        reference, until it is released. When the call returns, bytes and rows are durable and complete; when it
        raises, catalog and store are unchanged. The stream is read in pieces of fixed size, never whole.

        Args:
            content_stream: Readable binary stream; it is neither closed nor rewound.
            file_type: Short lower-case name of the format, such as `parquet` or `csv`.
            mime_type: Media type; guessed from `file_type` if omitted.
            compression_type: Such as `gzip` when the bytes are a compressed form of `file_type`.
            metadata: JSON-serializable facts to keep with the file; those of the first writer of a content stay.

        Raises:
            SourceStreamError: The stream raised while it was read.
            UsageError: An argument is malformed.
            BackendError: Storage or catalog did not answer or is full.
        """
        ...

    def create_artifacts(self, items: Iterable[NewArtifact]) -> Sequence[FileId]:
        """Store many small files as `create_artifact` does, in a fraction of the time; return their IDs in order.

        Items are stored in batches of bounded number and size: memory does not grow with their number, and each batch
        is durable before the next is read. The caller gets one reference for each item, even for equal contents. If
        the call raises, because storing failed or `items` did, the caller has none: the references of earlier batches
        are released. Their bytes stay until they are collected, so repeating the call is cheap.

        The release is not one transaction: if the process is killed, or the catalog stays away, references of earlier
        batches remain, and their files stay until somebody releases them.

        Args:
            items: Files to create; each stream is read to its end before the next item is requested.

        Raises:
            ArtifactError: As `create_artifact` does.
        """
        ...


class IFileCatalog(Protocol):
    """Rows of files and of the references that hold them. Every method is one transaction.

    At every commit, `reference_count` of a file equals the number of its reference rows. A lost connection is made
    anew and its transaction repeated, once. `CatalogUnavailableError` means that the database stays away: nothing was
    changed, unless it went away for good in the middle of a commit.

    Attributes:
        lease_s: How long a lease lives unless it is renewed, in seconds of the database's clock.
    """

    lease_s: float

    def highest_file_id(self) -> int:
        """Return the highest file ID ever given, even if that file is gone; 0 if there was none."""
        ...

    def has_size(self, size_bytes: int) -> bool:
        """True if any file of that size is known. False proves that a content of that size is new."""
        ...

    def acquire_all(self, wanted: Sequence[tuple[Content, FileDescription]], hash_algorithm: str) -> Sequence[Lease]:
        """Lease the file of each content, in order, and make a row (state pending) for each new content.

        A content that is wanted twice is leased twice.
        """
        ...

    def renew_all(self, leases: Sequence[Lease]) -> None:
        """Let leases run their full time again from now, by the database's clock.

        A lease that has expired, or is being settled right now, is skipped: settling it reports the loss.
        """
        ...

    def settle_all(self, leases: Sequence[Lease], holder: str) -> None:
        """Record that the bytes are stored, and turn all leases into lasting references of `holder`, or none.

        Bytes were put under each lease whose `file.state` is not stored; damage found before that is over.

        Raises:
            LeaseExpiredError: A lease has expired; nothing was changed.
        """
        ...

    def abandon_all(self, leases: Sequence[Lease]) -> Sequence[StoragePath]:
        """Give leases back; one that is settled or has expired is skipped.

        Returns the paths to delete: of files that were not stored, and whose rows went away with their last lease.
        """
        ...

    def get_file(self, file_id: FileId) -> FileInfo:
        """Return the row of a file.

        Raises:
            InvalidFileIdError: Not a positive integer.
            UnknownFileError: No such file.
        """
        ...

    def release(self, file_id: FileId, holder: str) -> None:
        """Drop one reference that `holder` has on a file. The bytes stay until they are collected.

        Raises:
            UnknownFileError: No such file.
            NotHeldError: The holder has no reference on it.
        """
        ...

    def mark_damaged(self, file: FileInfo) -> bool:
        """Record that a stored file's bytes do not match its content hash: the next writer of the content heals it.

        False if the file was healed, verified or collected since it was looked up; then nothing is recorded.
        """
        ...
