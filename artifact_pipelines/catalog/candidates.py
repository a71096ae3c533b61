"""Candidates: materializations that become current only when their asset's checks have passed.

One idea: publishing moves what is current, in one transaction and never back in time. A candidate whose writer or
checker was killed stays a candidate, and the last good version stays current.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from artifact_pipelines.catalog.current import CHECKED_IN, IS_CANDIDATE, IS_HELD, make_current, reject, superseded_by
from artifact_pipelines.catalog.engine import CatalogSection, reading, retried, writing
from artifact_pipelines.catalog.materialization_rows import (
    lock_asset,
    materialization_of,
    missing_version,
    newest,
    of_asset,
    of_partitions,
    select_materializations,
)
from artifact_pipelines.catalog.tables import materializations
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import Materialization

_TABLE = materializations.c
_ID = _TABLE.materialization_id
_BY_COMMAND = "published by command"
_PAGE = 1000


class CandidateCatalog(CatalogSection):
    """Candidates on SQLite and PostgreSQL. Every method but `waiting` is one transaction."""

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
        """Return the first of those above a materialization ID; of a few hundred partitions at most."""
        # The sum keeps the database from walking the index of IDs, past all that are no candidates.
        place = _ID + 0
        which = [IS_CANDIDATE, IS_HELD, after < place]
        if asset is not None:
            which += [_TABLE.asset_key == asset] if partitions is None else of_partitions(asset, partitions)
        with reading(self._engine) as connection:
            return select_materializations(connection, which, limit, order=(place,))

    @retried
    def publish(self, candidate: Materialization) -> bool:
        """Make a candidate current. Returns whether that happened.

        It does not if this is no longer a candidate, or if a newer version is current, which rejects it.
        """
        with writing(self._engine) as connection:
            lock_asset(connection, candidate.asset)
            if not _is_waiting(connection, candidate):
                return False
            # By version: a restore adds a newer row to the current version, yet nothing newer is in it.
            newer = sa.select(_TABLE.version).where(
                *of_asset(candidate.asset, candidate.partition), _TABLE.is_current, candidate.version < _TABLE.version
            )
            version = connection.execute(newer).scalar()
            if version is not None:
                reject(connection, candidate, superseded_by(version))
                return False
            make_current(connection, candidate)
        return True

    @retried
    def reject(self, candidate: Materialization, reason: str) -> bool:
        """Make sure that a candidate never becomes current by itself. Returns whether it was one until now."""
        with writing(self._engine) as connection:
            lock_asset(connection, candidate.asset)
            was_waiting = _is_waiting(connection, candidate)
            if was_waiting:
                reject(connection, candidate, reason)
        return was_waiting

    @retried
    def explain(self, candidate: Materialization, reason: str) -> None:
        """Note why a candidate still waits."""
        with writing(self._engine) as connection:
            lock_asset(connection, candidate.asset)
            if _is_waiting(connection, candidate):
                this = sa.update(materializations).where(_ID.in_([candidate.materialization_id]))
                connection.execute(this.values(publication_reason=reason))

    @retried
    def note_check(self, candidate: Materialization, run_id: str) -> None:
        """Note that a check in another run than the candidate's loaded it: the result is about this candidate."""
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
        """Make a candidate or a rejected version current whatever its checks found; a current one stays current.

        Raises:
            NotFoundError: The version is not kept.
            InvalidArgumentError: The version was published before: going back to it is a rollback.
        """
        which = [*of_asset(asset, partition), IS_HELD, _TABLE.version == version]
        with writing(self._engine) as connection:
            lock_asset(connection, asset)
            made = newest(connection, which)
            if made is None:
                raise missing_version(connection, asset, partition, version)
            this = _ID.in_([made.materialization_id])
            is_current = connection.execute(sa.select(_TABLE.is_current).where(this)).scalar_one()
            if made.publication.was_published and not is_current:
                undo = f"`artifact-pipelines rollback {asset} --to {version}` makes an older version current again"
                expected = f"a candidate or a rejected version ({undo})"
                raise InvalidArgumentError("version", version, expected)
            if not is_current:
                make_current(connection, made, _BY_COMMAND)
            return materialization_of(connection, made.materialization_id)


def _is_waiting(connection: sa.Connection, made: Materialization) -> bool:
    this = (_ID.in_([made.materialization_id]), IS_CANDIDATE, IS_HELD)
    return connection.execute(sa.select(_ID).where(*this)).first() is not None
