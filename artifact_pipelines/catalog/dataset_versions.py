"""Versions of datasets: the raw content that each brought, and the table made from it.

The partitions of a dataset have versions of their own, each numbered from 1.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import CatalogSection, reading, retried
from artifact_pipelines.catalog.exceptions import (
    PartitionNeededError,
    UnknownDatasetError,
    UnknownDatasetVersionError,
)
from artifact_pipelines.catalog.materialization_rows import (
    materialization_of,
    materializations_of,
    select_materializations,
)
from artifact_pipelines.catalog.tables import (
    dataset_versions,
    datasets,
    files,
    materialization_files,
    materialization_inputs,
    materializations,
    tags,
)
from artifact_pipelines.core.types import DatasetVersion, FileState, Materialization, Publication

_NUMBER = re.compile(r"v([1-9][0-9]{0,17})", re.ASCII)
_MOST_NAMED = 20
_AT_ONCE = 100
_RAW, _TABLE = materializations.alias("raw"), materializations.alias("made_table")
_OF_DATASET = dataset_versions.join(datasets)
_MADE_FROM = materialization_inputs.c
_RAW_TO_TABLE = sa.join(_RAW, materialization_inputs, _RAW.c.materialization_id == _MADE_FROM.input_id).join(
    _TABLE, _TABLE.c.materialization_id == _MADE_FROM.materialization_id
)
_RAW_TO_FILE = sa.join(
    _RAW, materialization_files, _RAW.c.materialization_id == materialization_files.c.materialization_id
).join(files, files.c.file_id == materialization_files.c.file_id)
_PARTITION = dataset_versions.c.partition_key
_WAS_PUBLISHED = [publication for publication in Publication if publication.was_published]
_BEST_TABLE = sa.func.coalesce(
    *(
        sa.func.max(sa.case((is_better, _TABLE.c.materialization_id)))
        for is_better in (_TABLE.c.is_current, _TABLE.c.publication == Publication.PUBLISHED, sa.true())
    )
)
_OLDEST_TABLE = sa.func.coalesce(
    *(
        sa.func.min(sa.case((is_better, _TABLE.c.materialization_id)))
        for is_better in (_TABLE.c.publication == Publication.PUBLISHED, sa.true())
    )
)


def number_in(selector: str) -> int | None:
    """Return the number in `v3`; None: it is no number, so it is a tag."""
    found = _NUMBER.fullmatch(selector)
    return int(found[1]) if found else None


class DatasetCatalog(CatalogSection):
    """Datasets and their versions. Every method is one transaction."""

    @retried
    def names(self) -> Sequence[str]:
        """Return the names of all datasets that have a version, in their order."""
        with reading(self._engine) as connection:
            return connection.scalars(sa.select(datasets.c.name).order_by(datasets.c.name)).all()

    @retried
    def versions(self, dataset: str, limit: int = 1000, partition: str | None = None) -> Sequence[DatasetVersion]:
        """Return the kept versions of a dataset, newest first; of all its partitions if none is named.

        Raises:
            UnknownDatasetError: There is no such dataset.
        """
        with reading(self._engine) as connection:
            found = _versions(connection, dataset, limit, _in(partition))
            if not found and partition is None:
                raise _unknown(connection, dataset)
            return found

    @retried
    def current(self, dataset: str) -> Sequence[DatasetVersion]:
        """Return the current version of a dataset; if it is partitioned, that of each partition, newest first.

        Raises:
            UnknownDatasetError: There is no such dataset.
        """
        with reading(self._engine) as connection:
            numbers = _current_numbers(connection, dataset)
            if not numbers:
                raise _unknown(connection, dataset)
            is_current = [sa.and_(_is(_PARTITION, p), dataset_versions.c.number == n) for p, n in numbers.items()]
            found: list[DatasetVersion] = []
            for start in range(0, len(is_current), _AT_ONCE):
                found += _versions(connection, dataset, _AT_ONCE, [sa.or_(*is_current[start : start + _AT_ONCE])])
        return sorted(found, key=lambda version: version.raw.materialization_id, reverse=True)

    @retried
    def find(self, name: str, partition: str | None = None) -> DatasetVersion:
        """Return the version that a name means: `flights` (the current one), `flights@v3` or `flights@tag`.

        Raises:
            UnknownDatasetError: There is no such dataset.
            UnknownDatasetVersionError: It has no such version, or no longer has it.
            PartitionNeededError: It is partitioned, and no partition is named.
        """
        dataset, _, selector = name.partition("@")
        with reading(self._engine) as connection:
            number = number_in(selector)
            if number is None:
                numbers = _current_numbers if not selector else _tagged_numbers
                number = numbers(connection, dataset, selector, partition).get(partition)
            which = [_is(_PARTITION, partition), dataset_versions.c.number == number]
            found = _versions(connection, dataset, 1, which) if number is not None else ()
            if found:
                return found[0]
            known = _versions(connection, dataset, _MOST_NAMED, _in(partition))
            if not known and (partition is None or not _versions(connection, dataset, 1)):
                raise _unknown(connection, dataset)
        if partition is None and known[0].partition is not None:
            raise PartitionNeededError(dataset, list(dict.fromkeys(str(version.partition) for version in known)))
        raise UnknownDatasetVersionError(dataset, selector, [_name(version) for version in known], partition)

    @retried
    def newest_table(self, version: DatasetVersion) -> Materialization | None:
        """Return the newest kept table made from a version, published or not; None: there is none."""
        raw, is_first = version.raw, _MADE_FROM.position == 0
        which = [_RAW.c.asset_key == raw.asset, _is(_RAW.c.partition_key, raw.partition), _RAW.c.version == raw.version]
        which += [_TABLE.c.asset_key == f"{version.dataset}/table", _TABLE.c.released_at.is_(None)]
        # Every later union has the content too, so the oldest of those is meant; see `_tables_of`.
        place = sa.case((is_first, -_TABLE.c.materialization_id), else_=_TABLE.c.materialization_id)
        query = sa.select(_TABLE.c.materialization_id).select_from(_RAW_TO_TABLE).where(*which).order_by(place)
        with reading(self._engine) as connection:
            found = connection.scalar(query.limit(1))
            return None if found is None else materialization_of(connection, found)

    @retried
    def version_with(self, raw: str, partition: str | None, content_hash: str) -> Materialization | None:
        """Return the newest kept raw materialization with a content, unless its stored bytes are damaged."""
        query = sa.select(sa.func.max(_RAW.c.materialization_id)).select_from(_RAW_TO_FILE)
        is_good = [_RAW.c.released_at.is_(None), files.c.state != FileState.DAMAGED]
        is_it = [_RAW.c.asset_key == raw, _is(_RAW.c.partition_key, partition)]
        with reading(self._engine) as connection:
            found = connection.scalar(query.where(files.c.content_hash == content_hash, *is_good, *is_it))
            return None if found is None else materialization_of(connection, found)

    @retried
    def newest_with(self, raw: str, content_hashes: Collection[str]) -> Mapping[str, Materialization]:
        """Return the newest kept raw materialization with each of some contents, of any partition, by their hashes."""
        query = sa.select(files.c.content_hash, sa.func.max(_RAW.c.materialization_id)).select_from(_RAW_TO_FILE)
        query = query.where(files.c.content_hash.in_(content_hashes), _RAW.c.asset_key == raw)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(_RAW.c.released_at.is_(None)).group_by(files.c.content_hash)).all()
            made = {each.materialization_id: each for each in materializations_of(connection, [row[1] for row in rows])}
        return {row[0]: made[row[1]] for row in rows}

    @retried
    def all_with(self, raw: str, content_hash: str, limit: int = 1000) -> Sequence[Materialization]:
        """Return the kept raw materializations with a content, of all partitions, newest first."""
        which = [files.c.content_hash == content_hash, _RAW.c.asset_key == raw, _RAW.c.released_at.is_(None)]
        has_it = sa.select(_RAW.c.materialization_id).select_from(_RAW_TO_FILE).where(*which)
        with reading(self._engine) as connection:
            return select_materializations(connection, [materializations.c.materialization_id.in_(has_it)], limit)

    @retried
    def read_by_current(self, table: str, partition: str | None, hashes: Collection[str]) -> Mapping[str, int]:
        """Return which of some contents the current table was read from, with its version."""
        which = [_TABLE.c.asset_key == table, _is(_TABLE.c.partition_key, partition), _TABLE.c.is_current]
        joined = (
            sa.join(_TABLE, materialization_inputs, _TABLE.c.materialization_id == _MADE_FROM.materialization_id)
            .join(materialization_files, materialization_files.c.materialization_id == _MADE_FROM.input_id)
            .join(files, files.c.file_id == materialization_files.c.file_id)
        )
        query = sa.select(files.c.content_hash, _TABLE.c.version).select_from(joined)
        with reading(self._engine) as connection:
            found = connection.execute(query.where(*which, files.c.content_hash.in_(hashes)))
            return {row.content_hash: row.version for row in found}


def _is(column: sa.ColumnElement[Any], partition: str | None) -> sa.ColumnElement[bool]:
    return column.is_(None) if partition is None else column == partition  # PostgreSQL has no index for "not distinct"


def _in(partition: str | None) -> Sequence[sa.ColumnElement[bool]]:
    return [] if partition is None else [_is(_PARTITION, partition)]


def _name(version: DatasetVersion) -> str:
    return f"v{version.number}" + (f" ({', '.join(version.tags)})" if version.tags else "")


def _unknown(connection: sa.Connection, dataset: str) -> UnknownDatasetError:
    known = sa.select(datasets.c.name).order_by(datasets.c.name).limit(_MOST_NAMED)
    return UnknownDatasetError(dataset, connection.scalars(known).all())


def _versions(
    connection: sa.Connection, dataset: str, limit: int, which: Sequence[sa.ColumnElement[bool]] = ()
) -> Sequence[DatasetVersion]:
    """Read selected versions of a dataset, newest first: those whose raw content is kept."""
    version = dataset_versions.c
    raw = _OF_DATASET.join(_RAW, _RAW.c.materialization_id == version.materialization_id)
    query = sa.select(_PARTITION, version.number, version.materialization_id, _RAW.c.asset_key).select_from(raw)
    query = query.where(datasets.c.name == dataset, _RAW.c.released_at.is_(None), *which)
    rows = connection.execute(query.order_by(version.materialization_id.desc()).limit(limit)).all()
    if not rows:
        return ()
    raw_key, partitions = rows[0].asset_key, list(dict.fromkeys(row.partition_key for row in rows))
    only = partitions[0] if len(partitions) == 1 else None
    tables = _tables_of(connection, raw_key, f"{dataset}/table", rows)
    ids = [row.materialization_id for row in rows]
    made = {one.materialization_id: one for one in materializations_of(connection, [*ids, *tables.values()])}
    tags_of = _tags_of(connection, raw_key, [row.number for row in rows])
    current = _current_numbers(connection, dataset, partition=only)
    return [
        DatasetVersion(
            dataset=dataset,
            number=row.number,
            raw=made[row.materialization_id],
            table=made.get(tables.get((row.partition_key, row.number), 0)),
            tags=tuple(tags_of.get((row.partition_key, row.number), ())),
            is_current=row.number == current.get(row.partition_key),
        )
        for row in rows
    ]


def _tables_of(
    connection: sa.Connection, raw: str, table: str, rows: Sequence[Any]
) -> Mapping[tuple[str | None, int], int]:
    """Find the table made from each version of the raw content, by its partition and number.

    If there are several, it is the current one, else the newest published one, else the newest withdrawn one: never a
    candidate.
    """
    which = [_RAW.c.asset_key == raw, _RAW.c.version.in_({row.number for row in rows})]
    if len(partitions := {row.partition_key for row in rows}) == 1:  # the index serves
        which.append(_is(_RAW.c.partition_key, *partitions))
    kept = [_TABLE.c.asset_key == table, _TABLE.c.released_at.is_(None), _TABLE.c.publication.in_(_WAS_PUBLISHED)]
    of_raw = (_RAW.c.partition_key, _RAW.c.version)
    query = sa.select(*of_raw).select_from(_RAW_TO_TABLE).where(*which, *kept).group_by(*of_raw)
    best = query.add_columns(_BEST_TABLE).where(_MADE_FROM.position == 0)
    found = {(row[0], row[1]): row[2] for row in connection.execute(best)}
    if all((row.partition_key, row.number) in found for row in rows):
        return found
    # If one run added several contents to a union, the table notes only the last of them in the first place. All later
    # unions have them too, the current one as well, so the oldest is meant.
    return {(row[0], row[1]): row[2] for row in connection.execute(query.add_columns(_OLDEST_TABLE))} | found


def _current_numbers(
    connection: sa.Connection, dataset: str, _: str = "", partition: str | None = None
) -> Mapping[str | None, int]:
    """Return the number of each partition's version whose table is current; without a table, that of the newest raw."""
    raw = _RAW.c.materialization_id == dataset_versions.c.materialization_id
    newest = sa.select(_PARTITION, sa.func.max(dataset_versions.c.number)).select_from(_OF_DATASET.join(_RAW, raw))
    newest = newest.where(datasets.c.name == dataset, _RAW.c.released_at.is_(None), *_in(partition))
    from_raw = sa.and_(_RAW.c.materialization_id == _MADE_FROM.input_id, _MADE_FROM.position == 0)
    joined = sa.join(_TABLE, materialization_inputs, _TABLE.c.materialization_id == _MADE_FROM.materialization_id)
    query = sa.select(_RAW.c.partition_key, _RAW.c.version).select_from(joined.join(_RAW, from_raw))
    is_current = [_TABLE.c.asset_key == f"{dataset}/table", _TABLE.c.is_current]
    is_current += [] if partition is None else [_TABLE.c.partition_key == partition]
    found: dict[str | None, int] = {row[0]: row[1] for row in connection.execute(newest.group_by(_PARTITION))}
    return found | {row[0]: row[1] for row in connection.execute(query.where(*is_current)) if row[0] in found}


def _tags_of(
    connection: sa.Connection, raw: str, numbers: Sequence[int]
) -> Mapping[tuple[str | None, int], Sequence[str]]:
    joined = sa.join(tags, materializations)
    made = materializations.c
    query = sa.select(made.partition_key, made.version, tags.c.name).select_from(joined)
    query = query.where(made.asset_key == raw, made.version.in_(set(numbers)))
    found: dict[tuple[str | None, int], list[str]] = {}
    for row in connection.execute(query.order_by(tags.c.name)):
        found.setdefault((row.partition_key, row.version), []).append(row.name)
    return found


def _tagged_numbers(
    connection: sa.Connection, dataset: str, name: str, partition: str | None = None
) -> Mapping[str | None, int]:
    raw = sa.select(_RAW.c.asset_key).select_from(
        _OF_DATASET.join(_RAW, _RAW.c.materialization_id == dataset_versions.c.materialization_id)
    )
    keys = raw.where(datasets.c.name == dataset).limit(1).scalar_subquery()
    query = sa.select(tags.c.partition_key, materializations.c.version).select_from(sa.join(tags, materializations))
    which = [tags.c.asset_key == keys, tags.c.name == name, _is(tags.c.partition_key, partition)]
    return {row[0]: row[1] for row in connection.execute(query.where(*which))}
