"""Rows of files and their references: the catalog's half of the storage protocol.

One idea: a file's row and a reference to it are written before its bytes move. So bytes without a row are garbage by
construction, and a committed reference always has its bytes.
"""

import collections
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from artifact_pipelines.catalog.engine import CatalogSection, highest_id, reading, retried, writing
from artifact_pipelines.catalog.hot_path import Prepared, is_among
from artifact_pipelines.catalog.tables import file_references, files, utc_now
from artifact_pipelines.core.exceptions import InvalidFileIdError, LeaseExpiredError, NotHeldError, UnknownFileError
from artifact_pipelines.core.types import (
    UNDESCRIBED,
    Content,
    FileDescription,
    FileId,
    FileInfo,
    FileState,
    Lease,
    StoragePath,
)

LEASE_HOLDER = "lease"
LEASE_S = 900
REBUILT = "rebuilt"
"""Holder of files that were found in a store and not in a catalog: nobody knows who needs them."""
TYPES = ("file_type", "mime_type", "compression_type")
"""A materialization and a lease have their own types of a file: others may store the same bytes as something else."""
_SAME_NAMES = [field.name for field in dataclasses.fields(FileInfo) if field.name not in ("storage_path", "state")]
_COUNT = files.c.reference_count

_OF_IDS = is_among(files.c.file_id, "file_ids")
_ARE_LEASES = (is_among(file_references.c.reference_id, "reference_ids"), file_references.c.expires_at.is_not(None))
_EXPIRY = utc_now(sa.bindparam("lease_s", type_=sa.Float))


def _upsert(insert: sqlite.Insert | postgresql.Insert) -> Prepared:
    upsert = insert.on_conflict_do_update(
        index_elements=["content_hash"],
        set_={"reference_count": _COUNT + insert.excluded.reference_count, "unreferenced_at": None},
    )
    return Prepared(upsert.returning(*files.c))


_UPSERTS = {"sqlite": _upsert(sqlite.insert(files)), "postgresql": _upsert(postgresql.insert(files))}
_DIGEST = files.c.content_hash
_NAME_KEYS = Prepared(
    sa.update(files)
    .where(_OF_IDS)
    .values(storage_key=sa.func.substr(_DIGEST, 1, 2) + "/" + _DIGEST + "." + sa.cast(files.c.file_id, sa.String))
)
_INSERT_LEASES = Prepared(
    sa.insert(file_references)
    .values(holder=LEASE_HOLDER, expires_at=_EXPIRY)
    .returning(file_references.c.reference_id, file_references.c.file_id)
)
_FREE_LEASES = Prepared(sa.select(file_references.c.reference_id).where(*_ARE_LEASES).with_for_update(skip_locked=True))
_RENEW = Prepared(sa.update(file_references).where(*_ARE_LEASES).values(expires_at=_EXPIRY))
_ABANDON = Prepared(sa.delete(file_references).where(*_ARE_LEASES).returning(file_references.c.file_id))
_DELETE_UNSTORED = Prepared(
    sa.delete(files)
    .where(_OF_IDS, _COUNT == 0, files.c.state == FileState.PENDING)
    .returning(files.c.content_hash, files.c.file_id)
)
_MAKE_LASTING = Prepared(
    sa.update(file_references)
    .where(*_ARE_LEASES)
    .values(holder=sa.bindparam("new_holder"), expires_at=None)
    .returning(file_references.c.reference_id)
)
_MAKE_STORED = Prepared(
    sa.update(files)
    .where(_OF_IDS, files.c.state == FileState.PENDING)
    .values(state=FileState.STORED, stored_at=utc_now())
    .returning(files.c.file_id)
)
# `verified_at` too: a reader of the earlier bytes must not mark the file as damaged any more.
_HEAL = Prepared(sa.update(files).where(_OF_IDS).values(state=FileState.STORED, verified_at=utc_now()))
_LOCK_IN_ORDER = Prepared(
    sa.select(files.c.file_id)
    .where(_OF_IDS)
    .order_by(_DIGEST.collate("C"))  # as Python sorts
    .with_for_update(key_share=True)  # as an update locks them
)


class FileCatalog(CatalogSection):
    """`IFileCatalog` on SQLite and PostgreSQL."""

    def __init__(self, engine: sa.Engine, lease_s: float = LEASE_S) -> None:
        super().__init__(engine)
        self.lease_s = lease_s

    @retried
    def highest_file_id(self) -> int:
        """See `IFileCatalog`."""
        with reading(self._engine) as connection:
            return highest_id(connection, files)

    def has_size(self, size_bytes: int) -> bool:
        """See `IFileCatalog`."""
        return bool(self._rows(sa.select(files.c.file_id).where(files.c.size_bytes == size_bytes).limit(1)))

    @retried
    def acquire_all(self, wanted: Sequence[tuple[Content, FileDescription]], hash_algorithm: str) -> Sequence[Lease]:
        """See `IFileCatalog`."""
        with writing(self._engine) as connection:
            found = count_up(connection, wanted, hash_algorithm)
            rows = [{"file_id": found[c.content_hash].file_id, "lease_s": self.lease_s} for c, _ in wanted]
            # The order is not promised, but two leases on one file are interchangeable.
            free: dict[int, list[int]] = {}
            for reference_id, file_id in _INSERT_LEASES.run_each(connection, rows):
                free.setdefault(file_id, []).append(reference_id)
        leases = []
        for content, description in wanted:
            own_types = {name: getattr(description, name) for name in TYPES}
            file = dataclasses.replace(found[content.content_hash], **own_types)
            leases.append(Lease(free[file.file_id].pop(), file))
        return leases

    @retried
    def renew_all(self, leases: Sequence[Lease]) -> None:
        """See `IFileCatalog`."""
        with writing(self._engine) as connection:
            # Locked rows are skipped: a transaction that settles waits for rows one by one, which could deadlock.
            free = _FREE_LEASES.run(connection, reference_ids=_ids(leases))
            _RENEW.run(connection, reference_ids=[reference_id for (reference_id,) in free], lease_s=self.lease_s)

    @retried
    def settle_all(self, leases: Sequence[Lease], holder: str) -> None:
        """See `IFileCatalog`."""
        with writing(self._engine) as connection:
            make_lasting(connection, leases, holder)
            note_put(connection, leases)

    @retried
    def abandon_all(self, leases: Sequence[Lease]) -> Sequence[StoragePath]:
        """See `IFileCatalog`."""
        with writing(self._engine) as connection:
            gone = _ABANDON.run(connection, reference_ids=_ids(leases))
            counts = collections.Counter(file_id for (file_id,) in gone)
            file_ids = sorted(counts)
            lock_files(connection, file_ids)
            for file_id in file_ids:
                count_down(connection, FileId(file_id), counts[file_id])
            unstored = _DELETE_UNSTORED.run(connection, file_ids=file_ids)
        return [StoragePath(row.content_hash, FileId(row.file_id)) for row in unstored]

    @retried
    def release(self, file_id: FileId, holder: str) -> None:
        """See `IFileCatalog`."""
        held = (file_references.c.file_id == file_id, file_references.c.holder == holder)
        first = sa.select(sa.func.min(file_references.c.reference_id)).where(*held).scalar_subquery()
        with writing(self._engine) as connection:
            _file_row(connection, file_id, lock=True)  # two releases at once would choose the same reference
            gone = connection.execute(sa.delete(file_references).where(file_references.c.reference_id == first))
            if gone.rowcount == 0:
                raise NotHeldError(file_id, holder, _holders(connection, file_id))
            count_down(connection, file_id)

    @retried
    def get_file(self, file_id: FileId) -> FileInfo:
        """See `IFileCatalog`."""
        with reading(self._engine) as connection:
            return file_from(_file_row(connection, file_id))

    @retried
    def mark_damaged(self, file: FileInfo) -> bool:
        """See `IFileCatalog`."""
        is_as_it_was = (files.c.state == file.state, files.c.verified_at.is_not_distinct_from(file.verified_at))
        was_stored = (files.c.file_id == file.file_id, files.c.state != FileState.PENDING)
        damaged = sa.update(files).where(*was_stored, *is_as_it_was).values(state=FileState.DAMAGED)
        with writing(self._engine) as connection:
            return bool(connection.execute(damaged).rowcount)

    @retried
    def holders(self, file_id: FileId) -> Sequence[str]:
        """Return the holders of a file, one entry a reference, oldest first."""
        with reading(self._engine) as connection:
            _file_row(connection, file_id)
            return _holders(connection, file_id)

    def list_files(self, limit: int) -> Sequence[FileInfo]:
        """Return the newest files, newest first."""
        return [file_from(row) for row in self._rows(sa.select(files).order_by(files.c.file_id.desc()).limit(limit))]


def make_lasting(connection: sa.Connection, leases: Sequence[Lease], holder: str) -> None:
    """Turn leases into references of a holder, before `note_put` in the same transaction.

    With several holders, all of them come first: reaping a lease changes the lease before the file too.
    """
    changed = set(_MAKE_LASTING.run(connection, reference_ids=_ids(leases), new_holder=holder))
    for lease in leases:
        if (lease.reference_id,) not in changed:
            raise LeaseExpiredError(lease.file.file_id)


def note_put(connection: sa.Connection, leases: Sequence[Lease]) -> Collection[int]:
    """State that leased files are stored, and return the IDs of those that were not; only the first writer gets one."""
    # If a lease has a file that was not stored, its writer put the bytes, whatever the state is by now. The other
    # writers put nothing: damage that was found meanwhile still exists.
    put = sorted({lease.file.file_id for lease in leases if lease.file.state != FileState.STORED})
    if not put:
        return ()
    lock_files(connection, put)
    added = {file_id for (file_id,) in _MAKE_STORED.run(connection, file_ids=put)}
    if healed := sorted(set(put) - added):
        _HEAL.run(connection, file_ids=healed)
    return added


def lock_files(connection: sa.Connection, file_ids: Collection[int]) -> None:
    """Lock the rows of files before the first is changed, in the order of `count_up`: two transactions cannot deadlock.

    One row needs no order, and on SQLite every writing transaction is alone already.
    """
    if len(file_ids) > 1 and connection.dialect.name == "postgresql":
        _LOCK_IN_ORDER.run(connection, file_ids=list(file_ids))


def count_down(connection: sa.Connection, file_id: FileId, by: int = 1) -> None:
    """Lower the reference count of a file, in the transaction that drops the references."""
    since = sa.case((_COUNT.is_not_distinct_from(by), utc_now()), else_=files.c.unreferenced_at)
    less = sa.update(files).where(files.c.file_id == file_id)
    connection.execute(less.values(reference_count=_COUNT - by, unreferenced_at=since))


def hold_again(connection: sa.Connection, file_ids: Collection[int], holder: str) -> bool:
    """Give a holder one reference on each of some files, and count it; False if one of them is gone.

    A caller with several holders locks the files of all of them first.
    """
    lock_files(connection, file_ids)
    for file_id in sorted(file_ids):
        more = sa.update(files).where(files.c.file_id == file_id)
        if connection.execute(more.values(reference_count=_COUNT + 1, unreferenced_at=None)).rowcount == 0:
            return False
        connection.execute(sa.insert(file_references).values(file_id=file_id, holder=holder))
    return True


def file_from(row: sa.Row[Any]) -> FileInfo:
    """Read a file from a row that has the columns of `files`."""
    same = {name: getattr(row, name) for name in _SAME_NAMES}
    return FileInfo(storage_path=StoragePath(row.content_hash, row.file_id), state=FileState(row.state), **same)


def count_up(
    connection: sa.Connection, wanted: Sequence[tuple[Content, FileDescription]], hash_algorithm: str
) -> Mapping[str, FileInfo]:
    """Find or insert the file of each content, count its new references, and return the files by content hash."""
    counts = collections.Counter(content.content_hash for content, _ in wanted)
    first = {content.content_hash: (content, description) for content, description in reversed(wanted)}
    # Sorted: two transactions that want the same contents wait in one direction only.
    rows = [new_row(*first[key], hash_algorithm, counts[key]) for key in sorted(counts)]
    found = _UPSERTS[connection.dialect.name].run_each(connection, rows)
    new = [row.file_id for row in found if not row.storage_key]
    if new:  # the key contains the ID, which is known only now
        _NAME_KEYS.run(connection, file_ids=new)
    for row in found:
        if UNDESCRIBED in row.metadata:  # a found file gets its description from its next writer
            found_file = sa.update(files).where(files.c.file_id == row.file_id)
            connection.execute(found_file.values(**_described(first[row.content_hash][1])))
    return {row.content_hash: file_from(row) for row in found}


def _described(description: FileDescription) -> dict[str, Any]:
    return {name: getattr(description, name) for name in TYPES} | {"metadata": dict(description.metadata)}


def new_row(content: Content, description: FileDescription, hash_algorithm: str, count: int) -> dict[str, Any]:
    """Return the row of a file whose ID is not known yet."""
    return {
        "content_hash": content.content_hash,
        "hash_algorithm": hash_algorithm,
        "size_bytes": content.size_bytes,
        "storage_key": "",
        "state": FileState.PENDING,
        "reference_count": count,
        **_described(description),
    }


def _ids(leases: Sequence[Lease]) -> Sequence[int]:
    return [lease.reference_id for lease in leases]


def _holders(connection: sa.Connection, file_id: FileId) -> Sequence[str]:
    query = sa.select(file_references.c.holder).where(file_references.c.file_id == file_id)
    return connection.execute(query.order_by(file_references.c.reference_id)).scalars().all()


def _file_row(connection: sa.Connection, file_id: FileId, lock: bool = False) -> sa.Row[Any]:
    if isinstance(file_id, bool) or not isinstance(file_id, int) or not 0 < file_id < 2**63:
        raise InvalidFileIdError(file_id)
    query = sa.select(files).where(files.c.file_id == file_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise UnknownFileError(file_id)
    return row
