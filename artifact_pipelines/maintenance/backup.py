"""The catalog, backed up into the store it describes: the store alone is then enough to bring both back.

A backup is an artifact like any other, verified, and kept by its retention policy; and it is found without a catalog,
because it says in its first bytes what it is.
"""

import contextlib
import dataclasses
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
_PEEKED_FILES = 100_000
_UNREADABLE_AT_MOST = 20
_OLDER_BACKUPS = 5
_FILES_NEAR = 2_000


def back_up(
    catalog: Catalog, producer: ArtifactProducer, run_id: str | None = None, code_version: str | None = None
) -> Materialization:
    """Store one state of the catalog as the new materialization of `BACKUP_ASSET`. Others go on writing meanwhile.

    Args:
        catalog: What is backed up, and where that is recorded.
        producer: Stores it.
        run_id: The Dagster run that does it, if one does.
        code_version: The asset's, if one does.

    Raises:
        BackendError: Catalog or store did not answer or is full; nothing was recorded.
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


@dataclasses.dataclass(frozen=True)
class FoundBackup:
    """A backup, and what was passed over on the way to it.

    Attributes:
        unreadable: Newer files whose first bytes cannot be read: a newer backup may be among them.
    """

    path: StoragePath
    unreadable: Sequence[FileId] = ()


def find_backup(backend: IStorageBackend, file_id: FileId | None = None) -> FoundBackup:
    """Find the newest backup in a store, or the file with an ID, without any catalog.

    Raises:
        NoBackupError: There is none.
        BackendError: The store did not answer; one file that cannot be read is passed over.
    """
    if file_id is not None:
        for path in backend.list_files():
            if path.file_id == file_id:
                return FoundBackup(path)
        raise NoBackupError(repr(backend), file_id)
    unreadable: list[FileId] = []
    for path in _newest_first(backend):
        try:
            if _is_backup(backend, path):
                return FoundBackup(path, unreadable)
        except StorageUnavailableError:  # one file: a bad block; many: the store is away
            unreadable.append(path.file_id)
            if len(unreadable) > _UNREADABLE_AT_MOST:
                raise
    raise NoBackupError(repr(backend), None, unreadable)


def find_older_backups(backend: IStorageBackend, path: StoragePath) -> Sequence[FileId]:
    """Return the newest few backups before this one; those that lie far behind it are not looked for."""
    near = itertools.islice(_newest_first(backend, path.file_id), _FILES_NEAR)
    found: list[FileId] = []
    for older in near:
        with contextlib.suppress(StorageUnavailableError):
            if _is_backup(backend, older):
                found.append(older.file_id)
        if len(found) == _OLDER_BACKUPS:
            break
    return found


def _is_backup(backend: IStorageBackend, path: StoragePath) -> bool:
    try:
        with backend.read_stream(path) as stream:
            return is_backup(stream.read(PEEK_BYTES))
    except FileNotFoundError:
        return False


def _newest_first(backend: IStorageBackend, below: int = 2**63) -> Iterator[StoragePath]:
    """Yield all paths from the highest ID down. Lists the store again for more rather than hold all of it."""
    while newest := heapq.nlargest(
        _PEEKED_FILES,
        (path for path in backend.list_files() if path.file_id < below),
        key=lambda path: path.file_id,
    ):
        yield from newest
        below = newest[-1].file_id
