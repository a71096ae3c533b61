"""The storage protocol: one file, a batch, or all files of a value come into the store, or none of them does.

Stage and hash the bytes, lease a row for their content, put the bytes if they are missing, settle the leases. No
transaction is open while bytes move, and files that are not settled are given back.
"""

import contextlib
import dataclasses
import io
import itertools
import resource
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Self, TypeVar

from artifact_pipelines.core.exceptions import BackendError, CatalogUnavailableError
from artifact_pipelines.core.interfaces import IFileCatalog
from artifact_pipelines.core.types import Content, FileDescription, FileInfo, FileState, Lease, NewArtifact, StoragePath
from artifact_pipelines.storage.exceptions import SourceChangedError
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines.storage.hashing import HASH_ALGORITHM
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.staging import StagedFile, StagingFile, hash_stream

BATCH_FILES = 200
BATCH_BYTES = 64 << 20
"""Limits of one `put_all`: the number of files it has open, and about the bytes it has in the page cache."""

_SMALL_BYTES = 1 << 20
Result = TypeVar("Result")


class Holding:
    """Holds the files that are put into it until they are settled together. Use it in a `with` block, on one thread.

        with producer.holding() as holding:
            holding.put(stream, description)
            holding.settle("me")

    A put returns when the bytes are durable; if it raises, that file is given back and the others stay held. Leases
    are renewed for as long as the block runs. Its end gives back every file that was not settled. Puts and settlements
    raise `BackendError` if storage or catalog do not answer or are full.

    Args:
        check: Called before each lease; raises if nothing may be stored.
        is_brief: True if the block only puts and settles. Leases on small files are then not renewed, because starting
            a thread takes as long as storing one.
    """

    def __init__(
        self,
        catalog: IFileCatalog,
        backend: IStorageBackend,
        check: Callable[[], None],
        is_brief: bool = False,
    ) -> None:
        self._catalog = catalog
        self._backend = backend
        self._check = check
        self._is_brief = is_brief
        self._leases: list[Lease] = []
        self._is_over = threading.Event()
        self._keeper: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._is_over.set()
            if self._keeper is not None:
                self._keeper.join()
        finally:
            if self._leases:
                self._give_back(self._leases)

    def put(self, stream: BinaryIO, description: FileDescription) -> Lease:
        """Store the bytes of a stream, from its position to its end.

        A large seekable stream is hashed first if a file of its size is stored: a duplicate costs a read, no write.

        Raises:
            SourceStreamError: The stream raised.
            SourceChangedError: The second read of the stream gave different bytes.
        """
        start = self._start_if_maybe_stored(stream)
        if start is None:
            with self.stage() as sink:
                sink.copy_from(stream)
                return self.put_staged(sink, description)
        content = hash_stream(stream)
        with contextlib.ExitStack() as stack:

            def stage(_: int) -> StagedFile:
                stream.seek(start)
                staged = stack.enter_context(self._copy(stream))
                if staged.content != content:
                    raise SourceChangedError("The content stream")
                return staged

            return self._put([(content, description)], stage)[0]

    def hold(self, file: FileInfo) -> Lease | None:
        """Lease a file that the store has, without moving its bytes; None: they are gone or damaged.

        Args:
            file: As it was recorded, with the types that the lease gets.
        """
        description = FileDescription(file.file_type, file.mime_type, file.compression_type)
        wanted = [(Content(file.content_hash, file.size_bytes), description)]
        [lease] = self._lease(wanted)
        if self._is_stored(lease.file):
            self._keep_alive()
            return lease
        self._give_back([lease])
        return None

    def stage(self) -> StagingFile:
        """Return a sink to write the bytes of a file into; `put_staged` stores it. Close it after use."""
        return self._backend.stage()

    def put_staged(self, sink: StagingFile, description: FileDescription) -> Lease:
        """Store what was written into a sink."""
        with sink.finish() as staged:
            return self._put([(staged.content, description)], lambda _: staged)[0]

    def put_all(self, items: Iterator[NewArtifact]) -> Sequence[Lease]:
        """Store the next items, up to the limits of a batch, with one sync. Return no leases if no items are left.

        Raises:
            SourceStreamError: A stream raised.
            InvalidArgumentError: An item is malformed, as for `IArtifactProducer.create_artifact`.
        """
        with contextlib.ExitStack() as stack:
            staged: list[StagedFile] = []
            wanted: list[tuple[Content, FileDescription]] = []
            size_bytes = 0
            for item in itertools.islice(items, _files_of_a_batch()):
                description = describe(item.file_type, item.mime_type, item.compression_type, item.metadata)
                staged.append(stack.enter_context(self._copy(item.content_stream)))
                wanted.append((staged[-1].content, description))
                size_bytes += staged[-1].content.size_bytes
                if size_bytes >= BATCH_BYTES:
                    break
            return self._put(wanted, staged.__getitem__) if wanted else ()

    def settle(self, holder: str) -> None:
        """Turn every lease in the holding into a lasting reference of `holder`.

        Raises:
            LeaseExpiredError: This process stood still for so long that a lease expired. Nothing was settled.
        """
        self.settle_with(lambda leases: self._catalog.settle_all(leases, holder))

    def settle_with(self, transaction: Callable[[Sequence[Lease]], Result]) -> Result:
        """Settle in a transaction of the caller, and return its result.

        It gets all leases in the order of the puts, and settles all of them or raises.
        """
        result = transaction(tuple(self._leases))
        self._leases = []
        return result

    def _put(
        self, wanted: Sequence[tuple[Content, FileDescription]], staged: Callable[[int], StagedFile]
    ) -> Sequence[Lease]:
        """Lease the files of some contents and put the missing bytes; `staged` returns those of the n-th content."""
        leases = self._lease(wanted)
        try:
            self._keep_alive()
            missing: dict[StoragePath, StagedFile] = {}
            for number, lease in enumerate(leases):
                if lease.file.storage_path not in missing and not self._is_stored(lease.file):
                    missing[lease.file.storage_path] = staged(number)
            if len(missing) == 1:
                [(path, content)] = missing.items()
                self._backend.write_stream(content, path)
            elif missing:
                self._backend.write_streams([(content, path) for path, content in missing.items()])
        except BaseException:
            self._give_back(leases)
            raise
        put = [_marked_as_put(lease) if lease.file.storage_path in missing else lease for lease in leases]
        self._leases[-len(put) :] = put
        return put

    def _lease(self, wanted: Sequence[tuple[Content, FileDescription]]) -> Sequence[Lease]:
        self._check()
        leases = self._catalog.acquire_all(wanted, HASH_ALGORITHM)
        self._leases += leases
        return leases

    def _copy(self, stream: BinaryIO) -> StagedFile:
        with self.stage() as sink:
            sink.copy_from(stream)
            return sink.finish()

    def _start_if_maybe_stored(self, stream: BinaryIO) -> int | None:
        """Return the position of a seekable stream if its content may be stored, else None.

        Staging a small one, which is never synced and soon deleted, costs less than a query.
        """
        if not (hasattr(stream, "seekable") and stream.seekable()):
            return None
        start = stream.tell()
        size_bytes = stream.seek(0, io.SEEK_END) - start
        stream.seek(start)
        return start if size_bytes > _SMALL_BYTES and self._catalog.has_size(size_bytes) else None

    def _is_stored(self, file: FileInfo) -> bool:
        # A row does not prove that its bytes are there.
        return file.state == FileState.STORED and self._backend.size_bytes(file.storage_path) == file.size_bytes

    def _keep_alive(self) -> None:
        """Renew all leases from now on, three times in their lifetime."""
        is_small = sum(lease.file.size_bytes for lease in self._leases) <= _SMALL_BYTES
        if self._keeper is None and not (is_small and self._is_brief):
            self._keeper = threading.Thread(target=self._renew_until_over, name="lease-keeper", daemon=True)
            self._keeper.start()

    def _renew_until_over(self) -> None:
        while not self._is_over.wait(self._catalog.lease_s / 3):
            with contextlib.suppress(CatalogUnavailableError):  # there is time for two more
                self._catalog.renew_all(tuple(self._leases))

    def _give_back(self, leases: Sequence[Lease]) -> None:
        """Undo puts. If that fails, their leases expire, and their files are collected."""
        given_back = {lease.reference_id for lease in leases}
        self._leases = [lease for lease in self._leases if lease.reference_id not in given_back]
        with contextlib.suppress(BackendError):  # the caller needs the error before this one
            for unstored in self._catalog.abandon_all(leases):
                self._backend.delete_file(unstored)


def _files_of_a_batch() -> int:
    """Return how many files a batch may have open, so that two batches open half the files of a process at most."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return BATCH_FILES if limit == resource.RLIM_INFINITY else max(1, min(BATCH_FILES, limit // 4))


def _marked_as_put(lease: Lease) -> Lease:
    """Return a lease under which bytes were put: its file is not stored, though the row may have claimed so."""
    if lease.file.state != FileState.STORED:
        return lease
    return dataclasses.replace(lease, file=dataclasses.replace(lease.file, state=FileState.DAMAGED))


def stored_file(lease: Lease) -> FileInfo:
    """Return the file of a lease that was just put: its bytes are stored, though the catalog has not settled it."""
    return dataclasses.replace(lease.file, state=FileState.STORED)
