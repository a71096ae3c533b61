"""Making an older version current again. No byte moves: one row more, and one reference more on each of its files."""

import sqlalchemy as sa

from artifact_pipelines.catalog.clock import utc_now
from artifact_pipelines.catalog.engine import writing
from artifact_pipelines.catalog.exceptions import UnknownVersionError
from artifact_pipelines.catalog.files import hold_again
from artifact_pipelines.catalog.materialization_rows import (
    TYPES,
    holder_of,
    lock_asset,
    materialization_of,
    of_asset,
)
from artifact_pipelines.catalog.publication import give_way
from artifact_pipelines.catalog.retry import retried
from artifact_pipelines.catalog.tables import materialization_files, materialization_inputs, materializations
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import Publication, Rollback

_TABLE = materializations.c
_ID = _TABLE.materialization_id
# What says of a materialization what it holds, and not who made it.
_CONTENT = (
    "asset_key",
    "partition_key",
    "version",
    "data_version",
    "code_version",
    "row_count",
    "schema",
    "metadata",
    "is_op_output",
)
# Who made it, only where that is what it goes by: else some run would take it for its own.
_RUN = {name: sa.case((_TABLE.is_op_output, _TABLE[name])).label(name) for name in ("run_id", "step_key")}


class RollbackCatalog:
    """Rollbacks on SQLite and PostgreSQL."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @retried
    def roll_back(self, asset: str, version: int, partition: str | None = None) -> Rollback:
        """Make a kept version current: a new materialization of it, with its number, files, data version and inputs.

        It is of no run, so no run takes it for its own; the output of an op that is no asset stays that of its run.
        Where that version is current already, nothing changes.

        Raises:
            UnknownVersionError: No materialization of that number is kept.
            InvalidArgumentError: It is kept, and was never published.
        """
        with writing(self._engine) as connection:
            lock_asset(connection, asset)
            which = of_asset(asset, partition)
            kept = sa.select(_ID, _TABLE.run_id, _TABLE.publication).where(
                *which, _TABLE.version == version, _TABLE.released_at.is_(None)
            )
            found = connection.execute(kept.order_by(_ID.desc())).all()
            if not found:
                highest = connection.execute(sa.select(sa.func.max(_TABLE.version)).where(*which)).scalar()
                raise UnknownVersionError(asset, version, highest or 0, partition)
            made = [row for row in found if row.publication == Publication.PUBLISHED]
            if not made:
                publish = f"`artifact-pipelines publish {asset} --version {version}`"
                expected = f"that of a published version ({publish} makes current what is {found[0].publication})"
                raise InvalidArgumentError("version", version, expected)
            current = connection.execute(sa.select(_ID, _TABLE.version).where(*which, _TABLE.is_current)).first()
            is_new = current is None or current.version != version
            if is_new:
                give_way(connection, which, version)
            now = record_again(connection, made[0].materialization_id) if current is None or is_new else current[0]
            of_run = next((row.materialization_id for row in made if row.run_id), made[-1].materialization_id)
            return Rollback(materialization_of(connection, now), materialization_of(connection, of_run), is_new)


def record_again(connection: sa.Connection, source_id: int) -> int:
    """Record a materialization anew as the current one, where nothing is so any more, and return its ID."""
    now = connection.execute(sa.select(utc_now())).scalar_one()
    facts = {"bytes_added": 0, "is_current": True, "created_at": now, "current_since": now}
    kept = [_TABLE[name] for name in _CONTENT]
    same = sa.select(*kept, *_RUN.values(), *map(sa.literal, facts.values())).where(_ID.in_([source_id]))
    insert = sa.insert(materializations).from_select([*_CONTENT, *_RUN, *facts], same, include_defaults=False)
    new_id: int = connection.execute(insert.returning(_ID)).scalar_one()
    for table, names in (
        (materialization_files, ["position", "file_id", *TYPES]),
        (materialization_inputs, ["position", "input_id"]),
    ):
        rows = sa.select(sa.literal(new_id), *(table.c[name] for name in names))
        rows = rows.where(table.c.materialization_id == source_id)
        connection.execute(sa.insert(table).from_select(["materialization_id", *names], rows))
    owned = sa.select(materialization_files.c.file_id).where(materialization_files.c.materialization_id == new_id)
    hold_again(connection, connection.scalars(owned).all(), holder_of(new_id))
    return new_id
