"""Verification's questions to the catalog: which files come next, and where rows contradict each other.

One idea: each question is one statement, so it sees one state of the catalog. Writers change counts and references in
one transaction, so no question sees half of a change and reports it as an error.
"""

import datetime
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import CatalogSection, retried, writing
from artifact_pipelines.catalog.files import file_from
from artifact_pipelines.catalog.materialization_rows import AS_HOLDER, HOLDER_PREFIX
from artifact_pipelines.catalog.tables import (
    file_references,
    files,
    materialization_files,
    materializations,
    utc_now,
)
from artifact_pipelines.core.findings import Finding, FindingKind
from artifact_pipelines.core.types import FileId, FileInfo, FileState
from artifact_pipelines.core.wording import counted

_IS_STORED = files.c.state != FileState.PENDING
_holder = file_references.c.holder
_materialization_id = materializations.c.materialization_id
_HOLDERS_SHOWN = 20


class AuditCatalog(CatalogSection):
    """Questions of verification and repairs, on SQLite and PostgreSQL."""

    def files_to_verify(self, batch: int = 500) -> Iterator[FileInfo]:
        """Yield every stored file once: first those never verified, by ID, then the least recently verified.

        No transaction is open between two files. Files that are stored or verified from now on are left out; "now"
        is the millisecond of the database's clock.
        """
        [(started_at, newest)] = self._rows(sa.select(utc_now(), sa.func.coalesce(sa.func.max(files.c.file_id), 0)))
        last: FileInfo | None = None
        while found := self._never_verified(newest, last, batch):
            yield from found
            last = found[-1]
        last = None
        while found := self._verified_before(started_at, last, batch):
            yield from found
            last = found[-1]

    def damaged_files(self, limit: int = 100) -> Sequence[FileInfo]:
        """Return files whose bytes are known to be missing or wrong, by ID."""
        damaged = sa.select(files).where(files.c.state == FileState.DAMAGED).order_by(files.c.file_id)
        return self._files(damaged.limit(limit))

    def _never_verified(self, newest: int, last: FileInfo | None, batch: int) -> Sequence[FileInfo]:
        file_id = files.c.file_id
        query = sa.select(files).where(_IS_STORED, files.c.verified_at.is_(None), file_id <= newest)
        if last is not None:
            query = query.where(file_id > last.file_id)
        return self._files(query.order_by(file_id).limit(batch))

    def _verified_before(self, started_at: datetime.datetime, last: FileInfo | None, batch: int) -> Sequence[FileInfo]:
        at, file_id = files.c.verified_at, files.c.file_id
        query = sa.select(files).where(_IS_STORED, at < started_at)
        if last is not None:
            # The first condition follows from the second: it is the one that an index serves.
            query = query.where(at >= last.verified_at, sa.or_(at > last.verified_at, file_id > last.file_id))
        return self._files(query.order_by(at, file_id).limit(batch))

    def _files(self, query: sa.Select[Any]) -> Sequence[FileInfo]:
        return [file_from(row) for row in self._rows(query)]

    @retried
    def mark_verified(self, found: Sequence[FileInfo]) -> None:
        """Note that the bytes of files are intact; the files were looked up before they were read.

        Damaged files become stored again. A file whose row another transaction is changing stays as it is.
        """
        with writing(self._engine) as connection:
            for state in (FileState.STORED, FileState.DAMAGED):
                ids = [file.file_id for file in found if file.state == state]
                # Waiting for a second row while holding a first could deadlock.
                free = sa.select(files.c.file_id).where(files.c.file_id.in_(ids), files.c.state == state)
                chosen = connection.scalars(free.with_for_update(skip_locked=True)).all()
                verified = sa.update(files).where(files.c.file_id.in_(chosen))
                connection.execute(verified.values(verified_at=utc_now(), state=FileState.STORED))

    def hit_by(self, file_id: FileId) -> Sequence[str]:
        """Return up to 20 holders of a file: assets with partition and version, other holders by their name."""
        query = (
            sa.select(
                _holder, materializations.c.asset_key, materializations.c.partition_key, materializations.c.version
            )
            .join_from(file_references, materializations, _materialization_id == _holding_id(), isouter=True)
            .where(file_references.c.file_id == file_id)
            .order_by(file_references.c.reference_id.desc())
            .limit(_HOLDERS_SHOWN)
        )
        return list(dict.fromkeys(map(_holder_text, self._rows(query))))

    def wrong_counts(self) -> Sequence[Finding]:
        """Return the files whose `reference_count` is not the number of their references."""
        counted = sa.func.count(file_references.c.reference_id)
        query = (
            sa.select(files.c.file_id, files.c.reference_count, counted.label("counted"))
            .join_from(files, file_references, isouter=True)
            .group_by(files.c.file_id)
            .having(files.c.reference_count != counted)
            .order_by(files.c.file_id)
        )
        return [
            Finding(
                FindingKind.WRONG_COUNT, r.file_id, "catalog", _references(r.counted), _references(r.reference_count)
            )
            for r in self._rows(query)
        ]

    def references_of_nothing(self) -> Sequence[Finding]:
        """Return the references of materializations that do not exist or were released."""
        is_gone = sa.or_(_materialization_id.is_(None), materializations.c.released_at.is_not(None))
        query = (
            sa.select(file_references.c.file_id, _holder, materializations.c.released_at)
            .join_from(file_references, materializations, _materialization_id == _holding_id(), isouter=True)
            .where(_holding_id().is_not(None), is_gone)
            .order_by(file_references.c.reference_id)
        )
        return [
            Finding(
                FindingKind.HELD_BY_NOTHING,
                r.file_id,
                r.holder,
                "a materialization that is kept",
                "one that was released" if r.released_at else "none",
            )
            for r in self._rows(query)
        ]

    def unheld_materializations(self) -> Sequence[Finding]:
        """Return the kept materializations that no longer hold one of their files, or whose file has no row."""
        link, holder = materialization_files, AS_HOLDER
        held = sa.exists().where(file_references.c.file_id == link.c.file_id, _holder == holder)
        query = (
            sa.select(
                link.c.file_id,
                holder.label("holder"),
                materializations.c.asset_key,
                materializations.c.partition_key,
                materializations.c.version,
                files.c.file_id.label("known_id"),
            )
            .join_from(link, materializations, link.c.materialization_id == _materialization_id)
            .join(files, files.c.file_id == link.c.file_id, isouter=True)
            .where(materializations.c.released_at.is_(None), ~held)
            .order_by(_materialization_id, link.c.position)
        )
        return [
            Finding(
                FindingKind.UNHELD if r.known_id else FindingKind.LOST,
                r.file_id,
                r.holder,
                "a reference on its file",
                "none" if r.known_id else "no such file",
                [_holder_text(r)],
            )
            for r in self._rows(query)
        ]

    def lost_files(self) -> Collection[FileId]:
        """Return the files of kept materializations that have no row: only their bytes are left."""
        link = materialization_files
        query = (
            sa.select(link.c.file_id)
            .join_from(link, materializations, link.c.materialization_id == _materialization_id)
            .join(files, files.c.file_id == link.c.file_id, isouter=True)
            .where(materializations.c.released_at.is_(None), files.c.file_id.is_(None))
        )
        return {FileId(row.file_id) for row in self._rows(query)}

    @retried
    def recount(self, file_id: FileId) -> None:
        """Set a file's count to the number of its references."""
        with writing(self._engine) as connection:
            _lock(connection, file_id)
            _recount(connection, file_id)

    @retried
    def drop_reference_of_nothing(self, file_id: FileId, holder: str) -> None:
        """Drop the references of a holder on a file, unless the holder is a kept materialization by now."""
        kept = sa.exists().where(_materialization_id == _holding_id(), materializations.c.released_at.is_(None))
        drop = sa.delete(file_references).where(
            file_references.c.file_id == file_id, _holder == holder, _holding_id().is_not(None), ~kept
        )
        with writing(self._engine) as connection:
            _lock(connection, file_id)
            connection.execute(drop)
            _recount(connection, file_id)

    @retried
    def hold_again(self, file_id: FileId, holder: str) -> None:
        """Give a kept materialization its missing reference on its file back, if both exist."""
        held = sa.exists().where(file_references.c.file_id == file_id, _holder == holder)
        kept = sa.select(sa.literal(1)).where(
            _materialization_id == int(holder.removeprefix(HOLDER_PREFIX)),
            materializations.c.released_at.is_(None),
            ~held,
        )
        with writing(self._engine) as connection:
            if _lock(connection, file_id) and connection.execute(kept).first():
                connection.execute(sa.insert(file_references).values(file_id=file_id, holder=holder))
                _recount(connection, file_id)


def _holding_id() -> sa.ColumnElement[int]:
    """The ID of the materialization that a reference names as its holder; null for other holders."""
    number = sa.func.substr(_holder, len(HOLDER_PREFIX) + 1)
    return sa.case((_holder.regexp_match(f"^{HOLDER_PREFIX}[0-9]{{1,18}}$"), sa.cast(number, sa.BigInteger)))


def _lock(connection: sa.Connection, file_id: FileId) -> bool:
    """Lock a file's count, so that later statements see all that was committed before. False if it is gone."""
    query = sa.select(files.c.file_id).where(files.c.file_id == file_id).with_for_update()
    return connection.execute(query).first() is not None


def _recount(connection: sa.Connection, file_id: FileId) -> None:
    held = sa.select(sa.func.count()).where(file_references.c.file_id == file_id)
    count = int(connection.execute(held).scalar_one())
    unheld_since = None if count else sa.func.coalesce(files.c.unreferenced_at, utc_now())
    corrected = sa.update(files).where(files.c.file_id == file_id)
    connection.execute(corrected.values(reference_count=count, unreferenced_at=unheld_since))


def _holder_text(row: Any) -> str:
    if row.asset_key is None:
        return str(row.holder)
    partition = f" [{row.partition_key}]" if row.partition_key is not None else ""
    return f"{row.asset_key}{partition} version {row.version}"


def _references(count: int) -> str:
    return counted(count, "reference")
