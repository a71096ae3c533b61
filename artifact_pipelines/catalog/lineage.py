"""Lineage: from a materialization up to its inputs, and down to what was made from it.

One idea: the materializations that a step loaded are recorded, so lineage is read and never guessed. Each level of a
tree takes one query for all its nodes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import CatalogSection, reading, retried
from artifact_pipelines.catalog.tables import materialization_files, materialization_inputs, materializations
from artifact_pipelines.core.lineage import Ancestry, Made, Outdated
from artifact_pipelines.core.types import PINNED_INPUTS, FileId

_TABLE = materializations.c
_inputs = materialization_inputs.c
_owned = materialization_files.c
_NAME = (_TABLE.asset_key, _TABLE.partition_key)


class LineageCatalog(CatalogSection):
    """Lineage on SQLite and PostgreSQL. Every method is one transaction."""

    @retried
    def versions(self, asset: str, partition: str | None, version: int | None, limit: int) -> Sequence[Made]:
        """Return the newest kept materialization of a version, by default of the current one, for each partition."""
        which = [_TABLE.asset_key == asset, _TABLE.released_at.is_(None)]
        which += [_TABLE.is_current if version is None else _TABLE.version == version]
        which += [] if partition is None else [_TABLE.partition_key == partition]
        newest = sa.select(sa.func.max(_TABLE.materialization_id)).where(*which).group_by(_TABLE.partition_key)
        with reading(self._engine) as connection:
            found = _made(connection, connection.scalars(newest.order_by(_TABLE.partition_key).limit(limit)).all())
        return _by_name(found.values())

    @retried
    def holders(self, file_id: FileId, limit: int) -> Sequence[Made]:
        """Return the newest materialization of each asset and partition that ever had a file, by name."""
        newest = (
            sa.select(sa.func.max(_TABLE.materialization_id))
            .join(materialization_files, _owned.materialization_id == _TABLE.materialization_id)
            .where(_owned.file_id == file_id)
            .group_by(_TABLE.asset_key, _TABLE.partition_key)
        )
        with reading(self._engine) as connection:
            found = _made(connection, connection.scalars(newest.limit(limit)).all())
        return _by_name(found.values())

    @retried
    def inputs(self, materialization_ids: Sequence[int], limit: int) -> Ancestry:
        """Return the inputs of materializations, in the order in which they were recorded; at most `limit` pairs."""
        rows = sa.select(materialization_inputs).where(_inputs.materialization_id.in_(materialization_ids))
        rows = rows.order_by(_inputs.materialization_id, _inputs.position).limit(limit)
        with reading(self._engine) as connection:
            pairs = connection.execute(rows).all()
            found = _made(connection, [row.input_id for row in pairs])
        return [(row.materialization_id, found[row.input_id]) for row in pairs]

    @retried
    def consumers(self, materialization_ids: Sequence[int], limit: int) -> Ancestry:
        """Return what was made from the versions of materializations, by name; at most `limit` pairs.

        The newest materialization of each version stands for it.
        """
        with reading(self._engine) as connection:
            rows = connection.execute(_consumer_rows(materialization_ids, limit)).all()
            found = _made(connection, [row.consumer for row in rows])
        return [(row.source, found[row.consumer]) for row in rows]

    @retried
    def outdated(self) -> Sequence[Outdated]:
        """Return the current versions that were made from other versions than the current ones, by name.

        Something that was made from several versions of an input counts if none of them is current. An input of which
        a chosen version is loaded does not count.
        """
        made, source = materializations.alias("made").c, materializations.alias("source").c
        is_current = [made.is_current, ~made.is_op_output]
        names = sa.select(made.asset_key, made.partition_key, made.version).where(*is_current)
        loaded = (
            names.add_columns(source.asset_key, source.partition_key, source.version, made.metadata[PINNED_INPUTS])
            .join(materialization_inputs, _inputs.materialization_id == made.materialization_id)
            .join(source.materialization_id.table, _inputs.input_id == source.materialization_id)
        )
        with reading(self._engine) as connection:
            current = {(asset, partition): version for asset, partition, version in connection.execute(names)}
            versions = dict[tuple[str, str | None, int, str, str | None], set[int]]()
            for *name, of_input, its_partition, loaded_version, pinned in connection.execute(loaded):
                if of_input not in (pinned or ()):
                    versions.setdefault((*name, of_input, its_partition), set()).add(loaded_version)
        found = [
            Outdated(*pair, max(loaded_versions), now)
            for pair, loaded_versions in versions.items()
            if (now := current.get((pair[3], pair[4]))) is not None and now not in loaded_versions
        ]
        return sorted(
            found, key=lambda each: (each.asset, each.partition or "", each.input, each.input_partition or "")
        )


def _consumer_rows(ids: Sequence[int], limit: int) -> sa.Select[Any]:
    same, made = _same_versions(ids).c, materializations.alias("made")
    order = (same.source, made.c.asset_key, made.c.partition_key, made.c.version)
    return (
        sa.select(same.source, sa.func.max(made.c.materialization_id).label("consumer"))
        .join(materialization_inputs, _inputs.input_id == same.loaded)
        .join(made, made.c.materialization_id == _inputs.materialization_id)
        .group_by(*order)
        .order_by(*order)
        .limit(limit)
    )


def _same_versions(ids: Sequence[int]) -> sa.Subquery:
    """Select each materialization with all those of its version: a consumer of one is a consumer of all."""
    source, other = materializations.alias("source"), materializations.alias("other")
    pairs = sa.select(source.c.materialization_id.label("source"), other.c.materialization_id.label("loaded")).where(
        source.c.materialization_id.in_(ids),
        other.c.asset_key == source.c.asset_key,
        other.c.version == source.c.version,
    )
    # Two queries, because PostgreSQL uses no index for "is not distinct from".
    partitioned = pairs.where(other.c.partition_key == source.c.partition_key)
    unpartitioned = pairs.where(other.c.partition_key.is_(None), source.c.partition_key.is_(None))
    return sa.union_all(partitioned, unpartitioned).subquery("same")


def _by_name(found: Iterable[Made]) -> Sequence[Made]:
    return sorted(found, key=lambda made: (made.asset, made.partition or ""))


def _made(connection: sa.Connection, ids: Sequence[int]) -> Mapping[int, Made]:
    first_file = sa.and_(_owned.materialization_id == _TABLE.materialization_id, _owned.position == 0)
    others = materialization_files.alias("others")
    file_count = (
        sa.select(sa.func.count()).where(others.c.materialization_id == _TABLE.materialization_id).scalar_subquery()
    )
    facts = (_TABLE.version, _owned.file_id, _TABLE.created_at, _TABLE.run_id, file_count)
    columns = (_TABLE.materialization_id, *_NAME, *facts)
    query = sa.select(*columns).join_from(materializations, materialization_files, first_file)
    rows = connection.execute(query.where(_TABLE.materialization_id.in_(ids)))
    return {row.materialization_id: Made(*row) for row in rows}
