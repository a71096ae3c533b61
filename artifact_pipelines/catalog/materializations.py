"""Each asset's history: its materializations in order, their files and inputs, and which of them a reader means.

Recording a materialization settles the leases on its files in the same transaction: both are there, or neither.
"""

import datetime
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import sqlalchemy as sa

from artifact_pipelines.catalog.asset_names import matches, never_materialized
from artifact_pipelines.catalog.current import IS_CANDIDATE, IS_NOT_REJECTED, WAS_NEVER_CURRENT, roll_back
from artifact_pipelines.catalog.engine import CatalogSection, reading, retried, writing
from artifact_pipelines.catalog.exceptions import (
    NeverPublishedError,
    NothingSelectedError,
)
from artifact_pipelines.catalog.materialization_rows import (
    lock_asset,
    materializations_of,
    missing_version,
    newest,
    of_asset,
    of_partitions,
    select_materializations,
)
from artifact_pipelines.catalog.recording import record_all
from artifact_pipelines.catalog.tables import (
    files,
    materialization_files,
    materializations,
    tags,
)
from artifact_pipelines.core.exceptions import NotFoundError
from artifact_pipelines.core.retention import RetentionPolicy
from artifact_pipelines.core.types import (
    Lease,
    Materialization,
    MaterializationFacts,
    Publication,
    Rollback,
    Selection,
)

_ID = materializations.c.materialization_id
_VERSION = materializations.c.version
_PARTITION = materializations.c.partition_key
_IS_CURRENT = materializations.c.is_current
_BY_NAME = (materializations.c.asset_key, materializations.c.partition_key, _ID)
_IS_KEPT = materializations.c.released_at.is_(None)
_IS_PUBLISHED = materializations.c.publication == Publication.PUBLISHED
_IS_HELD = (_IS_KEPT, materializations.c.wiped_at.is_(None))
_HAS_ITS_FILES = ~sa.exists().where(
    materialization_files.c.materialization_id == _ID,
    ~sa.exists().where(files.c.file_id == materialization_files.c.file_id),
)
_PARTITIONS_OF = 500
_MOST_NAMED = 20


class MaterializationCatalog(CatalogSection):
    """Materializations on SQLite and PostgreSQL. Every method is one transaction."""

    def record(self, facts: MaterializationFacts, leases: Sequence[Lease]) -> Materialization:
        """Record a materialization and turn its files' leases into its lasting references.

        It becomes current. With checks that have to pass first (`publish_after`) it becomes a candidate, unless it has
        the very content that is current. A materialization that becomes current supersedes older candidates.

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
        """Record several materializations as `record` does each, all or none; return them in order.

        Args:
            new: The materializations and the leases on their files.
            policies: The retention policy that each asset's definition declares now, to remember with them.
        """
        with writing(self._engine) as connection:
            return record_all(connection, new, policies)

    @retried
    def roll_back(self, asset: str, version: int, partition: str | None = None) -> Rollback:
        """Make a kept version current: a new materialization of it, with its number, files, data version and inputs.

        The new materialization belongs to no run, so no run takes it for its own; only the output of an op stays its
        run's. If the version is current already, nothing changes. A later version that was current until now is
        withdrawn: a run that makes its content again leaves the older version current, until a rollback to the
        withdrawn one takes that back.

        Raises:
            UnknownVersionError: No materialization of that number is kept.
            NeverMaterializedError: The asset or partition has no version at all.
            InvalidArgumentError: The version is kept, and was never published.
        """
        with writing(self._engine) as connection:
            lock_asset(connection, asset)
            return roll_back(connection, asset, version, partition)

    @retried
    def current(self, asset: str, partition: str | None = None, run_id: str | None = None) -> Materialization:
        """Return the current materialization; with a run ID the newest of that run, if it made any.

        Raises:
            NotFoundError: There is none; see `nothing_found`.
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
        """Return the materialization of each partition that has one; `[None]` asks for an unpartitioned asset.

        Only a selection finds wiped materializations.

        Args:
            asset: Asset key.
            partitions: Partition keys, any number.
            selection: Selects another materialization than the current one.
            run_id: Without a selection, the newest materialization of this run comes before the current one, even if it
                is a candidate.
            to_check: For a check of the asset: without a selection, the newest candidate comes before the current one,
                and a materialization of the run before both, even if another check rejected it.
        """
        found: dict[str | None, int] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(partitions), _PARTITIONS_OF):
                some = partitions[start : start + _PARTITIONS_OF]
                if selection is not None and selection.as_of is not None:
                    found.update(_current_at(connection, asset, some, selection.as_of))
                    continue
                which = of_partitions(asset, some)
                if selection is None:
                    found.update(_newest_of_each(connection, [*which, _IS_CURRENT]))
                if selection is None and to_check:
                    found.update(_newest_of_each(connection, [*which, *_IS_HELD, IS_CANDIDATE]))
                own = _selected(selection) if selection else _of_run(run_id, to_check) if run_id else None
                if own is not None:
                    found.update(_newest_of_each(connection, [*which, *own]))
            read = {made.materialization_id: made for made in materializations_of(connection, list(found.values()))}
        return {partition: read[found[partition]] for partition in partitions if partition in found}

    @retried
    def nothing_found(
        self, asset: str, partition: str | None = None, selection: Selection | None = None
    ) -> NotFoundError:
        """Return the error that explains why `find` has no result for a partition, and names possible selections."""
        which = [*of_asset(asset, partition), *(_IS_HELD if selection is None else [_IS_KEPT])]
        with reading(self._engine) as connection:
            kept = select_materializations(connection, which, _MOST_NAMED)
            choices = _choices(kept, _tags_of(connection, [m.materialization_id for m in kept]))
            never = never_materialized(connection, asset, partition)
        if selection is None and kept and kept[0].publication != Publication.PUBLISHED:
            return NeverPublishedError(asset, kept[0].version, str(kept[0].publication_reason), partition)
        if selection is None or not kept:
            return never
        return NothingSelectedError(asset, str(selection), choices, partition)

    @retried
    def version(self, asset: str, version: int, partition: str | None = None) -> Materialization:
        """Return the newest kept materialization of a version.

        Raises:
            NeverMaterializedError: The asset or partition never held anything.
            UnknownVersionError: It has none with that number.
        """
        with reading(self._engine) as connection:
            found = newest(connection, [*of_asset(asset, partition), _IS_KEPT, materializations.c.version == version])
            if found is None:
                raise missing_version(connection, asset, partition, version)
        return found

    @retried
    def origin(self, made: Materialization) -> Materialization:
        """Return the newest materialization of the same version that a run made; the given one if none is known.

        The copies that rollback and restore add belong to no run: Dagster knows them by their origin.
        """
        if made.run_id is not None:
            return made
        same = [*of_asset(made.asset, made.partition), _VERSION.in_([made.version])]
        with reading(self._engine) as connection:
            return newest(connection, [*same, materializations.c.run_id.is_not(None)]) or made

    @retried
    def history(
        self,
        asset: str,
        partition: str | None = None,
        limit: int = 1000,
        with_released: bool = False,
        runs: Collection[str] | None = None,
    ) -> Sequence[Materialization]:
        """Return the kept materializations of an asset, newest first; of all its partitions if none is named.

        With released ones, if asked for, whose files still exist. Only those of some runs, if these are given.
        """
        which = of_asset(asset, partition)[: 1 if partition is None else 2]
        which += [sa.or_(_IS_KEPT, _HAS_ITS_FILES)] if with_released else [_IS_KEPT]
        which += [] if runs is None else [materializations.c.run_id.in_(runs)]
        with reading(self._engine) as connection:
            return select_materializations(connection, which, limit)

    @retried
    def with_ids(self, materialization_ids: Sequence[int]) -> Sequence[Materialization]:
        """Return materializations by their IDs, in this order; those that no longer exist are left out."""
        with reading(self._engine) as connection:
            found = {made.materialization_id: made for made in materializations_of(connection, materialization_ids)}
        return [found[each] for each in materialization_ids if each in found]

    @retried
    def version_before(self, made: Materialization) -> Materialization | None:
        """Return the published version with the next lower number that is still kept; None: there is none."""
        older = [*of_asset(made.asset, made.partition), made.version > _VERSION, _IS_KEPT, _IS_PUBLISHED]
        with reading(self._engine) as connection:
            return next(iter(select_materializations(connection, older, 1, order=(_VERSION.desc(), _ID.desc()))), None)

    @retried
    def find_answer(self, question: str) -> Materialization | None:
        """Return the newest materialization that answers a question and whose files exist; None: there is none."""
        with reading(self._engine) as connection:
            return newest(connection, [materializations.c.question == question, _HAS_ITS_FILES])

    @retried
    def list_current(
        self, limit: int = 1000, with_ops: bool = False, pattern: str | None = None, asset: str | None = None
    ) -> Sequence[Materialization]:
        """Return the current materialization of every asset and partition, by name.

        Args:
            limit: At most so many.
            with_ops: With outputs of ops: each run adds its own, and they stay current until they are released.
            pattern: Only assets whose names match; see `matches`.
            asset: Only this asset.
        """
        which = [_IS_CURRENT] if with_ops else [_IS_CURRENT, ~materializations.c.is_op_output]
        which += [] if pattern is None else [matches(pattern)]
        which += [] if asset is None else [materializations.c.asset_key == asset]
        with reading(self._engine) as connection:
            return select_materializations(connection, which, limit, order=_BY_NAME)


def _of_run(run_id: str, to_check: bool) -> list[sa.ColumnElement[bool]]:
    of_run = [materializations.c.run_id == run_id, *_IS_HELD, ~WAS_NEVER_CURRENT]
    return of_run if to_check else [*of_run, IS_NOT_REJECTED]


def _selected(selection: Selection) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a selection. It finds wiped materializations too."""
    if selection.file_id is not None:
        of_file = materialization_files.c.file_id == selection.file_id
        return [_IS_KEPT, _ID.in_(sa.select(materialization_files.c.materialization_id).where(of_file))]
    if selection.tag is not None:
        return [_IS_KEPT, _ID.in_(sa.select(tags.c.materialization_id).where(tags.c.name == selection.tag))]
    if selection.version is not None:
        return [_IS_KEPT, _VERSION.in_([selection.version])]
    return [_IS_KEPT, materializations.c.run_id == selection.run_id]


def _current_at(
    connection: sa.Connection, asset: str, partitions: Sequence[str | None], time: datetime.datetime
) -> Mapping[str | None, int]:
    """Find the ID of each partition's materialization that was current at a time; none if it was wiped or is released.

    The one before it is never returned instead: it was not current at that time. An index leads to the right one,
    however long a partition's history is.
    """
    since, until = materializations.c.current_since, materializations.c.current_until
    # Ordered by the one partition too: PostgreSQL walks an index only in an order that is the index's own.
    latest = sa.select(_ID).order_by(_PARTITION.desc(), since.desc(), _ID.desc()).limit(1)
    latest = latest.where(materializations.c.asset_key == asset, since <= time)
    if list(partitions) == [None]:
        found = connection.scalars(latest.where(_PARTITION.is_(None))).all()
    else:
        key = sa.column("partition_key", sa.Text)
        wanted = sa.values(key, name="wanted").data([(p,) for p in partitions if p is not None]).cte()
        of_each = latest.where(wanted.c.partition_key == _PARTITION).correlate(wanted).scalar_subquery()
        found = connection.scalars(sa.select(of_each).select_from(wanted)).all()
    was_current = [_ID.in_(found), _IS_KEPT, sa.or_(until.is_(None), until > time)]
    return dict(connection.execute(sa.select(_PARTITION, _ID).where(*was_current)).all())


def _tags_of(connection: sa.Connection, ids: Sequence[int]) -> Mapping[int, Sequence[str]]:
    query = sa.select(tags.c.materialization_id, tags.c.name).where(tags.c.materialization_id.in_(ids))
    found: dict[int, list[str]] = {}
    for row in connection.execute(query.order_by(tags.c.name)):
        found.setdefault(row.materialization_id, []).append(row.name)
    return found


def _choices(newest_first: Sequence[Materialization], tags_of: Mapping[int, Sequence[str]]) -> Sequence[str]:
    """Describe each version once, by all that selects it."""
    choices: dict[int, list[str]] = {}
    for made in newest_first:
        facts = choices.setdefault(made.version, [f"file {made.file.file_id}", f"{made.created_at:%Y-%m-%dT%H:%M:%SZ}"])
        facts += [f"tag {name}" for name in tags_of.get(made.materialization_id, ())]
    return [f"version {version} ({', '.join(facts)})" for version, facts in choices.items()]


def _newest_of_each(connection: sa.Connection, which: Sequence[sa.ColumnElement[bool]]) -> Mapping[str | None, int]:
    """Find the ID of the newest of the selected materializations of each partition."""
    newest_ids = sa.select(_PARTITION, sa.func.max(_ID)).where(*which).group_by(_PARTITION)
    return dict(connection.execute(newest_ids).all())
