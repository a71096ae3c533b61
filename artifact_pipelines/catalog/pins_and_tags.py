"""Pins and tags: whatever retention decides, a version with a pin or a tag is kept."""

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import CatalogSection, retried, writing
from artifact_pipelines.catalog.exceptions import NotPinnedError, UnknownTagError
from artifact_pipelines.catalog.materialization_rows import lock_asset, missing_version, of_asset
from artifact_pipelines.catalog.tables import materializations, tags, utc_now
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import DatasetVersion

_TAG = re.compile(r"(?!v[0-9]+$)[A-Za-z][A-Za-z0-9_.-]{0,62}", re.ASCII)
_TABLE = materializations.c


class PinAndTagCatalog(CatalogSection):
    """Pins and tags on SQLite and PostgreSQL. Every method is one transaction.

    A version is named by asset, partition and number; without a number it is the current one, unless a method says
    otherwise.

    Raises:
        NeverMaterializedError: The asset or partition holds nothing.
        UnknownVersionError: It has no version of that number, or no longer has it.
    """

    def pin(self, asset: str, partition: str | None = None, version: int | None = None) -> VersionName:
        """Keep a version until it is unpinned, and return its name."""
        return self._set_pinned_at(asset, partition, version, utc_now())

    def unpin(self, asset: str, partition: str | None = None, version: int | None = None) -> VersionName:
        """Let retention decide on a version again, and return its name. Without a number, it is the pinned one.

        Unpinning a version that has no pin is no error.

        Raises:
            NotPinnedError: No number is given, and no version is pinned.
            InvalidArgumentError: No number is given, and several versions are pinned.
        """
        if version is None:
            version = self._pinned(asset, partition)
        return self._set_pinned_at(asset, partition, version, None)

    def _pinned(self, asset: str, partition: str | None) -> int:
        which = [*of_asset(asset, partition), _TABLE.pinned_at.is_not(None), _TABLE.released_at.is_(None)]
        pinned = [row.version for row in self._rows(sa.select(_TABLE.version).where(*which).distinct())]
        if not pinned:
            raise NotPinnedError(asset, partition)
        if len(pinned) > 1:
            numbers = ", ".join(map(str, sorted(pinned)))
            raise InvalidArgumentError("version", None, f"one of the pinned versions of {asset}: {numbers}")
        return int(pinned[0])

    @retried
    def _set_pinned_at(self, asset: str, partition: str | None, version: int | None, at: object) -> VersionName:
        with writing(self._engine) as connection:
            lock_asset(connection, asset)
            made = _kept(connection, asset, partition, version)
            ids = [row.materialization_id for row in made]
            pin = sa.update(materializations).where(_TABLE.materialization_id.in_(ids))
            connection.execute(pin.values(pinned_at=at))
        return VersionName(asset, partition, made[0].version)

    @retried
    def tag(self, asset: str, name: str, partition: str | None = None, version: int | None = None) -> VersionName:
        """Give a version a tag, and return its name. A tag that another version of the asset or partition has moves.

        Raises:
            InvalidArgumentError: The tag is not a word that begins with a letter, or it is the number of a version.
        """
        _check_tag(name)
        with writing(self._engine) as connection:
            return _move_tag(connection, name, asset, partition, version)

    @retried
    def tag_dataset(self, version: DatasetVersion, name: str) -> None:
        """Give a version of a dataset a tag, its raw content and its table; it leaves the version that has it.

        Raises:
            InvalidArgumentError: See `tag`.
        """
        _check_tag(name)
        with writing(self._engine) as connection:
            _move_tag(connection, name, version.raw.asset, version.partition, version.raw.version)
            table = f"{version.dataset}/table"
            if version.table is None:
                _remove_tag(connection, name, table, version.partition)
            else:
                _move_tag(connection, name, table, version.partition, version.table.version)

    @retried
    def untag_dataset(self, version: DatasetVersion, name: str) -> None:
        """Remove a tag from a version of a dataset, its raw content and any table. A missing one is no error."""
        with writing(self._engine) as connection:
            for asset in (version.raw.asset, f"{version.dataset}/table"):
                _remove_tag(connection, name, asset, version.partition)

    @retried
    def untag(self, asset: str, name: str, partition: str | None = None) -> None:
        """Remove a tag.

        Raises:
            UnknownTagError: No version of the asset or partition has it.
        """
        with writing(self._engine) as connection:
            if not _remove_tag(connection, name, asset, partition):
                known = sa.select(tags.c.name).where(*_tag(asset, partition)).order_by(tags.c.name)
                raise UnknownTagError(asset, name, connection.scalars(known).all(), partition)


def _check_tag(name: object) -> None:
    if not isinstance(name, str) or not _TAG.fullmatch(name):
        rest = "that begins with a letter; v1, v2, … are the numbers of versions"
        raise InvalidArgumentError("tag", name, f"a word of letters, digits, '_', '.' and '-' {rest}")


def _move_tag(
    connection: sa.Connection, name: str, asset: str, partition: str | None, version: int | None
) -> VersionName:
    _remove_tag(connection, name, asset, partition)
    newest = _kept(connection, asset, partition, version)[0]
    values = {"asset_key": asset, "partition_key": partition, "name": name}
    connection.execute(sa.insert(tags).values(**values, materialization_id=newest.materialization_id))
    return VersionName(asset, partition, newest.version)


def _remove_tag(connection: sa.Connection, name: str, asset: str, partition: str | None) -> bool:
    """Remove a tag of an asset, which stays locked, and return whether there was one."""
    lock_asset(connection, asset)
    return connection.execute(sa.delete(tags).where(*_tag(asset, partition, name))).rowcount > 0


def _tag(asset: str, partition: str | None, name: str | None = None) -> list[sa.ColumnElement[bool]]:
    which = [tags.c.asset_key == asset, tags.c.partition_key.is_not_distinct_from(partition)]
    return which if name is None else [*which, tags.c.name == name]


def _kept(connection: sa.Connection, asset: str, partition: str | None, version: int | None) -> Sequence[sa.Row[Any]]:
    """Return the kept materializations of a version, newest first."""
    this = of_asset(asset, partition)
    if version is None:
        version = connection.execute(sa.select(_TABLE.version).where(*this, _TABLE.is_current)).scalar()
    kept = sa.select(materializations).where(*this, _TABLE.released_at.is_(None), _TABLE.version == version)
    rows = connection.execute(kept.order_by(_TABLE.materialization_id.desc())).all()
    if not rows:
        raise missing_version(connection, asset, partition, version)
    return rows
