"""What retention reads and changes: policies, versions as wholes, releases, wipes, and taking both back.

One idea: a release drops references and keeps the history. Until the files are collected it can be taken back.
"""

import collections
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.clock import utc_now
from artifact_pipelines.catalog.engine import reading, writing
from artifact_pipelines.catalog.exceptions import CollectedVersionsError, NothingToRestoreError
from artifact_pipelines.catalog.files import count_down, hold_again, lock_files
from artifact_pipelines.catalog.materialization_rows import (
    AS_HOLDER,
    holder_of,
    is_newest_of_its_version,
    lock_asset,
    of_asset,
)
from artifact_pipelines.catalog.policies import remember_policies
from artifact_pipelines.catalog.retry import retried
from artifact_pipelines.catalog.rollback import record_again
from artifact_pipelines.catalog.tables import (
    file_references,
    files,
    followed_wipes,
    materialization_files,
    materialization_inputs,
    materializations,
    retention_policies,
    tags,
)
from artifact_pipelines.core.retention import RetentionPolicy, Use, Version, VersionName
from artifact_pipelines.core.types import Publication

_ID = materializations.c.materialization_id
_IS_KEPT = materializations.c.released_at.is_(None)
_AT_ONCE = 1000
_FACTS = [
    materializations.c[name]
    for name in (
        "materialization_id",
        "partition_key",
        "version",
        "run_id",
        "created_at",
        "is_current",
        "pinned_at",
        "wiped_at",
        "publication",
        "publication_reason",
        "is_op_output",
    )
]


class RetentionCatalog:
    """Retention on SQLite and PostgreSQL. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @retried
    def now(self) -> datetime:
        """Return the time, by the database's clock."""
        with reading(self._engine) as connection:
            return connection.execute(sa.select(utc_now())).scalar_one()

    @retried
    def policies(self) -> Mapping[str, RetentionPolicy]:
        """Return the policy of every asset that has one."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(retention_policies)).all()
        return {row.asset_key: RetentionPolicy(**row.policy) for row in rows}

    @retried
    def set_policy(self, asset: str, policy: RetentionPolicy | None) -> None:
        """Remember an asset's policy, or that it has none."""
        with writing(self._engine) as connection:
            lock_asset(connection, asset)
            remember_policies(connection, {asset: policy})

    @retried
    def wiped_assets(self) -> Sequence[str]:
        """Return the assets of which something was wiped and is not released."""
        wiped = sa.select(materializations.c.asset_key).where(materializations.c.wiped_at.is_not(None), _IS_KEPT)
        with reading(self._engine) as connection:
            return connection.scalars(wiped.distinct()).all()

    @retried
    def outputs_of_ops(self, older_than_s: float) -> Sequence[str]:
        """Return the names of kept outputs of ops that are no assets and were made so long ago."""
        is_old = materializations.c.created_at < utc_now(sa.literal(-older_than_s))
        outputs = sa.select(materializations.c.asset_key).where(_IS_KEPT, materializations.c.is_op_output, is_old)
        with reading(self._engine) as connection:
            return connection.scalars(outputs.distinct()).all()

    @retried
    def versions(self, asset: str) -> Sequence[Version]:
        """Return the kept versions of all partitions of an asset, oldest first."""
        which = (materializations.c.asset_key == asset, _IS_KEPT)
        link = materialization_files
        sizes = (
            sa.select(link.c.materialization_id, sa.func.sum(files.c.size_bytes).label("size_bytes"))
            .join_from(link, materializations, link.c.materialization_id == _ID)
            .join(files, files.c.file_id == link.c.file_id)
            .where(*which)
            .group_by(link.c.materialization_id)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(*_FACTS).where(*which).order_by(_ID)).all()
            size_of = {row.materialization_id: int(row.size_bytes) for row in connection.execute(sizes)}
            tagged = connection.execute(sa.select(tags).where(tags.c.asset_key == asset).order_by(tags.c.name)).all()
        versions: dict[VersionName, list[Any]] = {}
        for row in rows:
            versions.setdefault(VersionName(asset, row.partition_key, row.version), []).append(row)
        tags_of: dict[int, list[str]] = {}
        for tag in tagged:
            tags_of.setdefault(tag.materialization_id, []).append(tag.name)
        return [_version_from(name, made, tags_of, size_of) for name, made in versions.items()]

    @retried
    def uses(self, asset: str) -> Sequence[Use]:
        """Return which kept versions of any asset were made, when last, from kept versions of this one."""
        made = materializations.alias()
        query = (
            sa.select(
                made.c.asset_key.label("consumer"),
                made.c.partition_key.label("consumer_partition"),
                made.c.version.label("consumer_version"),
                materializations.c.partition_key,
                materializations.c.version,
            )
            .join_from(materializations, materialization_inputs, materialization_inputs.c.input_id == _ID)
            .join(made, made.c.materialization_id == materialization_inputs.c.materialization_id)
            .where(materializations.c.asset_key == asset, _IS_KEPT, made.c.released_at.is_(None))
            .where(is_newest_of_its_version(made))
            .distinct()
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [
            Use(
                VersionName(row.consumer, row.consumer_partition, row.consumer_version),
                VersionName(asset, row.partition_key, row.version),
            )
            for row in rows
        ]

    @retried
    def release(self, name: VersionName, reason: str) -> bool:
        """Release a version: its materializations hold their files no more. Returns whether that was done.

        It is not while the version is current, pinned, tagged, or an input of another version that is kept; whatever
        was true when it was decided upon, this is what is true now. The output of an op that is no asset may be
        current: nothing ever takes its place.
        """
        with writing(self._engine) as connection:
            lock_asset(connection, name.asset)
            ids = _kept_ids(name)
            is_there, is_needed = connection.execute(sa.select(ids.exists(), _is_needed(ids))).one()
            if is_needed or not is_there:
                return False
            _drop_references(connection, ids)
            table = materializations.c
            until = sa.case((table.is_current, utc_now()), else_=table.current_until)
            gone = {"released_at": utc_now(), "release_reason": reason, "is_current": False, "current_until": until}
            connection.execute(sa.update(materializations).where(_ID.in_(ids)).values(**gone))
        return True

    @retried
    def wipeable(self, asset: str) -> Mapping[int, str | None]:
        """Return the materializations that a wipe of an asset would take now, each with the run that made it."""
        query = sa.select(_ID, materializations.c.run_id).where(*_can_be_wiped(asset))
        with reading(self._engine) as connection:
            return {row.materialization_id: row.run_id for row in connection.execute(query)}

    @retried
    def wipe(
        self,
        asset: str,
        except_runs: Collection[str] = (),
        up_to: int | None = None,
        happened_at: datetime | None = None,
    ) -> int:
        """Note that an asset was wiped: nothing of it is current any more.

        What was wiped is released by the next decision on it, unless something else keeps it.

        Args:
            asset: Asset key.
            except_runs: Leave alone what these runs made: they came after the wipe.
            up_to: Leave alone materializations with a higher ID than this: nobody looked at what made them.
            happened_at: When, as Dagster noted it. It names the wipe: the same one does nothing a second time.

        Returns:
            How many materializations were wiped.
        """
        table = materializations.c
        wipe = sa.update(materializations).where(*_can_be_wiped(asset))
        if except_runs:
            wipe = wipe.where(sa.or_(table.run_id.is_(None), table.run_id.not_in(except_runs)))
        if up_to is not None:
            wipe = wipe.where(up_to >= _ID)
        with writing(self._engine) as connection:
            lock_asset(connection, asset)
            if happened_at is not None and not _note_wipe(connection, asset, happened_at):
                return 0
            now = connection.execute(sa.select(utc_now())).scalar_one()  # one time for all: they are restored together
            until = sa.case((table.is_current, now), else_=table.current_until)
            return connection.execute(wipe.values(wiped_at=now, is_current=False, current_until=until)).rowcount

    @retried
    def restore(self, asset: str, partition: str | None = None, version: int | None = None) -> Sequence[VersionName]:
        """Take back the last wipe of an asset, or the wipe or release of one version.

        Where nothing is current, that one of the versions that come back is current again which was so last: from now
        on, as after a rollback to it. That nothing was current in between stays known.

        Args:
            asset: Asset key.
            partition: Only this one; with a version, that of the version.
            version: Its number; None: everything that the last wipe took.

        Returns:
            The versions that are back, by partition, oldest first.

        Raises:
            NothingToRestoreError: Nothing like that was wiped or released.
            CollectedVersionsError: Files of them are collected already. Nothing was restored.
        """
        with writing(self._engine) as connection:
            lock_asset(connection, asset)
            rows = _lost(connection, asset, partition, version)
            if not rows:
                raise NothingToRestoreError(asset, partition, version)
            owned = _owned_files(connection, [row.materialization_id for row in rows])
            lock_files(connection, sorted(set(itertools.chain(*owned.values()))))
            collected = {row.version for row in rows if row.released_at and not _hold_again(connection, row, owned)}
            if collected:
                left = sorted({row.version for row in rows} - collected)
                raise CollectedVersionsError(asset, [str(v) for v in sorted(collected)], [str(v) for v in left])
            back = sa.update(materializations).values(wiped_at=None, released_at=None, release_reason=None)
            for some in _in_pieces([row.materialization_id for row in rows]):
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


def _of(name: VersionName) -> tuple[sa.ColumnElement[bool], ...]:
    return (*of_asset(name.asset, name.partition), materializations.c.version == name.version)


def _can_be_wiped(asset: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (materializations.c.asset_key == asset, _IS_KEPT, materializations.c.wiped_at.is_(None))


def _note_wipe(connection: sa.Connection, asset: str, happened_at: datetime) -> bool:
    """Remember a wipe; False if it is remembered already. Times are compared for being the same, never for order."""
    table = followed_wipes.c
    same = sa.select(table.asset_key).where(table.asset_key == asset, table.happened_at == happened_at)
    if connection.execute(same).first() is not None:
        return False
    connection.execute(sa.insert(followed_wipes).values(asset_key=asset, happened_at=happened_at))
    return True


def _kept_ids(name: VersionName) -> sa.Select[tuple[int]]:
    """Select the IDs of a version's kept materializations: there may be more than a statement takes values."""
    kept = materializations.alias("kept")
    partition = kept.c.partition_key
    return sa.select(kept.c.materialization_id).where(
        kept.c.asset_key == name.asset,
        partition.is_(None) if name.partition is None else partition == name.partition,
        kept.c.version == name.version,
        kept.c.released_at.is_(None),
    )


def _is_needed(ids: sa.Select[tuple[int]]) -> sa.ColumnElement[bool]:
    """Whether kept materializations (all of one version) are current, pinned, tagged, or inputs of another one."""
    marked = sa.or_(
        sa.and_(materializations.c.is_current, ~materializations.c.is_op_output),
        materializations.c.pinned_at.is_not(None),
    )
    user = materializations.alias()
    used = (
        sa.select(sa.literal(1))
        .join_from(
            materialization_inputs, user, user.c.materialization_id == materialization_inputs.c.materialization_id
        )
        .where(
            materialization_inputs.c.input_id.in_(ids),
            user.c.released_at.is_(None),
            user.c.materialization_id.not_in(ids),
        )
        .where(is_newest_of_its_version(user))
    )
    return sa.or_(
        sa.exists().where(_ID.in_(ids), marked),
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
    table = materializations.c
    query = sa.select(materializations).where(table.asset_key == asset).order_by(_ID)
    if version is not None:
        query = query.where(
            *_of(VersionName(asset, partition, version)),
            sa.or_(table.released_at.is_not(None), table.wiped_at.is_not(None)),
        )
        return connection.execute(query).all()
    if partition is not None:
        query = query.where(table.partition_key == partition)
    rows = connection.execute(query.where(table.wiped_at.is_not(None))).all()
    last: dict[str | None, datetime] = {}
    for row in rows:
        last[row.partition_key] = max(row.wiped_at, last.get(row.partition_key, row.wiped_at))
    return [row for row in rows if row.wiped_at == last[row.partition_key]]


def _owned_files(connection: sa.Connection, ids: Sequence[int]) -> Mapping[int, Sequence[int]]:
    """Return the IDs of the files that materializations have or had."""
    link, owned = materialization_files.c, collections.defaultdict[int, list[int]](list)
    query = sa.select(link.materialization_id, link.file_id)
    for some in _in_pieces(ids):
        for row in connection.execute(query.where(link.materialization_id.in_(some))):
            owned[row.materialization_id].append(row.file_id)
    return owned


def _in_pieces(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def _hold_again(connection: sa.Connection, row: sa.Row[Any], owned: Mapping[int, Sequence[int]]) -> bool:
    """Let a materialization hold its files again; False when one of them is gone."""
    return hold_again(connection, owned[row.materialization_id], holder_of(row.materialization_id))


def _make_latest_current(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> None:
    """Make what was current last so again, in a row of its own: what was current when stays as it was."""
    published = [row for row in rows if row.publication == Publication.PUBLISHED]
    published.sort(key=lambda row: (row.current_since, row.materialization_id))  # it may have been published late
    for row in {row.partition_key: row for row in published}.values():
        has_current = sa.select(_ID).where(*of_asset(row.asset_key, row.partition_key), materializations.c.is_current)
        if connection.execute(has_current.limit(1)).first() is None:
            record_again(connection, row.materialization_id)
