"""Retention in the catalog: policies, versions as wholes, releases, wipes, and taking both back.

One idea: a release drops references and keeps the history. Until the files are collected it can be taken back.
"""

import collections
import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.current import end_current, insert_copy
from artifact_pipelines.catalog.engine import CatalogSection, in_batches, reading, retried, writing
from artifact_pipelines.catalog.exceptions import CollectedVersionsError, NothingToRestoreError
from artifact_pipelines.catalog.files import count_down, hold_again, lock_files
from artifact_pipelines.catalog.materialization_rows import (
    AS_HOLDER,
    holder_of,
    is_newest_of_its_version,
    lock_asset,
    of_asset,
)
from artifact_pipelines.catalog.recording import remember_policies
from artifact_pipelines.catalog.tables import (
    file_references,
    files,
    followed_wipes,
    materialization_files,
    materialization_inputs,
    materializations,
    retention_policies,
    tags,
    utc_now,
)
from artifact_pipelines.core.retention import RetentionPolicy, Use, Version, VersionName
from artifact_pipelines.core.types import Publication

_TABLE = materializations.c
_ID = _TABLE.materialization_id
_IS_KEPT = _TABLE.released_at.is_(None)
_OF_A_VERSION = (  # not the schema and the metadata, which may be large
    _ID,
    _TABLE.partition_key,
    _TABLE.version,
    _TABLE.run_id,
    _TABLE.created_at,
    _TABLE.is_current,
    _TABLE.pinned_at,
    _TABLE.wiped_at,
    _TABLE.publication,
    _TABLE.publication_reason,
    _TABLE.is_op_output,
)


class RetentionCatalog(CatalogSection):
    """Retention on SQLite and PostgreSQL. Every method is one transaction."""

    def now(self) -> datetime:
        """Return the time, by the database's clock."""
        now: datetime = self._rows(sa.select(utc_now()))[0][0]
        return now

    def policies(self) -> Mapping[str, RetentionPolicy]:
        """Return the policy of every asset that has one."""
        return {row.asset_key: RetentionPolicy(**row.policy) for row in self._rows(sa.select(retention_policies))}

    @retried
    def set_policy(self, asset: str, policy: RetentionPolicy | None) -> None:
        """Remember an asset's policy, or that it has none."""
        with writing(self._engine) as connection:
            lock_asset(connection, asset)
            remember_policies(connection, {asset: policy})

    def wiped_assets(self) -> Sequence[str]:
        """Return the assets with wiped materializations that are not released."""
        wiped = sa.select(_TABLE.asset_key).where(_TABLE.wiped_at.is_not(None), _IS_KEPT)
        return [row.asset_key for row in self._rows(wiped.distinct())]

    def outputs_of_ops(self, older_than_s: float) -> Sequence[str]:
        """Return the names of kept outputs of ops that are no assets and were made at least so many seconds ago."""
        is_old = _TABLE.created_at < utc_now(sa.literal(-older_than_s))
        outputs = sa.select(_TABLE.asset_key).where(_IS_KEPT, _TABLE.is_op_output, is_old)
        return [row.asset_key for row in self._rows(outputs.distinct())]

    @retried
    def versions(self, asset: str) -> Sequence[Version]:
        """Return the kept versions of all partitions of an asset, oldest first."""
        which = (_TABLE.asset_key == asset, _IS_KEPT)
        link = materialization_files
        sizes = (
            sa.select(link.c.materialization_id, sa.func.sum(files.c.size_bytes).label("size_bytes"))
            .join_from(link, materializations, link.c.materialization_id == _ID)
            .join(files, files.c.file_id == link.c.file_id)
            .where(*which)
            .group_by(link.c.materialization_id)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(*_OF_A_VERSION).where(*which).order_by(_ID)).all()
            size_of = {row.materialization_id: int(row.size_bytes) for row in connection.execute(sizes)}
            tagged = connection.execute(sa.select(tags).where(tags.c.asset_key == asset).order_by(tags.c.name)).all()
        versions: dict[VersionName, list[Any]] = {}
        for row in rows:
            versions.setdefault(VersionName(asset, row.partition_key, row.version), []).append(row)
        tags_of: dict[int, list[str]] = {}
        for tag in tagged:
            tags_of.setdefault(tag.materialization_id, []).append(tag.name)
        return [_version_from(name, made, tags_of, size_of) for name, made in versions.items()]

    def uses(self, asset: str) -> Sequence[Use]:
        """Return which kept versions of any asset were made, most recently, from kept versions of this one."""
        made = materializations.alias()
        query = (
            sa.select(
                made.c.asset_key,
                made.c.partition_key,
                made.c.version,
                _TABLE.partition_key,
                _TABLE.version,
            )
            .join_from(materializations, materialization_inputs, materialization_inputs.c.input_id == _ID)
            .join(made, made.c.materialization_id == materialization_inputs.c.materialization_id)
            .where(_TABLE.asset_key == asset, _IS_KEPT, made.c.released_at.is_(None))
            .where(is_newest_of_its_version(made))
            .distinct()
        )
        return [Use(VersionName(*row[:3]), VersionName(asset, *row[3:])) for row in self._rows(query)]

    @retried
    def release(self, name: VersionName, reason: str) -> bool:
        """Release a version: its materializations no longer hold their files. Returns whether that was done.

        It is not done while the version is current, pinned, tagged, or an input of another kept version, whatever was
        true when the caller decided. The output of an op may be current: nothing ever takes its place.
        """
        with writing(self._engine) as connection:
            lock_asset(connection, name.asset)
            ids = _kept_ids(name)
            exists, is_needed = connection.execute(sa.select(ids.exists(), _is_needed(ids))).one()
            if is_needed or not exists:
                return False
            _drop_references(connection, ids)
            end_current(connection, [_ID.in_(ids)], utc_now())
            released = sa.update(materializations).where(_ID.in_(ids))
            connection.execute(released.values(released_at=utc_now(), release_reason=reason))
        return True

    def wipeable(self, asset: str) -> Mapping[int, str | None]:
        """Return the materializations that a wipe of an asset would take now, each with the run that made it."""
        query = sa.select(_ID, _TABLE.run_id).where(*_can_be_wiped(asset))
        return {row.materialization_id: row.run_id for row in self._rows(query)}

    @retried
    def wipe(
        self,
        asset: str,
        except_runs: Collection[str] = (),
        up_to: int | None = None,
        happened_at: datetime | None = None,
    ) -> int:
        """Note that an asset was wiped: nothing of it is current any longer. Returns how many materializations.

        The next retention decision releases the wiped materializations, unless something else keeps them.

        Args:
            asset: Asset key.
            except_runs: Leave materializations of these runs alone: they were made after the wipe.
            up_to: Leave materializations with a higher ID alone: nobody looked at the runs that made them.
            happened_at: Time that Dagster noted. It names the wipe: the same wipe does nothing a second time.
        """
        which = list(_can_be_wiped(asset))
        if except_runs:
            which.append(sa.or_(_TABLE.run_id.is_(None), _TABLE.run_id.not_in(except_runs)))
        if up_to is not None:
            which.append(up_to >= _ID)
        with writing(self._engine) as connection:
            lock_asset(connection, asset)
            if happened_at is not None and not _note_wipe(connection, asset, happened_at):
                return 0
            now = connection.execute(sa.select(utc_now())).scalar_one()  # one time for all: they are restored together
            end_current(connection, which, now)
            return connection.execute(sa.update(materializations).where(*which).values(wiped_at=now)).rowcount

    @retried
    def restore(self, asset: str, partition: str | None = None, version: int | None = None) -> Sequence[VersionName]:
        """Take back the last wipe of an asset, or the wipe or release of one version; return the restored versions.

        Where nothing is current, the restored version that was current last becomes current again from now on, as
        after a rollback to it. The gap in between stays known.

        Args:
            asset: Asset key.
            partition: Only this partition; with a version, the partition of that version.
            version: Number of the version; None: everything that the last wipe took.

        Raises:
            NothingToRestoreError: Nothing like that was wiped or released.
            CollectedVersionsError: Some of the files are collected already. Nothing was restored.
        """
        with writing(self._engine) as connection:
            lock_asset(connection, asset)
            rows = _lost(connection, asset, partition, version)
            if not rows:
                raise NothingToRestoreError(asset, partition, version)
            owned = _owned_files(connection, [row.materialization_id for row in rows])
            lock_files(connection, sorted(set(itertools.chain(*owned.values()))))
            released = {row.materialization_id: row.version for row in rows if row.released_at}
            collected = {v for id_, v in released.items() if not hold_again(connection, owned[id_], holder_of(id_))}
            if collected:
                left = sorted({row.version for row in rows} - collected)
                raise CollectedVersionsError(asset, [str(v) for v in sorted(collected)], [str(v) for v in left])
            back = sa.update(materializations).values(wiped_at=None, released_at=None, release_reason=None)
            for some in in_batches([row.materialization_id for row in rows]):
                connection.execute(back.where(_ID.in_(some)))
            _make_latest_current(connection, rows)
        names = {VersionName(asset, row.partition_key, row.version) for row in rows}
        return sorted(names, key=lambda name: (name.partition or "", name.version))


def _version_from(
    name: VersionName, made: Sequence[Any], tags_of: Mapping[int, Sequence[str]], size_of: Mapping[int, int]
) -> Version:
    return Version(
        name=name,
        made_at=tuple(row.created_at for row in made),
        is_current=any(row.is_current for row in made),
        is_pinned=any(row.pinned_at for row in made),
        is_wiped=all(row.wiped_at for row in made),
        publication=Publication(made[-1].publication),
        publication_reason=made[-1].publication_reason,
        is_op_output=made[-1].is_op_output,
        tags=tuple(tag for row in made for tag in tags_of.get(row.materialization_id, ())),
        run_id=made[-1].run_id,
        size_bytes=max(size_of.get(row.materialization_id, 0) for row in made),
    )


def _can_be_wiped(asset: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (_TABLE.asset_key == asset, _IS_KEPT, _TABLE.wiped_at.is_(None))


def _note_wipe(connection: sa.Connection, asset: str, happened_at: datetime) -> bool:
    """Remember a wipe; False if it is remembered already. Times are compared for equality, never for order."""
    table = followed_wipes.c
    same = sa.select(table.asset_key).where(table.asset_key == asset, table.happened_at == happened_at)
    if connection.execute(same).first() is not None:
        return False
    connection.execute(sa.insert(followed_wipes).values(asset_key=asset, happened_at=happened_at))
    return True


def _kept_ids(name: VersionName) -> sa.Select[tuple[int]]:
    """Select the IDs of a version's kept materializations: there may be more than a statement takes values."""
    kept = materializations.alias("kept").c
    is_it = kept.partition_key.is_(None) if name.partition is None else kept.partition_key == name.partition
    which = (kept.asset_key == name.asset, is_it, kept.version == name.version, kept.released_at.is_(None))
    return sa.select(kept.materialization_id).where(*which)


def _is_needed(ids: sa.Select[tuple[int]]) -> sa.ColumnElement[bool]:
    """True if kept materializations of one version are current, pinned, tagged, or inputs of another version."""
    is_held = sa.or_(sa.and_(_TABLE.is_current, ~_TABLE.is_op_output), _TABLE.pinned_at.is_not(None))
    loaded = materialization_inputs.c
    user = materializations.alias()
    used = (
        sa.select(sa.literal(1))
        .join_from(materialization_inputs, user, user.c.materialization_id == loaded.materialization_id)
        .where(loaded.input_id.in_(ids), user.c.released_at.is_(None), user.c.materialization_id.not_in(ids))
        .where(is_newest_of_its_version(user))
    )
    return sa.or_(
        sa.exists().where(_ID.in_(ids), is_held),
        sa.exists().where(tags.c.materialization_id.in_(ids)),
        used.exists(),
    )


def _drop_references(connection: sa.Connection, ids: sa.Select[tuple[int]]) -> None:
    owned = sa.select(materialization_files.c.file_id).where(materialization_files.c.materialization_id.in_(ids))
    holders = sa.select(AS_HOLDER).where(_ID.in_(ids))
    held = sa.delete(file_references).where(file_references.c.file_id.in_(owned), file_references.c.holder.in_(holders))
    counts = collections.Counter(connection.scalars(held.returning(file_references.c.file_id)))
    lock_files(connection, sorted(counts))
    for file_id, count in counts.items():
        count_down(connection, file_id, count)


def _lost(connection: sa.Connection, asset: str, partition: str | None, version: int | None) -> Sequence[sa.Row[Any]]:
    """Return the materializations to restore, oldest first."""
    query = sa.select(materializations).order_by(_ID)
    if version is not None:
        is_lost = sa.or_(_TABLE.released_at.is_not(None), _TABLE.wiped_at.is_not(None))
        return connection.execute(query.where(*of_asset(asset, partition), _TABLE.version == version, is_lost)).all()
    query = query.where(_TABLE.asset_key == asset, _TABLE.wiped_at.is_not(None))
    if partition is not None:
        query = query.where(_TABLE.partition_key == partition)
    rows = connection.execute(query).all()
    last: dict[str | None, datetime] = {}
    for row in rows:
        last[row.partition_key] = max(row.wiped_at, last.get(row.partition_key, row.wiped_at))
    return [row for row in rows if row.wiped_at == last[row.partition_key]]


def _owned_files(connection: sa.Connection, ids: Sequence[int]) -> Mapping[int, Sequence[int]]:
    """Return the IDs of the files that materializations have or had."""
    link, owned = materialization_files.c, collections.defaultdict[int, list[int]](list)
    query = sa.select(link.materialization_id, link.file_id)
    for some in in_batches(ids):
        for row in connection.execute(query.where(link.materialization_id.in_(some))):
            owned[row.materialization_id].append(row.file_id)
    return owned


def _make_latest_current(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> None:
    """Make the row of each partition that was current last current again, as a new row: the history stays as it was."""
    published = [row for row in rows if row.publication == Publication.PUBLISHED]
    published.sort(key=lambda row: (row.current_since, row.materialization_id))  # a candidate may be published late
    for row in {row.partition_key: row for row in published}.values():
        has_current = sa.select(_ID).where(*of_asset(row.asset_key, row.partition_key), _TABLE.is_current)
        if connection.execute(has_current.limit(1)).first() is None:
            insert_copy(connection, row.materialization_id)
