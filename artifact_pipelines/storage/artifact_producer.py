"""The only place that creates files, so hashing, deduplication and clean-up are the same for all."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

from artifact_pipelines.core.exceptions import ArtifactError, BackendError, InvalidArgumentError
from artifact_pipelines.core.interfaces import IArtifactProducer, IFileCatalog
from artifact_pipelines.core.types import FileId, FileInfo, FileState, Materialization, NewArtifact
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.exceptions import CatalogOlderThanStoreError, DamagedBytesError, MissingBytesError
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines.storage.holding import Holding
from artifact_pipelines.storage.interfaces import IReadInPlace, IStorageBackend
from artifact_pipelines.storage.verified_stream import verified_stream

CALLER = "caller"
"""Holder of the references that `create_artifact` gives; its caller releases them."""

_YOUNG_IDS = 1000


class ArtifactProducer(IArtifactProducer):
    """`IArtifactProducer` on a catalog of rows and a backend with their bytes. Safe to share between threads.

    Attributes:
        verify_reads: True if reading a whole file checks its hash, unless a call of `open` decides otherwise.
    """

    def __init__(self, catalog: IFileCatalog, backend: IStorageBackend, verify_reads: bool = True) -> None:
        self._catalog = catalog
        self._backend = backend
        self.verify_reads = verify_reads
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
        with self.holding(is_brief=True) as holding:
            lease = holding.put(content_stream, description)
            holding.settle(CALLER)
        return lease.file.file_id

    def create_artifacts(self, items: Iterable[NewArtifact]) -> Sequence[FileId]:
        """See `IArtifactProducer`."""
        created: list[FileId] = []
        rest = iter(items)
        try:
            while True:
                with self.holding(is_brief=True) as holding:
                    batch = holding.put_all(rest)
                    if not batch:
                        return created
                    holding.settle(CALLER)
                created += [lease.file.file_id for lease in batch]
        except BaseException:
            with contextlib.suppress(ArtifactError):  # the caller needs the error before this one
                for file_id in created:
                    self.release(file_id)
            raise

    async def create_artifact_async(
        self,
        content_stream: BinaryIO,
        file_type: str,
        mime_type: str | None = None,
        compression_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> FileId:
        """Do as `create_artifact` does without blocking the event loop."""
        return await asyncio.to_thread(
            self.create_artifact, content_stream, file_type, mime_type, compression_type, metadata
        )

    def holding(self, is_brief: bool = False) -> Holding:
        """Return a `with` block whose files are settled together, or all given back; see `Holding`."""
        return Holding(self._catalog, self._backend, self._check_is_own_store, is_brief)

    def open(self, file_id: FileId, verify: bool | None = None) -> BinaryIO:
        """Return a seekable binary stream of a file's bytes; close it after use.

        A verified read from start to end gives the file's bytes or ends with `DamagedBytesError`: the read that would
        deliver the last byte raises instead, and the catalog records the damage, so that creating the same content
        heals it. Other reads verify nothing.

        Args:
            verify: Check the hash, and refuse a file that is known to be damaged; None: as `verify_reads`.

        Raises:
            InvalidFileIdError: Not a positive integer.
            UnknownFileError: No such file.
            IntegrityError: Its bytes are missing, have another size or are known to be damaged.
        """
        verify = self.verify_reads if verify is None else verify
        file = self._catalog.get_file(file_id)
        if verify:
            self._check_undamaged(file)
        return self._open(file, verify)

    def artifact(self, file: FileInfo, materialization: Materialization | None = None) -> Artifact:
        """Return a file as handlers read it. The catalog is queried again only if the file was damaged.

        Args:
            file: Its row in the catalog, or `stored_file` of a lease that was just put.
            materialization: The materialization that it is loaded from.
        """
        in_place = self._backend if isinstance(self._backend, IReadInPlace) else None
        return Artifact(
            file,
            lambda: self.uri(file),
            lambda verify: self._open_found(file, verify),
            self.verify_reads,
            (lambda: in_place.s3_access(file.storage_path, file.size_bytes)) if in_place else None,
            materialization,
        )

    def uri(self, file: FileInfo) -> str:
        """Return the URI of a file's bytes, for engines that read in place. Raises `IntegrityError` as `open` does."""
        if self.verify_reads:
            self._check_undamaged(file)
        self._check_size(file)
        return self.location(file)

    def location(self, file: FileInfo) -> str:
        """Return the `uri` of a file without checking its bytes, such as one that was just put."""
        return self._backend.uri(file.storage_path)

    def release(self, file_id: FileId) -> None:
        """Drop one reference that `create_artifact` gave; see `IFileCatalog.release`."""
        self._catalog.release(file_id, CALLER)

    def _open_found(self, file: FileInfo, verify: bool) -> BinaryIO:
        # Its bytes show any later change. Only a damaged file needs another look: it may be healed by now.
        return self.open(file.file_id, verify) if file.state == FileState.DAMAGED else self._open(file, verify)

    def _open(self, file: FileInfo, verify: bool) -> BinaryIO:
        self._check_size(file)
        try:
            stream = self._backend.read_stream(file.storage_path)
        except FileNotFoundError as error:
            raise MissingBytesError(file.file_id, self.location(file)) from error
        return verified_stream(stream, file, self.location, self._mark_damaged) if verify else stream

    def _mark_damaged(self, file: FileInfo) -> None:
        with contextlib.suppress(BackendError):  # the reader needs the damage error
            self._catalog.mark_damaged(file)

    def _check_undamaged(self, file: FileInfo) -> None:
        if file.state == FileState.DAMAGED:
            expected, found = f"{file.hash_algorithm} {file.content_hash}", "other bytes when it was last read"
            raise DamagedBytesError(file.file_id, self.location(file), expected, found)

    def _check_size(self, file: FileInfo) -> None:
        found = self._backend.size_bytes(file.storage_path)
        if found is None:
            raise MissingBytesError(file.file_id, self.location(file))
        if found != file.size_bytes:
            sizes = (f"{file.size_bytes:,} bytes", f"{found:,} bytes")
            raise DamagedBytesError(file.file_id, self.location(file), *sizes)

    def _check_is_own_store(self) -> None:
        """Check that no new catalog replaced the one of this store: it would give the same IDs again.

        Checked once, while the catalog is young. The sweep of orphans finds it later. It comes before the first lease,
        which takes an ID: otherwise enough failed tries would make a new catalog seem as old as the store.
        """
        if self._is_own_store:
            return
        if self._catalog.highest_file_id() <= _YOUNG_IDS:
            listed = list(itertools.islice(self._backend.list_files(), _YOUNG_IDS))
            highest = self._catalog.highest_file_id()  # after listing: others may create files meanwhile
            for path in listed:
                if path.file_id > highest:
                    raise CatalogOlderThanStoreError(str(path), repr(self._backend), highest)
        self._is_own_store = True
