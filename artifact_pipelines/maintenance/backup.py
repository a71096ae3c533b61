"""Backs up the catalog into the store it describes, so that the store alone is enough to restore both.

A backup is an ordinary artifact: it is verified, and kept by its retention policy. Its first bytes identify it, so that
`restore` finds it without a catalog.
"""

import contextlib
import heapq
import itertools
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.schema import HEAD_REVISION
from artifact_pipelines.core.retention import RetentionPolicy
from artifact_pipelines.core.types import FileId, Materialization, MaterializationFacts, StoragePath
from artifact_pipelines.maintenance.backup_file import PEEK_BYTES, is_backup, write_backup
from artifact_pipelines.maintenance.exceptions import NoBackupError
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import StorageUnavailableError
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines.storage.interfaces import IStorageBackend

BACKUP_ASSET = "artifact_store/catalog_backup"
RETENTION = RetentionPolicy(keep_last=7)
PEEKED_FILES = 100_000  # paths held in memory at once
MOST_UNREADABLE = 20  # more unreadable files mean that the store does not answer
MOST_OLDER_BACKUPS = 5
FILES_SEARCHED = 2_000  # for older backups


def back_up(
    catalog: Catalog, producer: ArtifactProducer, run_id: str | None = None, code_version: str | None = None
) -> Materialization:
    """Store one state of the catalog as a materialization of `BACKUP_ASSET`. Other writers are not blocked.

    The catalog records its own backup. `run_id` and `code_version` describe the Dagster run that makes it, if any.

    Raises:
        BackendError: Catalog or store did not answer, or the store is full. Nothing was recorded.
    """
    with producer.holding() as holding, holding.stage() as sink:
        with catalog.transfer.snapshot() as snapshot:
            rows = write_backup(cast("BinaryIO", sink), snapshot, HEAD_REVISION)
        lease = holding.put_staged(sink, describe("ndjson", compression_type="gzip"))
        facts = MaterializationFacts(
            BACKUP_ASSET,
            data_version=lease.file.content_hash,
            run_id=run_id,
            code_version=code_version,
            row_count=sum(rows.values()),
            metadata={"rows": rows},
        )
        made = holding.settle_with(lambda leases: catalog.materializations.record(facts, leases))
    catalog.retention.set_policy(BACKUP_ASSET, RETENTION)
    return made


def find_backup(backend: IStorageBackend, file_id: FileId | None = None) -> tuple[StoragePath, Sequence[FileId]]:
    """Find the newest backup in a store, or the file with an ID, without a catalog.

    Returns:
        Its path, and the newer files whose first bytes cannot be read. A newer backup may be among them.

    Raises:
        NoBackupError: There is none.
        BackendError: The store did not answer. A few unreadable files are skipped.
    """
    if file_id is not None:
        for path in backend.list_files():
            if path.file_id == file_id:
                return path, ()
        raise NoBackupError(repr(backend), file_id)
    unreadable: list[FileId] = []
    for path in _newest_first(backend):
        try:
            if _is_backup(backend, path):
                return path, unreadable
        except StorageUnavailableError:  # one file: a bad block; many: the store does not answer
            unreadable.append(path.file_id)
            if len(unreadable) > MOST_UNREADABLE:
                raise
    raise NoBackupError(repr(backend), None, unreadable)


def find_older_backups(backend: IStorageBackend, path: StoragePath) -> Sequence[FileId]:
    """Return the newest few backups before this one. Searches only files with IDs just below it."""
    found: list[FileId] = []
    for older in itertools.islice(_newest_first(backend, path.file_id), FILES_SEARCHED):
        with contextlib.suppress(StorageUnavailableError):
            if _is_backup(backend, older):
                found.append(older.file_id)
        if len(found) == MOST_OLDER_BACKUPS:
            break
    return found


def _is_backup(backend: IStorageBackend, path: StoragePath) -> bool:
    try:
        with backend.read_stream(path) as stream:
            return is_backup(stream.read(PEEK_BYTES))
    except FileNotFoundError:
        return False


def _newest_first(backend: IStorageBackend, below: int = 2**63) -> Iterator[StoragePath]:
    """Yield all paths from the highest ID down. Lists the store several times rather than hold every path in memory."""
    while newest := heapq.nlargest(
        PEEKED_FILES,
        (path for path in backend.list_files() if path.file_id < below),
        key=lambda path: path.file_id,
    ):
        yield from newest
        below = newest[-1].file_id
