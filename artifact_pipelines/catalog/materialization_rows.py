"""Rows of materializations: how every part of the catalog selects and reads them inside its transaction."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.asset_names import never_materialized
from artifact_pipelines.catalog.exceptions import UnknownVersionError
from artifact_pipelines.catalog.files import TYPES, file_from
from artifact_pipelines.catalog.hot_path import Prepared, is_among
from artifact_pipelines.catalog.tables import files, materialization_files, materializations
from artifact_pipelines.core.exceptions import NotFoundError
from artifact_pipelines.core.types import FileInfo, Materialization, Publication

_ID = materializations.c.materialization_id
_VERSION = materializations.c.version
_PARTITION = materializations.c.partition_key
HOLDER_PREFIX = "materialization:"
AS_HOLDER = sa.literal(HOLDER_PREFIX) + sa.cast(_ID, sa.Text)
"""The holder that each materialization is, in SQL; `holder_of` is the same in Python."""
_OTHER_NAMES = {"asset", "partition", "files", "publication"}
_SAME_NAMES = {field.name for field in dataclasses.fields(Materialization)} - _OTHER_NAMES

_ROWS = Prepared(sa.select(materializations).where(is_among(_ID, "ids")))
_OWNED_FILES = Prepared(
    sa.select(
        files,
        materialization_files.c.materialization_id.label("owner_id"),
        *(materialization_files.c[name].label(f"own_{name}") for name in TYPES),
    )
    .join_from(materialization_files, files, materialization_files.c.file_id == files.c.file_id)
    .where(is_among(materialization_files.c.materialization_id, "owner_ids"))
    .order_by(materialization_files.c.materialization_id, materialization_files.c.position)
)


def of_asset(asset: str, partition: str | None) -> list[sa.ColumnElement[bool]]:
    """Select an asset and one partition of it; None: the asset is not partitioned."""
    column = materializations.c.partition_key
    return [materializations.c.asset_key == asset, column.is_(None) if partition is None else column == partition]


def of_partitions(asset: str, partitions: Sequence[str | None]) -> list[sa.ColumnElement[bool]]:
    """Select an asset and some of its partitions, a few hundred at most; `[None]`: the asset is not partitioned."""
    if list(partitions) == [None]:
        return of_asset(asset, None)
    return [materializations.c.asset_key == asset, _PARTITION.in_([p for p in partitions if p is not None])]


def select_materializations(
    connection: sa.Connection,
    which: Sequence[sa.ColumnElement[bool]],
    limit: int,
    order: Sequence[sa.ColumnElement[Any]] = (_ID.desc(),),
) -> Sequence[Materialization]:
    """Read materializations, newest first by default, and their files with one more query."""
    rows = connection.execute(sa.select(materializations).where(*which).order_by(*order).limit(limit)).all()
    return with_files(connection, rows)


def with_files(connection: sa.Connection, rows: Sequence[Any]) -> Sequence[Materialization]:
    """Return the materializations of rows, with their files."""
    owned: dict[int, list[Any]] = {}
    # By ID: the condition that found the rows may find others by now.
    for row in _OWNED_FILES.run(connection, owner_ids=[row.materialization_id for row in rows]) if rows else ():
        owned.setdefault(row.owner_id, []).append(row)
    return [_materialization_from(row, owned.get(row.materialization_id, [])) for row in rows]


def _materialization_from(row: Any, file_rows: Sequence[Any]) -> Materialization:
    return Materialization(
        asset=row.asset_key,
        partition=row.partition_key,
        files=tuple(_owned_file_from(file_row) for file_row in file_rows),
        publication=Publication(row.publication),
        **{name: getattr(row, name) for name in _SAME_NAMES},
    )


def _owned_file_from(row: Any) -> FileInfo:
    return dataclasses.replace(file_from(row), **{name: getattr(row, f"own_{name}") for name in TYPES})


def newest(connection: sa.Connection, which: Sequence[sa.ColumnElement[bool]]) -> Materialization | None:
    """Return the newest of the selected materializations, if there is one."""
    found = select_materializations(connection, which, limit=1)
    return found[0] if found else None


def materializations_of(connection: sa.Connection, ids: Sequence[int]) -> Sequence[Materialization]:
    """Return the materializations with some IDs, in no order."""
    return with_files(connection, _ROWS.run(connection, ids=ids)) if ids else ()


def materialization_of(connection: sa.Connection, materialization_id: int) -> Materialization:
    """Return the materialization with an ID, which must exist."""
    [found] = materializations_of(connection, [materialization_id])
    return found


def highest_version(connection: sa.Connection, which: Sequence[sa.ColumnElement[bool]]) -> int:
    """Return the highest version number given so far, also to versions that are gone: no number is used twice."""
    # Ordered by the one partition too: PostgreSQL walks an index only in an order that is the index's own.
    highest = sa.select(_VERSION).where(*which).order_by(_PARTITION.desc(), _VERSION.desc()).limit(1)
    return connection.execute(highest).scalar() or 0


def missing_version(connection: sa.Connection, asset: str, partition: str | None, version: int | None) -> NotFoundError:
    """Return the error for a version that an asset or partition does not have; None: it has no current one."""
    highest = highest_version(connection, of_asset(asset, partition))
    if version is None or not highest:
        return never_materialized(connection, asset, partition)
    return UnknownVersionError(asset, version, highest, partition)


def is_newest_of_its_version(made: sa.FromClause) -> sa.ColumnElement[bool]:
    """True if a materialization is the last one of its version: only its inputs are needed to make that again."""
    later = materializations.alias()
    same = (
        later.c.asset_key == made.c.asset_key,
        later.c.partition_key.is_not_distinct_from(made.c.partition_key),
        later.c.version == made.c.version,
        later.c.materialization_id > made.c.materialization_id,
    )
    return ~sa.exists().where(*same)


def holder_of(materialization_id: int) -> str:
    """Return the name under which a materialization holds its files."""
    return f"{HOLDER_PREFIX}{materialization_id}"


def lock_asset(connection: sa.Connection, asset: str) -> None:
    """Let one transaction at a time change an asset. On SQLite every writing transaction is alone already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(asset, 0))))
