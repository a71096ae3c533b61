"""Versions of datasets: the raw content that each brought, and the table made from it."""

import re
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import CatalogSection, reading, retried
from artifact_pipelines.catalog.exceptions import UnknownDatasetError, UnknownDatasetVersionError
from artifact_pipelines.catalog.materialization_rows import materializations_of
from artifact_pipelines.catalog.tables import (
    dataset_versions,
    datasets,
    materialization_inputs,
    materializations,
    tags,
)
from artifact_pipelines.core.types import DatasetVersion, Publication

_NUMBER = re.compile(r"v([1-9][0-9]{0,17})", re.ASCII)
_MOST_NAMED = 20
_RAW, _TABLE = materializations.alias("raw"), materializations.alias("made_table")
_OF_DATASET = dataset_versions.join(datasets)
_MADE_FROM = materialization_inputs.c


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
    def versions(self, dataset: str, limit: int = 1000) -> Sequence[DatasetVersion]:
        """Return the kept versions of a dataset, newest first.

        Raises:
            UnknownDatasetError: There is no such dataset.
        """
        with reading(self._engine) as connection:
            found = _versions(connection, dataset, limit)
            if not found:
                raise _unknown(connection, dataset)
            return found

    @retried
    def find(self, name: str) -> DatasetVersion:
        """Return the version that a name means: `flights` (the current one), `flights@v3` or `flights@tag`.

        Raises:
            UnknownDatasetError: There is no such dataset.
            UnknownDatasetVersionError: It has no such version, or no longer has it.
        """
        dataset, _, selector = name.partition("@")
        with reading(self._engine) as connection:
            number = number_in(selector) if selector else _current_number(connection, dataset)
            if number is None:
                number = _tagged_number(connection, dataset, selector)
            found = _versions(connection, dataset, 1, number) if number is not None else ()
            if found:
                return found[0]
            known = _versions(connection, dataset, _MOST_NAMED)
            if not known:
                raise _unknown(connection, dataset)
        raise UnknownDatasetVersionError(dataset, selector, [_name(version) for version in known])


def _name(version: DatasetVersion) -> str:
    return f"v{version.number}" + (f" ({', '.join(version.tags)})" if version.tags else "")


def _unknown(connection: sa.Connection, dataset: str) -> UnknownDatasetError:
    known = sa.select(datasets.c.name).order_by(datasets.c.name).limit(_MOST_NAMED)
    return UnknownDatasetError(dataset, connection.scalars(known).all())


def _versions(
    connection: sa.Connection, dataset: str, limit: int, number: int | None = None
) -> Sequence[DatasetVersion]:
    """Read versions of a dataset, newest first, or one of them: those whose raw content is kept."""
    version = dataset_versions.c
    which = [datasets.c.name == dataset, _RAW.c.released_at.is_(None)]
    which += [version.number == number] if number is not None else []
    raw = _OF_DATASET.join(_RAW, _RAW.c.materialization_id == version.materialization_id)
    query = sa.select(version.number, version.materialization_id, _RAW.c.asset_key).select_from(raw).where(*which)
    rows = connection.execute(query.order_by(version.number.desc()).limit(limit)).all()
    if not rows:
        return ()
    numbers, raw_key = [row.number for row in rows], rows[0].asset_key
    tables = _tables_of(connection, raw_key, f"{dataset}/table", numbers)
    ids = [row.materialization_id for row in rows]
    made = {one.materialization_id: one for one in materializations_of(connection, [*ids, *tables.values()])}
    tags_of = _tags_of(connection, raw_key, numbers)
    current = _current_number(connection, dataset)
    return [
        DatasetVersion(
            dataset=dataset,
            number=row.number,
            raw=made[row.materialization_id],
            table=made.get(tables.get(row.number, 0)),
            tags=tuple(tags_of.get(row.number, ())),
            is_current=row.number == current,
        )
        for row in rows
    ]


def _tables_of(connection: sa.Connection, raw: str, table: str, numbers: Sequence[int]) -> Mapping[int, int]:
    """Find the newest table made from each version of the raw content, by its number."""
    from_raw = sa.and_(_RAW.c.materialization_id == _MADE_FROM.input_id, _MADE_FROM.position == 0)
    joined = sa.join(_RAW, materialization_inputs, from_raw).join(
        _TABLE, _TABLE.c.materialization_id == _MADE_FROM.materialization_id
    )
    which = [_RAW.c.asset_key == raw, _RAW.c.partition_key.is_(None), _RAW.c.version.in_(numbers)]
    kept = [_TABLE.c.asset_key == table, _TABLE.c.released_at.is_(None), _TABLE.c.publication != Publication.REJECTED]
    query = sa.select(_RAW.c.version, sa.func.max(_TABLE.c.materialization_id)).select_from(joined)
    return dict(connection.execute(query.where(*which, *kept).group_by(_RAW.c.version)).all())


def _current_number(connection: sa.Connection, dataset: str) -> int | None:
    """Return the number of the version whose table is current; without a table, that of the current raw content."""
    from_raw = sa.and_(_RAW.c.materialization_id == _MADE_FROM.input_id, _MADE_FROM.position == 0)
    joined = sa.join(_TABLE, materialization_inputs, _TABLE.c.materialization_id == _MADE_FROM.materialization_id)
    query = sa.select(_RAW.c.version).select_from(joined.join(_RAW, from_raw))
    is_current = [_TABLE.c.asset_key == f"{dataset}/table", _TABLE.c.partition_key.is_(None), _TABLE.c.is_current]
    if (number := connection.scalar(query.where(*is_current))) is not None:
        return int(number)
    raw = _RAW.c.materialization_id == dataset_versions.c.materialization_id
    newest = sa.select(sa.func.max(dataset_versions.c.number)).select_from(_OF_DATASET.join(_RAW, raw))
    number = connection.scalar(newest.where(datasets.c.name == dataset, _RAW.c.released_at.is_(None)))
    return None if number is None else int(number)


def _tags_of(connection: sa.Connection, raw: str, numbers: Sequence[int]) -> Mapping[int, Sequence[str]]:
    joined = sa.join(tags, materializations)
    query = sa.select(materializations.c.version, tags.c.name).select_from(joined)
    query = query.where(materializations.c.asset_key == raw, materializations.c.version.in_(numbers))
    found: dict[int, list[str]] = {}
    for row in connection.execute(query.order_by(tags.c.name)):
        found.setdefault(row.version, []).append(row.name)
    return found


def _tagged_number(connection: sa.Connection, dataset: str, name: str) -> int | None:
    raw = sa.select(_RAW.c.asset_key).select_from(
        _OF_DATASET.join(_RAW, _RAW.c.materialization_id == dataset_versions.c.materialization_id)
    )
    keys = raw.where(datasets.c.name == dataset).limit(1).scalar_subquery()
    query = sa.select(materializations.c.version).select_from(sa.join(tags, materializations))
    return connection.scalar(query.where(tags.c.asset_key == keys, tags.c.name == name))
