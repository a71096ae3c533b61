"""The promises that the layers make each other. Each is stated once, here. Standard library only."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Protocol

from artifact_pipelines.core.types import Content, FileDescription, FileId, FileInfo, Lease, NewArtifact, StoragePath


class IArtifactProducer(Protocol):
    """The single place where files come into being."""

    def create_artifact(
        self,
        content_stream: BinaryIO,
        file_type: str,
        mime_type: str | None = None,
        compression_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> FileId:
        """Store what a stream yields, from its current position to its end, and return the ID of the file.

        The same content gives the same ID, however often, and stores one copy. The caller holds one reference for
        each call that returned, until it is released. When the call returns, bytes and rows are durable and complete;
        when it raises, catalog and store are as before. The stream is read in pieces of fixed size, never whole.

        Args:
            content_stream: Readable binary stream; it is neither closed nor rewound.
            file_type: Short lower-case name of the format, such as `parquet` or `csv`.
            mime_type: Media type; guessed from `file_type` when left out.
            compression_type: Such as `gzip` when the bytes are a compressed form of `file_type`.
            metadata: JSON-serializable facts to keep with the file; those of the first writer of a content stay.

        Raises:
            SourceStreamError: The stream raised while it was read.
            UsageError: An argument is not of the form above.
            BackendError: Storage or catalog did not answer or is full.
        """
        ...

    def create_artifacts(self, items: Iterable[NewArtifact]) -> Sequence[FileId]:
        """Store many small files as `create_artifact` does each, in a fraction of the time; return their IDs in order.

        Items are taken in batches of bounded number and bytes: memory does not grow with them, and each batch is
        durable before the next is read. The caller holds one reference for each item, also where a content comes
        twice. When the call raises, whether storing failed or `items` did, the caller holds none: the references of
        earlier batches are released. Their bytes lie there until they are collected, so repeating the call is cheap.

        That is undone step by step, not by the database: if the process is killed midway, or the catalog stays away
        while references are released, those of earlier batches stay. Nobody has received their IDs, so these files are
        kept for ever unless somebody releases them; repeating the call adds no bytes, and references of its own.

        Args:
            items: Files to be; each stream is read to its end before the next item is asked for.

        Raises:
            SourceStreamError: A stream raised while it was read.
            UsageError: An item is not of the form that `create_artifact` takes.
            BackendError: Storage or catalog did not answer or is full.
        """
        ...


class IFileCatalog(Protocol):
    """Rows of files and of who holds them. Every method is one transaction, and none is open while bytes move.

    `reference_count` equals the number of reference rows of a file, at every commit. A connection that is lost, at
    whatever moment, is made anew, and what was lost with it is done once: `CatalogUnavailableError` comes when the
    database stays away. Nothing was changed then, unless it went away for good in the middle of a commit.

    Attributes:
        lease_s: How long a lease lives unless it is renewed, in seconds of the database's clock.
    """

    lease_s: float

    def highest_file_id(self) -> int:
        """Return the highest file ID that was ever given, also to files that are gone; 0 when there was none."""
        ...

    def has_size(self, size_bytes: int) -> bool:
        """Tell whether any file of that size is known. False proves that a content of that size is new."""
        ...

    def acquire(self, content: Content, hash_algorithm: str, description: FileDescription) -> Lease:
        """Take a lease on the file with this content, making its row (state pending) if there is none."""
        ...

    def acquire_all(self, wanted: Sequence[tuple[Content, FileDescription]], hash_algorithm: str) -> Sequence[Lease]:
        """Take a lease for each, in order, as `acquire` does; a content that comes twice is leased twice."""
        ...

    def renew_all(self, leases: Sequence[Lease]) -> None:
        """Let leases run their full time again from now, by the database's clock.

        One that has run out and was reaped is left out, so is one that is being settled right now: the others are
        renewed all the same, and settling says what is lost.
        """
        ...

    def settle(self, lease: Lease, holder: str) -> None:
        """State that the bytes are stored, and turn the lease into a lasting reference of `holder`.

        Bytes were put unless `lease.file.state` is stored: damage seen in what lay there before counts no more.

        Raises:
            LeaseExpiredError: The lease has run out and was reaped; nothing was changed.
        """
        ...

    def settle_all(self, leases: Sequence[Lease], holder: str) -> None:
        """Settle all, or none.

        Raises:
            LeaseExpiredError: A lease has run out and was reaped; nothing was changed.
        """
        ...

    def abandon_all(self, leases: Sequence[Lease]) -> Sequence[StoragePath]:
        """Give leases back, in one transaction; one that was settled or reaped meanwhile is left out.

        Returns:
            What to delete: the paths of files that were not stored and whose rows went away with their last lease.
        """
        ...

    def get_file(self, file_id: FileId) -> FileInfo:
        """Return what is known of a file.

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
        """State that a stored file's bytes are not its content, so that whoever creates the content puts them again.

        Args:
            file: The file as the catalog had it before its bytes were read.

        Returns:
            Whether it is so now: not when the file was healed, verified or collected since then.
        """
        ...
