"""Candidates: materializations that become current only when their asset's checks have passed.

One idea: publishing moves what is current, in one transaction and never back in time. A candidate whose writer or
checker was killed stays a candidate, and the last good version stays current.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.clock import utc_now
from artifact_pipelines.catalog.engine import reading, writing
from artifact_pipelines.catalog.exceptions import NeverMaterializedError, UnknownVersionError
from artifact_pipelines.catalog.materialization_rows import (
    lock_asset,
    materialization_of,
    of_any,
    of_asset,
    select_materializations,
)
from artifact_pipelines.catalog.publication import (
    CHECKED_IN,
    DATASET,
    IS_CANDIDATE,
    current_columns,
    give_way,
    insert_dataset_version,
    superseded_by,
)
from artifact_pipelines.catalog.retry import retried
from artifact_pipelines.catalog.tables import materializations
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import Materialization, Publication

_TABLE = materializations.c
_ID = _TABLE.materialization_id
_IS_KEPT = _TABLE.released_at.is_(None)
_BY_COMMAND = "published by command"
_PAGE = 1000


class CandidateCatalog:
    """Candidates on SQLite and PostgreSQL. Every method is one transaction, but `waiting`, which may need several."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def waiting(
        self, asset: str | None = None, partitions: Sequence[str | None] | None = None
    ) -> Sequence[Materialization]:
        """Return the candidates of some partitions of an asset, of all of them, or of all assets, oldest first."""
        found: list[Materialization] = []
        while True:
            page = self.next_waiting(found[-1].materialization_id if found else 0, _PAGE, asset, partitions)
            found += page
            if len(page) < _PAGE:
                return found

    @retried
    def next_waiting(
        self, after: int, limit: int, asset: str | None = None, partitions: Sequence[str | None] | None = None
    ) -> Sequence[Materialization]:
        """Return the first candidates whose materialization ID is higher than one, oldest first.

        Args:
            after: That ID.
            limit: How many at the most.
            asset: Only those of this asset.
            partitions: And only of these partitions, some hundreds at the most; `[None]`: it has none.
        """
        # Not by the ID itself: its index would be read through, past all that are no candidates.
        place = _ID + 0
        which = [IS_CANDIDATE, _IS_KEPT, _TABLE.wiped_at.is_(None), after < place]
        if asset is not None:
            which += [_TABLE.asset_key == asset] if partitions is None else of_any(asset, partitions)
        with reading(self._engine) as connection:
            return select_materializations(connection, which, limit, order=(place,))

    @retried
    def publish(self, candidate: Materialization) -> bool:
        """Make a candidate current. Returns whether that was done.

        It is not where it is none any more, or something newer has become current: that rejects it.
        """
        with writing(self._engine) as connection:
            lock_asset(connection, candidate.asset)
            if not _is_waiting(connection, candidate):
                return False
            which = of_asset(candidate.asset, candidate.partition)
            # By version: what a restore has made current again has a newer row, and nothing newer in it.
            newer = sa.select(_TABLE.version).where(*which, _TABLE.is_current, candidate.version < _TABLE.version)
            version = connection.execute(newer).scalar()
            if version is not None:
                _set(connection, candidate, Publication.REJECTED, superseded_by(version))
                return False
            _make_current(connection, candidate)
        return True

    @retried
    def reject(self, candidate: Materialization, reason: str) -> bool:
        """State that a candidate never becomes current by itself. Returns whether it was one until now."""
        with writing(self._engine) as connection:
            lock_asset(connection, candidate.asset)
            was_waiting = _is_waiting(connection, candidate)
            if was_waiting:
                _set(connection, candidate, Publication.REJECTED, reason)
        return was_waiting

    @retried
    def explain(self, candidate: Materialization, reason: str) -> None:
        """Note what a candidate waits for."""
        with writing(self._engine) as connection:
            lock_asset(connection, candidate.asset)
            if _is_waiting(connection, candidate):
                _set(connection, candidate, Publication.CANDIDATE, reason)

    @retried
    def note_check(self, candidate: Materialization, run_id: str) -> None:
        """Note that a check in another run than the candidate's has loaded it: what it finds is of this candidate."""
        this = _ID.in_([candidate.materialization_id])
        with writing(self._engine) as connection:
            lock_asset(connection, candidate.asset)
            metadata = dict(connection.execute(sa.select(_TABLE.metadata).where(this)).scalar_one())
            runs = metadata.get(CHECKED_IN, [])
            if run_id not in runs:
                metadata[CHECKED_IN] = [*runs, run_id]
                connection.execute(sa.update(materializations).where(this).values(metadata=metadata))

    @retried
    def publish_version(self, asset: str, version: int, partition: str | None = None) -> Materialization:
        """Make a candidate or a rejected version current, whatever its checks say; a current one stays so.

        Raises:
            NeverMaterializedError: The asset or partition holds nothing.
            UnknownVersionError: It has no version of that number, or has it no more.
            InvalidArgumentError: It was published before; to go back to it is a rollback.
        """
        which = of_asset(asset, partition)
        with writing(self._engine) as connection:
            lock_asset(connection, asset)
            of_version = [*which, _IS_KEPT, _TABLE.wiped_at.is_(None), _TABLE.version == version]
            found = select_materializations(connection, of_version, limit=1)
            if not found:
                highest = connection.execute(sa.select(sa.func.max(_TABLE.version)).where(*which)).scalar()
                if highest is None:
                    raise NeverMaterializedError(asset, partition)
                raise UnknownVersionError(asset, version, highest, partition)
            made = found[0]
            is_current = connection.execute(
                sa.select(_TABLE.is_current).where(_ID.in_([made.materialization_id]))
            ).scalar_one()
            if made.publication == Publication.PUBLISHED and not is_current:
                expected = f"a candidate or a rejected version; `artifact-pipelines rollback {asset} --to {version}`"
                raise InvalidArgumentError("version", version, expected)
            if not is_current:
                _make_current(connection, made, _BY_COMMAND)
            return materialization_of(connection, made.materialization_id)


def _make_current(connection: sa.Connection, made: Materialization, reason: str | None = None) -> None:
    give_way(connection, of_asset(made.asset, made.partition), made.version, made.materialization_id)
    this = sa.update(materializations).where(_ID.in_([made.materialization_id]))
    connection.execute(this.values(**current_columns(utc_now(), reason)))
    dataset = made.metadata.get(DATASET)
    if dataset is not None:
        insert_dataset_version(connection, dataset, made.version, made.materialization_id)


def _is_waiting(connection: sa.Connection, made: Materialization) -> bool:
    this = (_ID.in_([made.materialization_id]), IS_CANDIDATE, _IS_KEPT, _TABLE.wiped_at.is_(None))
    return connection.execute(sa.select(_ID).where(*this)).first() is not None


def _set(connection: sa.Connection, made: Materialization, publication: Publication, reason: str) -> None:
    values: Mapping[str, Any] = {"publication": publication, "publication_reason": reason}
    connection.execute(sa.update(materializations).where(_ID.in_([made.materialization_id])).values(**values))
