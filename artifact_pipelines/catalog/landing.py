"""Files in the landing zone and their states: the sensor's memory, which outlives every restart."""

import dataclasses
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import CatalogSection, retried, writing
from artifact_pipelines.catalog.tables import landing_files, utc_now
from artifact_pipelines.core.types import LandingFile, LandingState


class LandingCatalog(CatalogSection):
    """Rows of `landing_files`, one for each dataset and path. Every method is one transaction."""

    def files_of(self, dataset: str) -> Mapping[str, LandingFile]:
        """Return the last known state of a dataset's files, by path."""
        columns = [landing_files.c[field.name] for field in dataclasses.fields(LandingFile)]
        query = sa.select(*columns).where(landing_files.c.dataset == dataset)
        rows = [row._mapping for row in self._rows(query)]
        return {row["path"]: LandingFile(**{**row, "state": LandingState(row["state"])}) for row in rows}

    @retried
    def save(self, changed: Sequence[LandingFile]) -> None:
        """Write the state of files, all or none."""
        with writing(self._engine) as connection:
            for file in changed:
                values = dataclasses.asdict(file) | {"updated_at": utc_now()}
                same = (landing_files.c.dataset == file.dataset, landing_files.c.path == file.path)
                if connection.execute(sa.update(landing_files).where(*same).values(values)).rowcount == 0:
                    connection.execute(sa.insert(landing_files).values(values))
