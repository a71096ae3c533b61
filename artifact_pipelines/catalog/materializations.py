"""What every asset held, and when: materializations in order, their files, what they were made from.

Recording one settles the leases on its files in the same transaction: either both are there, or neither.
"""

import datetime
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import reading, writing
from artifact_pipelines.catalog.exceptions import (
    NeverMaterializedError,
    NeverPublishedError,
    NothingSelectedError,
    UnknownVersionError,
)
from artifact_pipelines.catalog.materialization_rows import (
    highest_version,
    newest,
    of_any,
    of_asset,
    select_materializations,
)
from artifact_pipelines.catalog.publication import (
    IS_CANDIDATE,
    IS_NOT_REJECTED,
)
from artifact_pipelines.catalog.recording import record_all
from artifact_pipelines.catalog.retry import retried
from artifact_pipelines.catalog.tables import (
    files,
    materialization_files,
    materialization_inputs,
    materializations,
    tags,
)
from artifact_pipelines.core.exceptions import NotFoundError
from artifact_pipelines.core.retention import RetentionPolicy
from artifact_pipelines.core.types import (
    Lease,
    LoadedInput,
    Materialization,
    MaterializationFacts,
    Publication,
    Selection,
)

_ID = materializations.c.materialization_id
_VERSION = materializations.c.version
_PARTITION = materializations.c.partition_key
_IS_CURRENT = materializations.c.is_current
_BY_NAME = (materializations.c.asset_key, materializations.c.partition_key, _ID)
_IS_KEPT = materializations.c.released_at.is_(None)
_IS_HELD = (_IS_KEPT, materializations.c.wiped_at.is_(None))
_HAS_ITS_FILES = ~sa.exists().where(
    materialization_files.c.materialization_id == _ID,
    ~sa.exists().where(files.c.file_id == materialization_files.c.file_id),
)
_PARTITIONS_OF = 500
_TOLD = 20


class MaterializationCatalog:
    """Materializations on SQLite and PostgreSQL. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def record(self, facts: MaterializationFacts, leases: Sequence[Lease]) -> Materialization:
        """Record a materialization and make its files' leases its lasting references.

        What held the files since the recovery of a lost catalog holds them no more.

        With checks that have to pass first (`publish_after`) it becomes a candidate, and what is current stays so;
        unless it is the very content that is current. What becomes current supersedes the candidates before it.

        Raises:
            LeaseExpiredError: A lease was reaped meanwhile; nothing was recorded.
        """
        return self.record_all([(facts, leases)])[0]

    @retried
    def record_all(
        self,
        new: Sequence[tuple[MaterializationFacts, Sequence[Lease]]],
        policies: Mapping[str, RetentionPolicy | None] = MappingProxyType({}),
    ) -> Sequence[Materialization]:
        """Record several as `record` does each, all or none; return them in order.

        Args:
            new: What to record.
            policies: By asset, what its definition says of retention now; it is remembered with them, or not at all.

        Raises:
            LeaseExpiredError: A lease was reaped meanwhile; nothing was recorded.
        """
        with writing(self._engine) as connection:
            return record_all(connection, new, policies)

    @retried
    def current(self, asset: str, partition: str | None = None, run_id: str | None = None) -> Materialization:
        """Return the current materialization; with a run ID the newest of that run, if it made any.

        Raises:
            NeverMaterializedError: There is none.
            NeverPublishedError: There are only candidates and rejected ones.
        """
        found = self.find(asset, [partition], run_id=run_id).get(partition)
        if found is None:
            raise self.nothing_found(asset, partition)
        return found

    @retried
    def find(
        self,
        asset: str,
        partitions: Sequence[str | None],
        selection: Selection | None = None,
        run_id: str | None = None,
        to_check: bool = False,
    ) -> Mapping[str | None, Materialization]:
        """Return what each partition holds, without those that hold nothing; `[None]` asks for an unpartitioned asset.

        What was wiped is found by a selection only.

        Args:
            asset: Asset key.
            partitions: Partition keys, any number.
            selection: Another materialization than the current one.
            run_id: Without a selection, the newest materialization of this run comes before the current one, even if it
                is a candidate.
            to_check: For a check of the asset: without a selection, the newest candidate comes before the current one,
                and what the run has made before both, even if another check has rejected it.
        """
        found: dict[str | None, Materialization] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(partitions), _PARTITIONS_OF):
                some = partitions[start : start + _PARTITIONS_OF]
                if selection is not None and selection.as_of is not None:
                    found.update(_current_then(connection, asset, some, selection.as_of))
                    continue
                which = of_any(asset, some)
                if selection is None:
                    found.update(_newest_of_each(connection, [*which, _IS_CURRENT]))
                if selection is None and to_check:
                    found.update(_newest_of_each(connection, [*which, *_IS_HELD, IS_CANDIDATE]))
                own = _selected(selection) if selection else _of_run(run_id, to_check) if run_id else None
                if own is not None:
                    found.update(_newest_of_each(connection, [*which, *own]))
        return {partition: found[partition] for partition in partitions if partition in found}

    @retried
    def nothing_found(
        self, asset: str, partition: str | None = None, selection: Selection | None = None
    ) -> NotFoundError:
        """Return the error that says why `find` has not found a partition, and what could be selected instead."""
        which = [*of_asset(asset, partition), *(_IS_HELD if selection is None else [_IS_KEPT])]
        with reading(self._engine) as connection:
            kept = select_materializations(connection, which, _TOLD)
            told = _told(kept, _tags_of(connection, [m.materialization_id for m in kept]))
        if selection is None and kept and kept[0].publication != Publication.PUBLISHED:
            return NeverPublishedError(asset, kept[0].version, str(kept[0].publication_reason), partition)
        if selection is None or not kept:
            return NeverMaterializedError(asset, partition)
        return NothingSelectedError(asset, str(selection), told, partition)

    @retried
    def version(self, asset: str, version: int, partition: str | None = None) -> Materialization:
        """Return the newest materialization that had this version number and is kept.

        Raises:
            NeverMaterializedError: The asset holds nothing now, and nothing with that number is kept.
            UnknownVersionError: It has none with that number.
        """
        with reading(self._engine) as connection:
            found = newest(connection, [*of_asset(asset, partition), _IS_KEPT, materializations.c.version == version])
            highest = highest_version(connection, of_asset(asset, partition))
        if found is None:
            self.current(asset, partition)
            raise UnknownVersionError(asset, version, highest, partition)
        return found

    @retried
    def origin(self, made: Materialization) -> Materialization:
        """Return the newest materialization of the same version that a run has made; this one where none is known.

        What a rollback or a restore has made current again is of no run: Dagster knows it by its origin.
        """
        if made.run_id is not None:
            return made
        same = [*of_asset(made.asset, made.partition), _VERSION.in_([made.version])]
        with reading(self._engine) as connection:
            return newest(connection, [*same, materializations.c.run_id.is_not(None)]) or made

    @retried
    def history(
        self, asset: str, partition: str | None = None, limit: int = 1000, with_released: bool = False
    ) -> Sequence[Materialization]:
        """Return the kept materializations of an asset, newest first; of all its partitions when none is named.

        Args:
            asset: Asset key.
            partition: Only this one.
            limit: How many at the most.
            with_released: Also those that are released and whose files are all still there.
        """
        which = of_asset(asset, partition)[: 1 if partition is None else 2]
        which += [sa.or_(_IS_KEPT, _HAS_ITS_FILES)] if with_released else [_IS_KEPT]
        with reading(self._engine) as connection:
            return select_materializations(connection, which, limit)

    @retried
    def list_current(self, limit: int = 1000, with_ops: bool = False) -> Sequence[Materialization]:
        """Return the current materialization of every asset and partition, by name.

        Args:
            limit: How many at the most.
            with_ops: Also outputs of ops that are no assets. Each run has its own, current for as long as it is kept.
        """
        which = [_IS_CURRENT] if with_ops else [_IS_CURRENT, ~materializations.c.is_op_output]
        with reading(self._engine) as connection:
            return select_materializations(connection, which, limit, order=_BY_NAME)

    @retried
    def inputs(self, materialization_id: int) -> Sequence[LoadedInput]:
        """Return the materializations that were loaded to make one, by name; also those that are collected."""
        loaded = materialization_inputs.c
        first_file = sa.and_(materialization_files.c.materialization_id == _ID, materialization_files.c.position == 0)
        query = (
            sa.select(_ID, *_BY_NAME[:2], _VERSION, materialization_files.c.file_id)
            .join_from(materialization_inputs, materializations, loaded.input_id == _ID)
            .join(materialization_files, first_file)
            .where(loaded.materialization_id == materialization_id)
            .order_by(*_BY_NAME)
        )
        with reading(self._engine) as connection:
            return [LoadedInput(*row) for row in connection.execute(query)]


def _of_run(run_id: str, to_check: bool) -> list[sa.ColumnElement[bool]]:
    of_run = [materializations.c.run_id == run_id, *_IS_HELD]
    return of_run if to_check else [*of_run, IS_NOT_REJECTED]


def _selected(selection: Selection) -> list[sa.ColumnElement[bool]]:
    """Say which a selection means: also what was wiped can be selected, as long as it is kept."""
    return [_IS_KEPT, _is_selected(selection)]


def _is_selected(selection: Selection) -> sa.ColumnElement[bool]:
    if selection.file_id is not None:
        of_file = materialization_files.c.file_id == selection.file_id
        return _ID.in_(sa.select(materialization_files.c.materialization_id).where(of_file))
    if selection.tag is not None:
        return _ID.in_(sa.select(tags.c.materialization_id).where(tags.c.name == selection.tag))
    if selection.version is not None:
        return _VERSION.in_([selection.version])
    return materializations.c.run_id == selection.run_id


def _current_then(
    connection: sa.Connection, asset: str, partitions: Sequence[str | None], time: datetime.datetime
) -> Mapping[str | None, Materialization]:
    """Find what was current at a time; where that was wiped by then or released meanwhile, nothing.

    Never what was current before that: it had ended to be so when the other began. An index leads to it, however long
    the history of a partition is.
    """
    since, until = materializations.c.current_since, materializations.c.current_until
    # By the partition too, though it is one: PostgreSQL walks an index only in an order that is the index's own.
    latest = sa.select(_ID).order_by(_PARTITION.desc(), since.desc(), _ID.desc()).limit(1)
    latest = latest.where(materializations.c.asset_key == asset, since <= time)
    if list(partitions) == [None]:
        found = connection.scalars(latest.where(_PARTITION.is_(None))).all()
    else:
        key = sa.column("partition_key", sa.Text)
        wanted = sa.values(key, name="wanted").data([(p,) for p in partitions if p is not None]).cte()
        of_each = latest.where(wanted.c.partition_key == _PARTITION).correlate(wanted).scalar_subquery()
        found = connection.scalars(sa.select(of_each).select_from(wanted)).all()
    was_so = [_ID.in_(found), _IS_KEPT, sa.or_(until.is_(None), until > time)]
    return {made.partition: made for made in select_materializations(connection, was_so, len(found))}


def _tags_of(connection: sa.Connection, ids: Sequence[int]) -> Mapping[int, Sequence[str]]:
    query = sa.select(tags.c.materialization_id, tags.c.name).where(tags.c.materialization_id.in_(ids))
    found: dict[int, list[str]] = {}
    for row in connection.execute(query.order_by(tags.c.name)):
        found.setdefault(row.materialization_id, []).append(row.name)
    return found


def _told(newest_first: Sequence[Materialization], tags_of: Mapping[int, Sequence[str]]) -> Sequence[str]:
    """Return what there is to select, each version once, for people."""
    told: dict[int, list[str]] = {}
    for made in newest_first:
        facts = told.setdefault(made.version, [f"file {made.file.file_id}", f"{made.created_at:%Y-%m-%dT%H:%M:%SZ}"])
        facts += [f"tag {name}" for name in tags_of.get(made.materialization_id, ())]
    return [f"version {version} ({', '.join(facts)})" for version, facts in told.items()]


def _newest_of_each(
    connection: sa.Connection, which: Sequence[sa.ColumnElement[bool]]
) -> Mapping[str | None, Materialization]:
    newest = sa.select(sa.func.max(_ID)).where(*which).group_by(_PARTITION)
    wanted = connection.scalars(newest).all()
    if not wanted:
        return {}
    return {found.partition: found for found in select_materializations(connection, [_ID.in_(wanted)], len(wanted))}
