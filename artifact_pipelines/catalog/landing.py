"""Files in the landing zone and their states: the sensor's memory, which outlives every restart."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from artifact_pipelines.catalog.engine import CatalogSection, retried, writing
from artifact_pipelines.catalog.tables import landing_files, landing_sources
from artifact_pipelines.core.types import LandingFile, LandingState

_COLUMNS = [field.name for field in dataclasses.fields(LandingFile)]
_SELECTED = [landing_files.c[name] for name in _COLUMNS]


def _upsert(insert: sqlite.Insert | postgresql.Insert) -> sa.Executable:
    changed = {name: insert.excluded[name] for name in _COLUMNS}
    return insert.on_conflict_do_update(
        index_elements=["dataset", "path"], set_={**changed, "updated_at": insert.excluded.updated_at}
    )


_UPSERTS = {"sqlite": _upsert(sqlite.insert(landing_files)), "postgresql": _upsert(postgresql.insert(landing_files))}


@dataclasses.dataclass(frozen=True, slots=True)
class LandingSource:
    """The files that the sensor of a dataset looks for.

    Attributes:
        source: Glob of its files.
        ignored: Globs of names, of files and folders, that it ignores.
    """

    source: str
    ignored: tuple[str, ...] = ()


class LandingCatalog(CatalogSection):
    """Rows of `landing_files`, one for each dataset and path. Every method is one transaction."""

    def files_of(self, dataset: str, state: LandingState | None = None) -> Mapping[str, LandingFile]:
        """Return the last known state of a dataset's files, by path; if a state is given, only of those in it."""
        query = _files_of(dataset)
        return _by_path(self._rows(query if state is None else query.where(landing_files.c.state == state)))

    def files_of_all(self, datasets: Sequence[str]) -> Mapping[str, Mapping[str, LandingFile]]:
        """Return the last known states of the files of several datasets, by dataset and path, with one query."""
        found: dict[str, dict[str, LandingFile]] = {dataset: {} for dataset in datasets}
        for file in map(_file, self._rows(sa.select(*_SELECTED).where(landing_files.c.dataset.in_(datasets)))):
            found[file.dataset][file.path] = file
        return found

    def datasets_with(self, state: LandingState) -> Sequence[str]:
        """Return the names of the datasets that have files in a state, sorted."""
        names = sa.select(landing_files.c.dataset).where(landing_files.c.state == state).distinct()
        return [row.dataset for row in self._rows(names.order_by(landing_files.c.dataset))]

    def sources(self) -> Mapping[str, LandingSource]:
        """Return what the sensor of each dataset looks for in the landing zone, as it was at the last look."""
        rows = self._rows(sa.select(landing_sources))
        return {row.dataset: LandingSource(row.source, tuple(row.ignored)) for row in rows}

    @retried
    def note_sources(self, sources: Mapping[str, LandingSource], gone: Collection[str] = ()) -> None:
        """Note what the sensors of some datasets look for, by dataset, and forget datasets that are gone."""
        known = self.sources()
        changed = {dataset: source for dataset, source in sources.items() if known.get(dataset) != source}
        forgotten = known.keys() & set(gone)
        if not changed and not forgotten:
            return
        with writing(self._engine) as connection:
            connection.execute(sa.delete(landing_sources).where(landing_sources.c.dataset.in_([*changed, *forgotten])))
            if rows := [{"dataset": dataset, **dataclasses.asdict(source)} for dataset, source in changed.items()]:
                connection.execute(sa.insert(landing_sources), rows)

    @retried
    def save(
        self, dataset: str, changed: Sequence[LandingFile], before: Mapping[str, LandingFile] | None = None
    ) -> bool:
        """Write the states of a dataset's files, all or none, and return True.

        Args:
            before: Return False, and write nothing, unless these are still the dataset's rows: somebody else has
                written meanwhile.
        """
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
                connection.exec_driver_sql("LOCK TABLE landing_files IN SHARE ROW EXCLUSIVE MODE")
            if before is not None and _by_path(connection.execute(_files_of(dataset))) != before:
                return False
            if changed:
                connection.execute(_UPSERTS[connection.dialect.name], [dataclasses.asdict(file) for file in changed])
        return True


def _files_of(dataset: str) -> sa.Select[Any]:
    return sa.select(*_SELECTED).where(landing_files.c.dataset == dataset)


def _by_path(rows: Iterable[Any]) -> Mapping[str, LandingFile]:
    return {file.path: file for file in map(_file, rows)}


def _file(row: Any) -> LandingFile:
    return LandingFile(**{**row._mapping, "state": LandingState(row.state)})
