"""The only place that creates a file.

The storage protocol in one function, `ArtifactProducer._store`: lease a row, put the bytes, settle; on any failure the
lease goes back. Whoever wants files goes through here, so hashing, deduplication and clean-up are the same for all.
"""

import asyncio
import contextlib
import dataclasses
import functools
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, TypeVar

from artifact_pipelines.core.exceptions import (
    ArtifactError,
    BackendError,
    CatalogUnavailableError,
    InvalidArgumentError,
    LeaseExpiredError,
)
from artifact_pipelines.core.interfaces import IArtifactProducer, IFileCatalog
from artifact_pipelines.core.types import (
    Content,
    FileDescription,
    FileId,
    FileInfo,
    FileState,
    Lease,
    NewArtifact,
    StoragePath,
)
from artifact_pipelines.storage.exceptions import CatalogOlderThanStoreError, DamagedBytesError, MissingBytesError
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines.storage.hashing import HASH_ALGORITHM
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.lease_keeper import LeaseKeeper
from artifact_pipelines.storage.s3_access import S3Access
from artifact_pipelines.storage.staged_source import StagedSource
from artifact_pipelines.storage.staging import StagedFile, StagingFile, hash_stream
from artifact_pipelines.storage.verified_stream import verified_stream

CALLER = "caller"
"""Holder of what `create_artifact` returned: the reference is the caller's to release."""

BATCH_FILES = 200
BATCH_BYTES = 64 << 20
"""What `create_artifacts` stores at a time: as many open files, about as many bytes in the page cache."""

_ATTEMPTS = 3
_YOUNG_IDS = 1000
_SMALL_BYTES = 1 << 20
_SEEN_BEFORE = "other bytes when it was last read"
Result = TypeVar("Result")


class ArtifactProducer(IArtifactProducer):
    """`IArtifactProducer` on a catalog and a storage backend. Safe to share between threads.

    Args:
        catalog: Rows of files.
        backend: Where bytes lie.
        verify_reads: Whether reading a whole file checks its hash, unless `open` is told otherwise.

    Attributes:
        verify_reads: As above.
    """

    def __init__(self, catalog: IFileCatalog, backend: IStorageBackend, verify_reads: bool = True) -> None:
        self._catalog = catalog
        self._backend = backend
        self.verify_reads = verify_reads
        self._keeper = LeaseKeeper(catalog)
        self._is_own_store = False

    def create_artifact(
        self,
        content_stream: BinaryIO,
        file_type: str,
        mime_type: str | None = None,
        compression_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> FileId:
        """See `IArtifactProducer`."""
        description = describe(file_type, mime_type, compression_type, metadata)
        if not (hasattr(content_stream, "read") or hasattr(content_stream, "readinto")):
            raise InvalidArgumentError(
                "content_stream", type(content_stream), "a binary stream, such as open(path, 'rb')"
            )

        def settle(lease: Lease) -> FileId:
            self._catalog.settle(lease, CALLER)
            return lease.file.file_id

        return self.store_stream(content_stream, description, settle)

    def create_artifacts(self, items: Iterable[NewArtifact]) -> Sequence[FileId]:
        """See `IArtifactProducer`."""
        created: list[FileId] = []
        rest = iter(items)
        try:
            while batch := self._store_batch(rest):
                created.extend(batch)
        except BaseException:
            self._release_all(created)
            raise
        return created

    async def create_artifact_async(
        self,
        content_stream: BinaryIO,
        file_type: str,
        mime_type: str | None = None,
        compression_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> FileId:
        """Do as `create_artifact` does, without blocking the event loop."""
        return await asyncio.to_thread(
            self.create_artifact, content_stream, file_type, mime_type, compression_type, metadata
        )

    def store_stream(self, stream: BinaryIO, description: FileDescription, settle: Callable[[Lease], Result]) -> Result:
        """Store what a stream yields; `settle` makes the lease lasting in a transaction of its own choice."""
        known = self._content_if_maybe_stored(stream)
        if known is None:
            return self.store_written(lambda sink: sink.copy_from(stream), description, settle)
        content, start = known

        def write_again(sink: StagingFile) -> None:
            stream.seek(start)
            sink.copy_from(stream)

        return self._store(StagedSource(self._backend, write_again, content), description, settle)

    def store_written(
        self,
        write: Callable[[StagingFile], None],
        description: FileDescription,
        settle: Callable[[Lease], Result],
    ) -> Result:
        """Store what a function writes into a binary sink, hashed on the way: no value is ever serialized in memory."""
        return self._store(StagedSource(self._backend, write), description, settle)

    @contextlib.contextmanager
    def held_together(self) -> Iterator[list[Lease]]:
        """Lend a list for leases, which stay alive while the block runs and are given back when it raises.

        So several files become lasting together or not at all: `settle` of each store only returns its lease, the
        block puts it on the list, and makes all of them lasting at its end.
        """
        leases: list[Lease] = []
        try:
            with self._keeper.keeping(leases):
                yield leases
        except BaseException:
            self._give_back(leases)
            raise

    def open(self, file_id: FileId, verify: bool | None = None) -> BinaryIO:
        """Return a seekable binary stream of a file's bytes; close it after use.

        Verified, a read from the start to the end gives the file's bytes or ends with `DamagedBytesError`: the read
        that would deliver the last byte raises instead, and the catalog knows that the file is damaged, so that
        creating the same content heals it. Reading here and there verifies nothing.

        Args:
            verify: Check the hash, and refuse a file that is known to be damaged; None: as the producer was made.

        Raises:
            InvalidFileIdError: Not a positive integer.
            UnknownFileError: No such file.
            MissingBytesError: The catalog has it, the store has not.
            DamagedBytesError: Its size is not the one the catalog has, or it was found to be damaged before.
        """
        file = self._catalog.get_file(file_id)
        if self._verifies(verify):
            self._check_undamaged(file)
        return self.open_file(file, verify)

    def open_found(self, file: FileInfo, verify: bool | None = None) -> BinaryIO:
        """Return a stream as `open` does of a file that was looked up before, without looking it up again.

        What has become of it since is seen by its bytes: they are missing, of another size, or verified to be others.
        Only one that was damaged then is looked up, for it may be healed.
        """
        if file.state == FileState.DAMAGED:
            return self.open(file.file_id, verify)
        return self.open_file(file, verify)

    def open_file(self, file: FileInfo, verify: bool | None = None) -> BinaryIO:
        """Return a stream as `open` does of a file that the caller has leased: what its row says does not matter."""
        self._check_size(file)
        stream = self._open(file)
        if not self._verifies(verify):
            return stream
        return verified_stream(stream, file, self._backend.uri(file.storage_path), self._mark_damaged)

    def uri(self, file: FileInfo) -> str:
        """Return where a file's bytes lie, for engines that read them in place.

        Raises:
            MissingBytesError: The catalog has it, the store has not.
            DamagedBytesError: Its size is not the one the catalog has, or it was found to be damaged before.
        """
        if self.verify_reads:
            self._check_undamaged(file)
        self._check_size(file)
        return self.location(file)

    def location(self, file: FileInfo) -> str:
        """Return the `uri` of a file whose bytes are known to be there, as of one that was just put."""
        return self._backend.uri(file.storage_path)

    def s3_access(self) -> S3Access | None:
        """Return how other engines reach a `uri` of S3; None where the bytes are local files."""
        return self._backend.s3_access()

    def release(self, file_id: FileId) -> None:
        """Drop one reference that a `create_artifact` gave. The bytes stay until they are collected.

        Raises:
            UnknownFileError: No such file.
            NotHeldError: Every reference of a caller on it has been dropped already.
        """
        self._catalog.release(file_id, CALLER)

    def _release_all(self, file_ids: Sequence[FileId]) -> None:
        """Release what can be, and say nothing: the error before this is the one to tell."""
        tries = _ATTEMPTS
        for file_id in file_ids:
            try:
                self.release(file_id)
            except CatalogUnavailableError:  # each took seconds, and there may be a hundred thousand
                tries -= 1
                if not tries:
                    return
            except ArtifactError:
                continue

    def _open(self, file: FileInfo) -> io.BufferedReader:
        try:
            return self._backend.read_stream(file.storage_path)
        except FileNotFoundError as error:
            raise MissingBytesError(file.file_id, self._backend.uri(file.storage_path)) from error

    def _verifies(self, verify: bool | None) -> bool:
        return self.verify_reads if verify is None else verify

    def _mark_damaged(self, file: FileInfo) -> None:
        with contextlib.suppress(BackendError):  # the damage is what the reader must hear of
            self._catalog.mark_damaged(file)

    def _check_undamaged(self, file: FileInfo) -> None:
        if file.state == FileState.DAMAGED:
            expected = f"{file.hash_algorithm} {file.content_hash}"
            raise DamagedBytesError(file.file_id, self._backend.uri(file.storage_path), expected, _SEEN_BEFORE)

    def _check_size(self, file: FileInfo) -> None:
        uri, found = self._backend.uri(file.storage_path), self._backend.size_bytes(file.storage_path)
        if found is None:
            raise MissingBytesError(file.file_id, uri)
        if found != file.size_bytes:
            raise DamagedBytesError(file.file_id, uri, f"{file.size_bytes:,} bytes", f"{found:,} bytes")

    def _content_if_maybe_stored(self, stream: BinaryIO) -> tuple[Content, int] | None:
        """Hash a seekable stream whose size some stored file has: a duplicate then costs a read and no write.

        To stage a small one, never synced and soon gone, costs less than to ask.
        """
        if not (hasattr(stream, "seekable") and stream.seekable()):
            return None
        start = stream.tell()
        size_bytes = stream.seek(0, io.SEEK_END) - start
        stream.seek(start)
        if size_bytes <= _SMALL_BYTES or not self._catalog.has_size(size_bytes):
            return None
        return hash_stream(stream), start

    def _store(self, source: StagedSource, description: FileDescription, settle: Callable[[Lease], Result]) -> Result:
        with source:
            return _again_when_expired(lambda: self._store_once(source, description, settle))

    def _store_once(
        self, source: StagedSource, description: FileDescription, settle: Callable[[Lease], Result]
    ) -> Result:
        lease = self._catalog.acquire(source.content(), HASH_ALGORITHM, description)
        try:
            self._check_is_own_store(lease.file)
            with self._keeper.keeping_large([lease]):  # to settle may take long as well: it may read the file
                if not self._is_stored(lease.file):
                    self._backend.write_stream(source.staged(), lease.file.storage_path)
                    lease = _put(lease)
                return settle(lease)
        except BaseException:
            self._give_back([lease])
            raise

    def _store_batch(self, items: Iterator[NewArtifact]) -> Sequence[FileId]:
        """Store the next items, as many as a batch may have; no IDs when there are none left."""
        with contextlib.ExitStack() as stack:
            batch: list[tuple[StagedSource, FileDescription]] = []
            size_bytes = 0
            for item in itertools.islice(items, BATCH_FILES):
                description = describe(item.file_type, item.mime_type, item.compression_type, item.metadata)
                source = StagedSource(self._backend, functools.partial(_copy, item.content_stream))
                stack.enter_context(source)
                batch.append((source, description))
                size_bytes += source.content().size_bytes
                if size_bytes >= BATCH_BYTES:
                    break
            return _again_when_expired(lambda: self._store_batch_once(batch)) if batch else []

    def _store_batch_once(self, batch: Sequence[tuple[StagedSource, FileDescription]]) -> Sequence[FileId]:
        wanted = [(source.content(), description) for source, description in batch]
        leases = self._catalog.acquire_all(wanted, HASH_ALGORITHM)
        try:
            for lease in leases:
                self._check_is_own_store(lease.file)
            missing: dict[StoragePath, StagedFile] = {}
            for (source, _), lease in zip(batch, leases, strict=True):
                if lease.file.storage_path not in missing and not self._is_stored(lease.file):
                    missing[lease.file.storage_path] = source.staged()
            with self._keeper.keeping_large(leases):
                self._backend.write_streams([(staged, path) for path, staged in missing.items()])
            settled = [_put(lease) if lease.file.storage_path in missing else lease for lease in leases]
            self._catalog.settle_all(settled, CALLER)
        except BaseException:
            self._give_back(leases)
            raise
        return [lease.file.file_id for lease in leases]

    def _give_back(self, leases: Sequence[Lease]) -> None:
        """Undo what an attempt did. If that fails as well, its leases run out, and what they hold is collected."""
        with contextlib.suppress(BackendError):  # the error before this one is the one to tell
            for unstored in self._catalog.abandon_all(leases):
                self._backend.delete_file(unstored)

    def _check_is_own_store(self, file: FileInfo) -> None:
        """See to it that a catalog that was lost is not replaced by an empty one, which would give its IDs again.

        Looked at once, and while the catalog is young: later the sweep of orphans sees it.

        Raises:
            CatalogOlderThanStoreError: The store has files of IDs that this catalog has not come to yet.
        """
        if self._is_own_store or file.state != FileState.PENDING or file.file_id > _YOUNG_IDS:
            return
        listed = list(itertools.islice(self._backend.list_files(), _YOUNG_IDS))
        highest = self._catalog.highest_file_id()  # asked after: others may be making files as well
        for path in listed:
            if path.file_id > highest or (path.file_id == file.file_id and path != file.storage_path):
                raise CatalogOlderThanStoreError(str(path), repr(self._backend), highest)
        self._is_own_store = True

    def _is_stored(self, file: FileInfo) -> bool:
        # A row does not prove that its bytes are there: look, and put them again where they are not.
        return file.state == FileState.STORED and self._backend.size_bytes(file.storage_path) == file.size_bytes


def _put(lease: Lease) -> Lease:
    """Return a lease that says that the file needed bytes, which have been put; the row may not have known."""
    if lease.file.state != FileState.STORED:
        return lease
    return dataclasses.replace(lease, file=dataclasses.replace(lease.file, state=FileState.DAMAGED))


def _again_when_expired(attempt: Callable[[], Result]) -> Result:
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(LeaseExpiredError):
            return attempt()
    return attempt()


def _copy(stream: BinaryIO, sink: StagingFile) -> None:
    sink.copy_from(stream)
