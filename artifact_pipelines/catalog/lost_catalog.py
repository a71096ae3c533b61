"""Refilling a lost catalog from its backup and from the keys of the store.

One idea: the store is the younger of the two. Files that it has and the backup does not know were created since, and
are adopted first. The rows of the backup come after, and give way where the same content has another ID by now.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from artifact_pipelines.catalog.engine import in_batches
from artifact_pipelines.catalog.exceptions import RefusedRowsError
from artifact_pipelines.catalog.files import REBUILT, TYPES, new_row
from artifact_pipelines.catalog.tables import file_references, files, utc_now
from artifact_pipelines.catalog.transfer import Loading, from_json, refusals
from artifact_pipelines.core.types import UNDESCRIBED, Content, FileState, FoundFile, StoragePath

ID_MARGIN = 1_000_000
"""How many file IDs are skipped: files that were created after the backup, and collected before the catalog was lost,
left neither a row nor a key."""
_DESCRIPTION = (*TYPES, "metadata", "created_at")
_COUNT = files.c.reference_count
_IS_UNHELD = ~sa.exists().where(file_references.c.file_id == files.c.file_id)


class CatalogRefill(Loading):
    """An empty catalog that is being filled from a store and a backup, in one transaction.

    Attributes:
        renamed: IDs of files in the backup, and the IDs that their contents have by now.
    """

    def __init__(self, connection: sa.Connection) -> None:
        super().__init__(connection)
        self.renamed: dict[int, int] = {}

    def adopt(self, found: Sequence[FoundFile], hash_algorithm: str) -> None:
        """Insert files of a store, before anything else. The newest of those with the same content stays."""
        if not found:
            return
        newest = {file.path.content_hash: file for file in sorted(found, key=lambda file: file.path.file_id)}
        insert = (postgresql if self._connection.dialect.name == "postgresql" else sqlite).insert(files)
        insert = insert.values(stored_at=utc_now())
        new = insert.excluded
        upsert = insert.on_conflict_do_update(
            index_elements=["content_hash"],
            set_={"file_id": new.file_id, "storage_key": new.storage_key, "size_bytes": new.size_bytes},
            where=files.c.file_id < new.file_id,
        )
        try:
            self._connection.execute(upsert, [_file_row(file, hash_algorithm) for file in newest.values()])
        except sa.exc.IntegrityError as error:
            reason = "two contents in the store have the same ID, so it is not the store of one catalog"
            raise RefusedRowsError(files.name, f"{reason} ({str(error.orig).strip()})") from error

    def raise_file_ids(self, highest: int) -> int:
        """Let new file IDs begin `ID_MARGIN` above the highest known one. Returns the highest that is skipped."""
        highest += ID_MARGIN
        self.raise_ids({files.name: highest})
        return highest

    def hold_unheld(self) -> int:
        """Give each file that nothing holds a reference, so that it is not collected. Returns how many got one.

        Nobody knows who came to need such a file since the backup.
        """
        unheld = sa.select(files.c.file_id, sa.literal(REBUILT), utc_now()).where(_IS_UNHELD)
        columns = ["file_id", "holder", "created_at"]
        return self._connection.execute(sa.insert(file_references).from_select(columns, unheld)).rowcount

    def forget_unheld(self, file_ids: Sequence[int]) -> None:
        """Delete the rows of those files that nothing holds."""
        for some in in_batches(file_ids):
            self._connection.execute(sa.delete(files).where(files.c.file_id.in_(some), _IS_UNHELD))

    def insert(self, table_name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """See `Loading`. Adopted content has the ID of the adopted file, wherever the backup names it.

        Leases are left out: their writers are gone.
        """
        if table_name == files.name:
            rows = self._files_not_adopted(rows)
        elif self.renamed and rows and "file_id" in rows[0]:
            rows = [{**row, "file_id": self.renamed.get(row["file_id"], row["file_id"])} for row in rows]
        if table_name == file_references.name:
            rows = [row for row in rows if row.get("expires_at") is None]
        super().insert(table_name, rows)

    def count_references(self) -> None:
        """Set every file's count to the number of its references."""
        held = sa.select(sa.func.count()).where(file_references.c.file_id == files.c.file_id).scalar_subquery()
        self._connection.execute(sa.update(files).where(held != _COUNT).values(reference_count=held))
        is_free = sa.case((_COUNT == 0, sa.func.coalesce(files.c.unreferenced_at, utc_now())), else_=None)
        wrong = (_COUNT == 0) != files.c.unreferenced_at.is_not(None)
        self._connection.execute(sa.update(files).where(wrong).values(unreferenced_at=is_free))

    def _files_not_adopted(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        for row in rows:
            _check_key(row)
        hashes = [row["content_hash"] for row in rows]
        query = sa.select(files.c.content_hash, files.c.file_id).where(files.c.content_hash.in_(hashes))
        adopted = {row.content_hash: row.file_id for row in self._connection.execute(query)}
        for row in rows:
            file_id = adopted.get(row["content_hash"])
            if file_id is not None:
                self.renamed[row["file_id"]] = file_id
                with refusals(files.name):
                    known = from_json(files, row)
                described = {name: known[name] for name in _DESCRIPTION}  # until now it was guessed from the bytes
                self._connection.execute(sa.update(files).where(files.c.file_id == file_id).values(described))
        return [row for row in rows if row["content_hash"] not in adopted]


def _file_row(file: FoundFile, hash_algorithm: str) -> dict[str, Any]:
    guessed = dataclasses.replace(file.description, metadata={**file.description.metadata, UNDESCRIBED: True})
    row = new_row(Content(file.path.content_hash, file.size_bytes), guessed, hash_algorithm, 1)
    return row | {"file_id": file.path.file_id, "storage_key": str(file.path), "state": FileState.STORED}


def _check_key(row: Mapping[str, Any]) -> None:
    """Refuse a row whose key is not its own: anyone may have stored the backup, and the key becomes a path."""
    path = StoragePath.parse(str(row.get("storage_key")))
    if path is None or (path.content_hash, path.file_id) != (row.get("content_hash"), row.get("file_id")):
        raise RefusedRowsError(
            files.name, f"{row.get('storage_key')!r:.200} is not the key of file {row.get('file_id')}"
        )
