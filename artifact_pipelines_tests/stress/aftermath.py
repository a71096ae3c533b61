"""Checks that must pass on a store after anything. They read rows with SQL and bytes with the backend.

They use neither the clean-up nor the verification, which are under test themselves.
"""

import contextlib
import pathlib
import time
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import make_engine, writing
from artifact_pipelines.catalog.tables import file_references, files, utc_now
from artifact_pipelines.core.types import FileState, StoragePath
from artifact_pipelines.storage.backends.local import STAGING, LocalStorage
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.staging import hash_stream
from artifact_pipelines_tests.stress.children import TIMEOUT_S
from artifact_pipelines_tests.stress.place import Place


class Aftermath:
    """Checks a place.

    Args:
        place: Where to look.
        engine: Engine for all checks; None: each check opens and closes its own.
        backend: The backend that holds the bytes; None: the one at the URL of the place.
    """

    def __init__(self, place: Place, engine: sa.Engine | None = None, backend: IStorageBackend | None = None) -> None:
        self._place = place
        self._engine = engine
        self._backend = backend or open_backend(place.storage_url)

    def wait_until_alone(self) -> None:
        """Wait until PostgreSQL notices that a client was killed, and ends its transaction. SQLite has no server."""
        if self._place.catalog_url.startswith("sqlite"):
            return
        others = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        deadline = time.monotonic() + TIMEOUT_S
        with self._connection() as connection:
            while connection.execute(others).scalar_one():
                assert time.monotonic() < deadline, "a session on PostgreSQL outlives its client"
                connection.execute(sa.text("SELECT pg_stat_clear_snapshot(), pg_sleep(0.002)"))

    def everything(self) -> object:
        """Return all rows of files and references, and all keys and staging files."""
        with self._connection() as connection:
            rows = [
                connection.execute(sa.select(table).order_by(sa.text("1"))).all() for table in (files, file_references)
            ]
        return rows, sorted(map(str, self._backend.list_files())), self._unfinished()

    def expire_leases(self) -> None:
        """Make every lease expire now."""
        with self._connection() as connection:
            connection.execute(
                sa.update(file_references)
                .where(file_references.c.expires_at.is_not(None))
                .values(expires_at=utc_now(sa.literal(-1)))
            )

    def unreadable(self) -> Sequence[str]:
        """Name each file that the catalog lists as stored but is missing, and each key with wrong bytes."""
        with self._connection() as connection:
            stored = connection.execute(sa.select(files.c.storage_key).where(files.c.state == FileState.STORED))
            promised = stored.scalars().all()
        found = []
        for path in {*filter(None, map(StoragePath.parse, promised)), *self._backend.list_files()}:
            try:
                with self._backend.read_stream(path) as stream:
                    is_right = hash_stream(stream).content_hash == path.content_hash
            except FileNotFoundError:
                found.append(f"{path} is missing")
            else:
                found += [] if is_right else [f"{path} has wrong bytes"]
        return found

    def miscounted(self) -> Sequence[str]:
        """Name each file whose count differs from its number of references, and each dangling reference."""
        counted = sa.select(sa.func.count()).where(file_references.c.file_id == files.c.file_id).scalar_subquery()
        nothing = sa.select(file_references).where(file_references.c.file_id.not_in(sa.select(files.c.file_id)))
        with self._connection() as connection:
            wrong = connection.execute(sa.select(files).where(files.c.reference_count != counted)).all()
            dangling = connection.execute(nothing).all()
        return [*(f"{row.storage_key} counts {row.reference_count}" for row in wrong), *map(str, dangling)]

    def left_over(self) -> Sequence[str]:
        """Name every row, lease, key and staging file that belongs to no lasting reference."""
        with self._connection() as connection:
            rows = connection.execute(sa.select(files)).all()
            leases = connection.execute(sa.select(file_references).where(file_references.c.expires_at.is_not(None)))
            found = [f"lease {row}" for row in leases]
        found += [f"{row.state} row {row.storage_key}" for row in rows if row.state != "stored"]
        found += [f"row {row.storage_key} without a holder" for row in rows if row.reference_count == 0]
        known = {row.storage_key for row in rows}
        found += [f"key {path} without a row" for path in self._backend.list_files() if str(path) not in known]
        return [*found, *self._unfinished()]

    def _unfinished(self) -> Sequence[str]:
        if not isinstance(self._backend, LocalStorage):
            return [leftover.name for leftover in self._backend.clear_leftovers(lambda _: False, dry_run=True)]
        files_there = (path for path in pathlib.Path(self._place.storage_url).rglob("*") if path.is_file())
        return [f"staging file {path}" for path in files_there if STAGING in path.parts]

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        engine = self._engine or make_engine(self._place.catalog_url)
        try:
            with writing(engine) as connection:
                yield connection
        finally:
            if self._engine is None:
                engine.dispose()
