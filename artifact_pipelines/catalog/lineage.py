"""What was made from what: from a materialization up to its inputs, and down to what was made from it.

One idea: the exact files that a step loaded are recorded, and of which materialization, so lineage is read and not
guessed; but what was recorded before 0005 has the files only. Every step of a tree is one query for all its nodes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import reading
from artifact_pipelines.catalog.retry import retried
from artifact_pipelines.catalog.tables import materialization_files, materialization_inputs, materializations
from artifact_pipelines.core.lineage import Ancestry, Made
from artifact_pipelines.core.types import FileId

_inputs = materialization_inputs.c
_owned = materialization_files.c


class LineageCatalog:
    """Lineage on SQLite and PostgreSQL. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @retried
    def versions(self, asset: str, partition: str | None, version: int | None, limit: int) -> Sequence[Made]:
        """Return the newest kept materialization of a version, by default of the current one; by partition.

        Without a partition, it is that of each partition.
        """
        table = materializations.c
        which = [table.asset_key == asset, table.released_at.is_(None)]
        which += [table.is_current if version is None else table.version == version]
        which += [] if partition is None else [table.partition_key == partition]
        newest = sa.select(sa.func.max(table.materialization_id)).where(*which).group_by(table.partition_key)
        with reading(self._engine) as connection:
            found = _made(connection, connection.scalars(newest.order_by(table.partition_key).limit(limit)).all())
        return _by_name(found.values())

    @retried
    def holders(self, file_id: FileId, limit: int) -> Sequence[Made]:
        """Return the newest materialization of each asset and partition that ever had a file, by name."""
        newest = (
            sa.select(sa.func.max(materializations.c.materialization_id))
            .join(materialization_files, _owned.materialization_id == materializations.c.materialization_id)
            .where(_owned.file_id == file_id)
            .group_by(materializations.c.asset_key, materializations.c.partition_key)
        )
        with reading(self._engine) as connection:
            found = _made(connection, connection.scalars(newest.limit(limit)).all())
        return _by_name(found.values())

    @retried
    def inputs(self, materialization_ids: Sequence[int], limit: int) -> Ancestry:
        """Return what materializations were made from, in the order in which it was recorded, so many at the most.

        Where it is not known which materialization was loaded, it is the newest one that had the input's file before.
        """
        with reading(self._engine) as connection:
            rows = connection.execute(_input_rows(materialization_ids, limit)).all()
            found = _made(connection, [row.producer for row in rows if row.producer is not None])
        pairs = []
        for row in rows:
            unknown = Made(None, row.asset_key, row.partition_key, None, FileId(row.file_id), None, None)
            pairs.append((row.materialization_id, found.get(row.producer, unknown)))
        return pairs

    @retried
    def consumers(self, materialization_ids: Sequence[int], limit: int) -> Ancestry:
        """Return what was made from the files of materializations, by name, so many at the most.

        Of the materializations of one version it is the newest.
        """
        with reading(self._engine) as connection:
            rows = connection.execute(_consumer_rows(materialization_ids, limit)).all()
            found = _made(connection, [row.consumer for row in rows])
        return [(row.source, found[row.consumer]) for row in rows]


def _input_rows(ids: Sequence[int], limit: int) -> sa.Select[Any]:
    before = materializations.alias()
    producer = (
        sa.select(sa.func.max(before.c.materialization_id))
        .join_from(materialization_files, before, before.c.materialization_id == _owned.materialization_id)
        .where(
            _owned.file_id == _inputs.file_id,
            before.c.asset_key == _inputs.asset_key,
            before.c.partition_key.is_not_distinct_from(_inputs.partition_key),
            _owned.materialization_id < _inputs.materialization_id,
        )
        .scalar_subquery()
    )
    loaded = sa.func.coalesce(_inputs.source_id, producer).label("producer")
    rows = sa.select(materialization_inputs, loaded).where(_inputs.materialization_id.in_(ids))
    return rows.order_by(_inputs.materialization_id, _inputs.input_id).limit(limit)


def _consumer_rows(ids: Sequence[int], limit: int) -> sa.Select[Any]:
    source, made, loaded = (materializations.alias(name) for name in ("source", "made", "loaded"))
    # By version, not by ID: what is made again of the same content is the same to whoever was made from it.
    is_version = sa.exists().where(
        loaded.c.materialization_id == _inputs.source_id, loaded.c.version == source.c.version
    )
    return (
        sa.select(_owned.materialization_id.label("source"), sa.func.max(made.c.materialization_id).label("consumer"))
        .join_from(materialization_files, source, source.c.materialization_id == _owned.materialization_id)
        .join(
            materialization_inputs,
            sa.and_(
                _inputs.file_id == _owned.file_id,
                _inputs.asset_key == source.c.asset_key,
                _inputs.partition_key.is_not_distinct_from(source.c.partition_key),
                sa.or_(_inputs.source_id.is_(None), is_version),
            ),
        )
        .join(made, made.c.materialization_id == _inputs.materialization_id)
        .where(_owned.materialization_id.in_(ids))
        .group_by(_owned.materialization_id, made.c.asset_key, made.c.partition_key, made.c.version)
        .order_by(_owned.materialization_id, made.c.asset_key, made.c.partition_key, made.c.version)
        .limit(limit)
    )


def _by_name(found: Iterable[Made]) -> Sequence[Made]:
    return sorted(found, key=lambda made: (made.asset, made.partition or ""))


def _made(connection: sa.Connection, ids: Sequence[int]) -> Mapping[int, Made]:
    first_file = sa.and_(_owned.materialization_id == materializations.c.materialization_id, _owned.position == 0)
    query = sa.select(materializations, _owned.file_id).outerjoin(materialization_files, first_file)
    rows = connection.execute(query.where(materializations.c.materialization_id.in_(ids)))
    return {
        row.materialization_id: Made(
            row.materialization_id,
            row.asset_key,
            row.partition_key,
            row.version,
            FileId(row.file_id),
            row.created_at,
            row.run_id,
        )
        for row in rows
    }
