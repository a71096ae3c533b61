"""Files in the landing zone and their states: the sensor's memory, which outlives every restart."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import reading, retried, writing
from artifact_pipelines.catalog.tables import landing_files, utc_now
from artifact_pipelines.core.types import LandingFile, LandingState


class LandingCatalog:
    """Rows of `landing_files`, one for each dataset and path. Every method is one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @retried
    def files_of(self, dataset: str) -> Mapping[str, LandingFile]:
        """Return the last known state of a dataset's files, by path."""
        query = sa.select(landing_files).where(landing_files.c.dataset == dataset)
        with reading(self._engine) as connection:
            return {row.path: _landing_file_from(row) for row in connection.execute(query)}

    @retried
    def save(self, changed: Sequence[LandingFile]) -> None:
        """Write the state of files, all or none."""
        with writing(self._engine) as connection:
            for file in changed:
                _save(connection, file)


def _save(connection: sa.Connection, file: LandingFile) -> None:
    values: dict[str, Any] = {
        "size_bytes": file.size_bytes,
        "changed_ns": file.changed_ns,
        "state": file.state,
        "attempt": file.attempt,
        "content_hash": file.content_hash,
        "run_key": file.run_key,
        "reason": file.reason,
        "updated_at": utc_now(),
    }
    same = (landing_files.c.dataset == file.dataset, landing_files.c.path == file.path)
    if connection.execute(sa.update(landing_files).where(*same).values(**values)).rowcount == 0:
        connection.execute(sa.insert(landing_files).values(dataset=file.dataset, path=file.path, **values))


def _landing_file_from(row: sa.Row[Any]) -> LandingFile:
    return LandingFile(
        dataset=row.dataset,
        path=row.path,
        size_bytes=row.size_bytes,
        changed_ns=row.changed_ns,
        state=LandingState(row.state),
        attempt=row.attempt,
        content_hash=row.content_hash,
        run_key=row.run_key,
        reason=row.reason,
        updated_at=row.updated_at,
    )
