"""Garbage: expired leases, files without a reference, and files held only since a lost catalog was refilled.

One idea: the transaction that deletes a file's row decides whether the file may go, by the database and its clock. The
bytes go afterwards; a crash in between leaves bytes without a row, which are garbage by construction.
"""

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import CatalogSection, reading, retried, writing
from artifact_pipelines.catalog.files import REBUILT, count_down
from artifact_pipelines.catalog.host_clock import check_clock
from artifact_pipelines.catalog.materialization_rows import is_newest_of_its_version
from artifact_pipelines.catalog.tables import (
    file_references,
    files,
    materialization_files,
    materialization_inputs,
    materializations,
    utc_now,
)
from artifact_pipelines.core.types import Amount, AssetSize, FileId, FileState, Garbage, StoragePath

BATCH_FILES = 500
OF_OPS = "outputs of ops"
_NOW = sa.select(utc_now()).scalar_subquery()
_HAS_EXPIRED = file_references.c.expires_at <= _NOW
_IS_REFERENCE = file_references.c.file_id == files.c.file_id
_IS_HELD_AS_REBUILT_ONLY = (
    sa.exists().where(_IS_REFERENCE, file_references.c.holder == REBUILT),
    ~sa.exists().where(_IS_REFERENCE, file_references.c.holder != REBUILT),
)
_GARBAGE: Sequence[sa.Column[Any]] = (
    files.c.file_id,
    files.c.content_hash,
    files.c.size_bytes,
    files.c.state,
    files.c.unreferenced_at,
)


class CollectionCatalog(CatalogSection):
    """Expired leases and garbage, on SQLite and PostgreSQL. Every method is one transaction or more."""

    def expired_leases(self) -> Sequence[FileId]:
        """Return the files of expired leases, one entry a lease."""
        return [FileId(row.file_id) for row in self._rows(sa.select(file_references.c.file_id).where(_HAS_EXPIRED))]

    def reap_leases(self) -> Sequence[FileId]:
        """Drop every expired lease, and return the files they were on, one entry a lease.

        Raises:
            ClockJumpedError: The host's clock has jumped.
        """
        reaped = []
        while (file_id := self._reap_oldest_lease()) is not None:
            reaped.append(file_id)
        return reaped

    @retried
    def _reap_oldest_lease(self) -> FileId | None:
        # One a transaction: it waits for no second row while it holds a first, so it can take part in no deadlock.
        oldest = sa.select(file_references.c.reference_id).where(_HAS_EXPIRED).order_by(file_references.c.expires_at)
        chosen = oldest.limit(1).with_for_update(skip_locked=True).scalar_subquery()
        drop = sa.delete(file_references).where(file_references.c.reference_id == chosen)
        with writing(self._engine) as connection:
            check_clock(connection)
            file_id = connection.execute(drop.returning(file_references.c.file_id)).scalar()
            if file_id is not None:
                count_down(connection, file_id)
        return file_id

    def rebuilt_amount(self) -> Amount:
        """Return how much `release_rebuilt` would release."""
        return self._amount(_IS_HELD_AS_REBUILT_ONLY)

    def release_rebuilt(self) -> int:
        """Release all files that are held only since a lost catalog was refilled. Returns how many.

        Files that another transaction is changing are left out.
        """
        count, last = 0, 0
        while batch := self._release_rebuilt_after(last):
            count += len(batch)
            last = batch[-1]
        return count

    @retried
    def _release_rebuilt_after(self, file_id: int) -> Sequence[int]:
        """Release the next files by ID. Waiting for a busy one while others are locked might be a deadlock."""
        held = sa.select(files.c.file_id).where(files.c.file_id > file_id, *_IS_HELD_AS_REBUILT_ONLY)
        some = held.order_by(files.c.file_id).limit(BATCH_FILES).with_for_update(skip_locked=True)
        with writing(self._engine) as connection:
            chosen = connection.scalars(some).all()
            _drop_rebuilt(connection, chosen)
        return chosen

    @retried
    def garbage(self, grace_s: float, limit: int) -> Sequence[Garbage]:
        """Return files that `collect` would delete now, the longest unheld first."""
        with reading(self._engine) as connection:
            found = sa.select(*_GARBAGE).where(*_is_garbage(grace_s)).order_by(files.c.unreferenced_at, files.c.file_id)
            return _explained(connection, connection.execute(found.limit(limit)).all())

    @retried
    def garbage_after_reaping(self, grace_s: float) -> Sequence[Garbage]:
        """Return further files that `collect` would delete if `reap_leases` ran first."""
        leased = sa.select(file_references.c.file_id).where(_HAS_EXPIRED)
        lasting = sa.exists().where(_IS_REFERENCE, sa.or_(file_references.c.expires_at.is_(None), ~_HAS_EXPIRED))
        # The grace of a stored file begins only when its lease is reaped.
        goes = files.c.state == FileState.PENDING if grace_s > 0 else sa.true()
        columns: Sequence[sa.ColumnElement[Any]] = [*_GARBAGE[:-1], utc_now().label("unreferenced_at")]
        with reading(self._engine) as connection:
            found = sa.select(*columns).where(files.c.file_id.in_(leased), ~lasting, ~_is_input(), goes)
            return _explained(connection, connection.execute(found.order_by(files.c.file_id)).all())

    def garbage_amount(self, grace_s: float) -> Amount:
        """Return how much `collect` would delete now, called until nothing is left to delete."""
        return self._amount(_is_garbage(grace_s))

    def total_amount(self) -> Amount:
        """Return how much the catalog has in all."""
        return self._amount(())

    def stored_amount(self) -> Amount:
        """Return how much of that is stored."""
        return self._amount([files.c.state != FileState.PENDING])

    def sizes_by_asset(self) -> Sequence[AssetSize]:
        """Return how much each asset's kept versions hold, the largest first. Outputs of ops count as one asset."""
        link, made, is_op = materialization_files.c, materializations.c, materializations.c.is_op_output
        asset = sa.case((is_op, OF_OPS), else_=made.asset_key).label("asset")
        version = (asset, made.asset_key, made.partition_key, made.version)
        kept = sa.select(*version, link.position, link.file_id).distinct()
        each = kept.join_from(materialization_files, materializations).where(made.released_at.is_(None)).subquery()
        sums = (
            sa.select(each.c.asset, each.c.asset_key, each.c.partition_key, each.c.version)
            .add_columns(sa.func.sum(files.c.size_bytes).label("size_bytes"))
            .join_from(each, files, files.c.file_id == each.c.file_id)
            .group_by(each.c.asset, each.c.asset_key, each.c.partition_key, each.c.version)
            .subquery()
        )
        total = sa.func.sum(sums.c.size_bytes)
        query = sa.select(sums.c.asset, sa.func.count(), total).group_by(sums.c.asset)
        rows = self._rows(query.order_by(total.desc(), sums.c.asset))
        return [AssetSize(asset, versions, int(size_bytes)) for asset, versions, size_bytes in rows]

    def _amount(self, which: Sequence[sa.ColumnElement[bool]]) -> Amount:
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(files.c.size_bytes), 0)).select_from(files)
        [(count, size_bytes)] = self._rows(query.where(*which))
        return Amount(count, int(size_bytes))

    @retried
    def collect(self, grace_s: float, limit: int) -> Sequence[Garbage]:
        """Delete the rows of files that nothing has held for the grace period, and return at most `limit` of them.

        From then on nothing can come to hold them: a writer of the same content gets a new ID. The caller deletes the
        bytes. A file that was never stored needs no grace: its lease was its grace.

        Raises:
            ClockJumpedError: The host's clock has jumped. Nothing was deleted.
        """
        oldest = sa.select(files.c.file_id).where(*_is_garbage(grace_s)).order_by(files.c.unreferenced_at).limit(limit)
        with writing(self._engine) as connection:
            check_clock(connection)
            # A new holder must change the file's row first. Rows that another transaction is changing wait for the
            # next time; the others are locked from here on, so what was found stays true.
            chosen = connection.scalars(oldest.with_for_update(skip_locked=True)).all()
            gone = sa.delete(files).where(files.c.file_id.in_(chosen), *_is_garbage(grace_s))
            return _explained(connection, connection.execute(gone.returning(*_GARBAGE)).all())

    def known(self, file_ids: Sequence[FileId]) -> Mapping[FileId, str]:
        """Return the content hash of each of these files that the catalog has."""
        query = sa.select(files.c.file_id, files.c.content_hash).where(files.c.file_id.in_(file_ids))
        return {FileId(row.file_id): row.content_hash for row in self._rows(query)}

    def is_leased(self, file_id: FileId) -> bool:
        """True if a lease on a file has not expired: a writer may be putting its bytes."""
        which = (file_references.c.file_id == file_id, file_references.c.expires_at > _NOW)
        return bool(self._rows(sa.select(file_references.c.reference_id).where(*which).limit(1)))


def _drop_rebuilt(connection: sa.Connection, file_ids: Sequence[int]) -> None:
    held = (file_references.c.file_id.in_(file_ids), file_references.c.holder == REBUILT)
    gone = connection.scalars(sa.delete(file_references).where(*held).returning(file_references.c.file_id))
    for file_id, count in sorted(collections.Counter(gone).items()):
        count_down(connection, FileId(file_id), count)


def _is_garbage(grace_s: float) -> tuple[sa.ColumnElement[bool], ...]:
    """The one condition under which a file goes."""
    return (
        files.c.reference_count == 0,
        files.c.unreferenced_at <= _NOW,  # so that an index serves the query
        sa.or_(
            files.c.state == FileState.PENDING,
            files.c.unreferenced_at <= sa.select(utc_now(sa.literal(-float(grace_s)))).scalar_subquery(),
        ),
        ~sa.exists().where(_IS_REFERENCE),
        ~_is_input(),
    )


def _is_input() -> sa.ColumnElement[bool]:
    """True if something kept was made from a file, even if the file was released before that was recorded."""
    link, loaded = materialization_files.c, materialization_inputs.c
    return (
        sa.select(sa.literal(1))
        .join_from(materialization_files, materialization_inputs, loaded.input_id == link.materialization_id)
        .join(materializations, materializations.c.materialization_id == loaded.materialization_id)
        .where(link.file_id == files.c.file_id, materializations.c.released_at.is_(None))
        .where(is_newest_of_its_version(materializations))
        .correlate(files)
        .exists()
    )


def _explained(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> Sequence[Garbage]:
    """Add the last owner of each file that nothing holds, and why it no longer holds the file."""
    now = connection.execute(sa.select(utc_now())).scalar_one()
    link = materialization_files
    newest = sa.select(link.c.file_id, sa.func.max(link.c.materialization_id).label("owner_id"))
    owned = newest.where(link.c.file_id.in_([row.file_id for row in rows])).group_by(link.c.file_id).subquery()
    query = sa.select(owned.c.file_id, materializations).join_from(
        owned, materializations, materializations.c.materialization_id == owned.c.owner_id
    )
    owners = {row.file_id: row for row in connection.execute(query)}
    return [_garbage_from(row, owners.get(row.file_id), (now - row.unreferenced_at).total_seconds()) for row in rows]


def _garbage_from(row: sa.Row[Any], owner: sa.Row[Any] | None, age_s: float) -> Garbage:
    if owner is not None:
        reason = owner.release_reason or "released"
    else:
        reason = "writer never finished" if row.state == FileState.PENDING else "released by its caller"
    return Garbage(
        file_id=FileId(row.file_id),
        storage_path=StoragePath(row.content_hash, FileId(row.file_id)),
        size_bytes=row.size_bytes,
        unreferenced_at=row.unreferenced_at,
        age_s=age_s,
        asset=owner.asset_key if owner else None,
        partition=owner.partition_key if owner else None,
        run_id=owner.run_id if owner else None,
        version=owner.version if owner else None,
        reason=reason,
    )
