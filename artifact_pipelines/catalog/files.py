"""Rows of files and of who holds them: the catalog's half of the storage protocol.

One idea: a file's row and a reference to it are written before its bytes move, so bytes without a row are garbage by
construction, and a reference that was committed always has its bytes.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from artifact_pipelines.catalog.clock import utc_now
from artifact_pipelines.catalog.engine import reading, writing
from artifact_pipelines.catalog.tables import file_references, files
from artifact_pipelines.core.exceptions import InvalidFileIdError, LeaseExpiredError, NotHeldError, UnknownFileError
from artifact_pipelines.core.types import Content, FileDescription, FileId, FileInfo, FileState, Lease, StoragePath

LEASE_HOLDER = "lease"
LEASE_S = 900
_COUNT = files.c.reference_count


class FileCatalog:
    """`IFileCatalog` on SQLite and PostgreSQL."""

    def __init__(self, engine: sa.Engine, lease_s: float = LEASE_S) -> None:
        self._engine = engine
        self.lease_s = lease_s

    def has_size(self, size_bytes: int) -> bool:
        """See `IFileCatalog`."""
        query = sa.select(files.c.file_id).where(files.c.size_bytes == size_bytes).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def find(self, content_hash: str) -> FileInfo | None:
        """Return the file with this content, or None."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(files).where(files.c.content_hash == content_hash)).first()
        return file_from(row) if row else None

    def acquire(self, content: Content, hash_algorithm: str, description: FileDescription) -> Lease:
        """See `IFileCatalog`."""
        with writing(self._engine) as connection:
            file = self._upsert(connection, content, hash_algorithm, description)
            reference_id = connection.execute(
                sa.insert(file_references)
                .values(file_id=file.file_id, holder=LEASE_HOLDER, expires_at=self._expiry())
                .returning(file_references.c.reference_id)
            ).scalar_one()
        return Lease(reference_id, file)

    def _upsert(
        self, connection: sa.Connection, content: Content, hash_algorithm: str, description: FileDescription
    ) -> FileInfo:
        insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(files)
        upsert = insert.values(
            content_hash=content.content_hash,
            hash_algorithm=hash_algorithm,
            size_bytes=content.size_bytes,
            file_type=description.file_type,
            mime_type=description.mime_type,
            compression_type=description.compression_type,
            storage_key="",
            state=FileState.PENDING,
            reference_count=1,
            metadata=dict(description.metadata),
        ).on_conflict_do_update(
            index_elements=["content_hash"], set_={"reference_count": _COUNT + 1, "unreferenced_at": None}
        )
        row = connection.execute(upsert.returning(*files.c)).one()
        if not row.storage_key:  # new: the key carries the ID, which is known only now
            key = str(StoragePath(content.content_hash, row.file_id))
            named = sa.update(files).where(files.c.file_id == row.file_id).values(storage_key=key)
            row = connection.execute(named.returning(*files.c)).one()
        return file_from(row)

    def renew(self, lease: Lease) -> None:
        """See `IFileCatalog`."""
        with writing(self._engine) as connection:
            _change_lease(connection, lease, expires_at=self._expiry())

    def settle(self, lease: Lease, holder: str) -> None:
        """See `IFileCatalog`."""
        with writing(self._engine) as connection:
            settle_lease(connection, lease, holder)

    def abandon(self, lease: Lease) -> StoragePath | None:
        """See `IFileCatalog`."""
        with writing(self._engine) as connection:
            gone = connection.execute(sa.delete(file_references).where(*_lease_row(lease)))
            if gone.rowcount == 0:
                return None
            count_down(connection, lease.file.file_id)
            unstored = sa.delete(files).where(
                files.c.file_id == lease.file.file_id, _COUNT == 0, files.c.state == FileState.PENDING
            )
            return lease.file.storage_path if connection.execute(unstored).rowcount else None

    def release(self, file_id: FileId, holder: str) -> None:
        """See `IFileCatalog`."""
        held = (file_references.c.file_id == file_id, file_references.c.holder == holder)
        first = sa.select(sa.func.min(file_references.c.reference_id)).where(*held).scalar_subquery()
        with writing(self._engine) as connection:
            _file_row(connection, file_id, lock=True)  # or two that release at once would choose the same reference
            gone = connection.execute(sa.delete(file_references).where(file_references.c.reference_id == first))
            if gone.rowcount == 0:
                raise NotHeldError(file_id, holder, _holders(connection, file_id))
            count_down(connection, file_id)

    def get_file(self, file_id: FileId) -> FileInfo:
        """See `IFileCatalog`."""
        with reading(self._engine) as connection:
            return file_from(_file_row(connection, file_id))

    def mark_damaged(self, file: FileInfo) -> bool:
        """See `IFileCatalog`."""
        damaged = sa.update(files).where(*_is_as_it_was(file)).values(state=FileState.DAMAGED)
        with writing(self._engine) as connection:
            return bool(connection.execute(damaged).rowcount)

    def holders(self, file_id: FileId) -> Sequence[str]:
        """Return who holds a file, one entry a reference, oldest first."""
        with reading(self._engine) as connection:
            _file_row(connection, file_id)
            return _holders(connection, file_id)

    def list_files(self, limit: int) -> Sequence[FileInfo]:
        """Return the newest files, newest first."""
        query = sa.select(files).order_by(files.c.file_id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [file_from(row) for row in connection.execute(query)]

    def _expiry(self) -> utc_now:
        return utc_now(sa.literal(self.lease_s))


def settle_lease(connection: sa.Connection, lease: Lease, holder: str) -> None:
    """Settle inside a transaction that records more, such as the materialization that is the holder."""
    _change_lease(connection, lease, holder=holder, expires_at=None)
    if lease.file.state == FileState.STORED:
        return  # no bytes were put: damage that was found meanwhile is there still
    connection.execute(
        sa.update(files)
        .where(files.c.file_id == lease.file.file_id, files.c.state != FileState.STORED)
        .values(
            state=FileState.STORED,
            stored_at=sa.func.coalesce(files.c.stored_at, utc_now()),
            # Healed: whoever read the damaged bytes before must not call the file damaged now.
            verified_at=sa.case((files.c.state == FileState.DAMAGED, utc_now()), else_=files.c.verified_at),
        )
    )


def count_down(connection: sa.Connection, file_id: FileId) -> None:
    """Count one reference of a file less, in the transaction that drops it."""
    one_less = sa.update(files).where(files.c.file_id == file_id)
    connection.execute(
        one_less.values(
            reference_count=_COUNT - 1,
            unreferenced_at=sa.case((_COUNT == 1, utc_now()), else_=files.c.unreferenced_at),
        )
    )


def file_from(row: sa.Row[Any]) -> FileInfo:
    """Read a file from a row that has the columns of `files`."""
    return FileInfo(
        file_id=FileId(row.file_id),
        content_hash=row.content_hash,
        hash_algorithm=row.hash_algorithm,
        size_bytes=row.size_bytes,
        file_type=row.file_type,
        mime_type=row.mime_type,
        compression_type=row.compression_type,
        storage_path=StoragePath(row.content_hash, FileId(row.file_id)),
        state=FileState(row.state),
        reference_count=row.reference_count,
        metadata=row.metadata,
        created_at=row.created_at,
        stored_at=row.stored_at,
        verified_at=row.verified_at,
    )


def _is_as_it_was(file: FileInfo) -> tuple[sa.ColumnElement[bool], ...]:
    """Nobody has verified or healed the file since it was looked up."""
    return (
        files.c.file_id == file.file_id,
        files.c.state == file.state,
        files.c.state != FileState.PENDING,
        files.c.verified_at.is_not_distinct_from(file.verified_at),
    )


def _lease_row(lease: Lease) -> tuple[sa.ColumnElement[bool], ...]:
    return (file_references.c.reference_id == lease.reference_id, file_references.c.expires_at.is_not(None))


def _change_lease(connection: sa.Connection, lease: Lease, **values: object) -> None:
    changed = connection.execute(sa.update(file_references).where(*_lease_row(lease)).values(**values))
    if changed.rowcount == 0:
        raise LeaseExpiredError(lease.file.file_id)


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
