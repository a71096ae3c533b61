"""Restores a lost catalog from its newest backup and from the files created since.

Rows, adopted files and the highest IDs arrive in one transaction, so nobody ever sees half a catalog.
"""

import array
import bisect
import dataclasses
import datetime
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.lost_catalog import CatalogRefill
from artifact_pipelines.catalog.schema import HEAD_REVISION
from artifact_pipelines.core.types import FileId, FileState, StoragePath
from artifact_pipelines.maintenance.backup import find_backup, find_older_backups
from artifact_pipelines.maintenance.backup_file import BackupReader, BadBackup
from artifact_pipelines.maintenance.exceptions import (
    DamagedBackupError,
    NoBackupError,
    OutdatedBackupError,
    UnreadableBackupError,
)
from artifact_pipelines.maintenance.rebuild import adopt
from artifact_pipelines.storage.hashing import ContentHasher
from artifact_pipelines.storage.interfaces import IStorageBackend

_PIECE_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class RestoreReport:
    """The result of a restore, and the changes since the backup.

    Attributes:
        backup_file_id: The backup.
        taken_at: Time of the backup, by the database's clock of then.
        files: Files of the backup.
        materializations: Materializations of the backup.
        adopted: Files created since.
        held: Files of the backup that nothing held then. They are held now, because they may have been used since.
        missing: Files of the backup whose bytes are gone: collected since, or lost. `verify` lists those that are held.
        dropped: Files of the backup that were never completed.
        highest_file_id: No new file gets an ID up to this one. It lies `ID_MARGIN` above the highest ID in backup and
            store, so that IDs of deleted files are not given again either.
        unreadable: Files whose first bytes cannot be read. A newer backup may be among them.
    """

    backup_file_id: FileId
    taken_at: datetime.datetime
    files: int
    materializations: int
    adopted: int
    held: int
    missing: int
    dropped: int
    highest_file_id: int
    unreadable: Sequence[FileId] = ()


def restore(
    catalog: Catalog, backend: IStorageBackend, file_id: FileId | None, advance: Callable[[int], object]
) -> RestoreReport:
    """Fill an empty catalog from a backup in its store, and with the files created since, in one transaction.

    Leases are dropped, because their writers are gone. Files that nothing holds then are held until a user releases
    them: the rows that show who has used them since the backup are lost.

    Args:
        catalog: An empty catalog.
        backend: The store.
        file_id: The backup; None: the newest.
        advance: Called with the number of rows restored since the last call.

    Raises:
        NoBackupError: There is none.
        OutdatedBackupError: It was made with another schema.
        UnreadableBackupError: It is not a backup, or incomplete.
        DamagedBackupError: Its content does not have the hash in its key.
        RefusedRowsError: The database refuses its rows.
        CatalogNotEmptyError: The catalog holds rows.
        BackendError: Catalog or store did not answer.
    """
    path, unreadable = find_backup(backend, file_id)
    found = _hash_of(backend, path)
    if found != path.content_hash:
        expected, older = f"hash {path.content_hash}", find_older_backups(backend, path)
        raise DamagedBackupError(path.file_id, backend.uri(path), expected, f"hash {found}", older)
    try:
        with backend.read_stream(path) as stream, catalog.transfer.loading(CatalogRefill) as refill:
            report = _Restoring(refill, backend, path, advance).run(stream)
    except BadBackup as error:
        raise UnreadableBackupError(backend.uri(path), str(error), find_older_backups(backend, path)) from error
    return dataclasses.replace(report, unreadable=unreadable)


def _hash_of(backend: IStorageBackend, path: StoragePath) -> str:
    hasher = ContentHasher()
    try:
        with backend.read_stream(path) as stream:
            while piece := stream.read(_PIECE_BYTES):
                hasher.update(piece)
    except FileNotFoundError as error:
        raise NoBackupError(repr(backend), path.file_id) from error
    return hasher.hexdigest()


class _Restoring:
    """One restore, with the counts for its report."""

    def __init__(
        self, refill: CatalogRefill, backend: IStorageBackend, backup: StoragePath, advance: Callable[[int], object]
    ) -> None:
        self._refill = refill
        self._backend = backend
        self._backup = backup
        self._advance = advance
        self._present = array.array("q")  # eight bytes a file: a set would take a hundred
        self._missing: list[int] = []
        self._dropped = 0
        self._rows: Counter[str] = Counter()

    def run(self, stream: BinaryIO) -> RestoreReport:
        reader = BackupReader(stream)
        header = reader.header
        if header.schema != HEAD_REVISION:
            raise OutdatedBackupError(self._backend.uri(self._backup), header.schema, HEAD_REVISION)
        # IDs first: the references to adopted files must not get IDs that the backup uses.
        self._refill.raise_ids(header.highest_ids)
        known_up_to = header.highest_ids.get("files", 0)
        _, highest = adopt(self._refill, self._backend, self._newer_than(known_up_to), lambda _: None)
        highest = self._refill.raise_file_ids(max(highest, known_up_to))
        adopted = self._refill.hold_unheld()
        for table, rows in reader.batches():
            self._rows[table] += len(rows)
            self._refill.insert(table, self._settled(rows) if table == "files" else rows)
            self._advance(len(rows))
        missing = [file_id for file_id in self._missing if file_id not in self._refill.renamed]
        self._refill.forget_unheld(missing)  # collected since: nothing is left to hold
        held = self._refill.hold_unheld()
        self._refill.count_references()
        return RestoreReport(
            backup_file_id=self._backup.file_id,
            taken_at=header.taken_at,
            files=self._rows["files"],
            materializations=self._rows["materializations"],
            adopted=adopted,
            held=held,
            missing=len(missing),
            dropped=self._dropped,
            highest_file_id=highest,
        )

    def _newer_than(self, file_id: int) -> Iterator[StoragePath]:
        """Yield the files created since the backup, and note those that existed before."""
        for path in self._backend.list_files():
            if path.file_id > file_id:
                yield path
            else:
                self._present.append(path.file_id)
        self._present = array.array("q", sorted(self._present))

    def _settled(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return the rows of complete files. A pending file is complete if all of its bytes have arrived since."""
        settled = []
        for row in rows:
            if row.get("state") != FileState.PENDING:
                settled.append(row)
                if not self._is_present(row["file_id"]):
                    self._missing.append(row["file_id"])
            elif self._has_all_bytes(row):
                settled.append({**row, "state": FileState.STORED.value, "stored_at": row["created_at"]})
            else:
                self._dropped += 1
        return settled

    def _is_present(self, file_id: int) -> bool:
        place = bisect.bisect_left(self._present, file_id)
        return place < len(self._present) and self._present[place] == file_id

    def _has_all_bytes(self, row: Mapping[str, Any]) -> bool:
        path = StoragePath.parse(str(row["storage_key"]))
        return path is not None and self._backend.size_bytes(path) == row["size_bytes"]
