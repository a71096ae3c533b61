"""Files, leases and references, on each database."""

import pathlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import engine as catalog_engine
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.files import LEASE_HOLDER, FileCatalog
from artifact_pipelines.catalog.tables import file_references, files
from artifact_pipelines.core.exceptions import InvalidFileIdError, LeaseExpiredError, UnknownFileError
from artifact_pipelines.core.types import Content, FileId, FileState, Lease
from artifact_pipelines_tests.contracts.file_catalog import CSV, A, B, FileCatalogContract


class TestFileCatalog(FileCatalogContract):
    """`FileCatalog` on each database; whatever happens, counts agree with references."""

    @pytest.fixture
    def files(self, catalog: Catalog, engine: sa.Engine) -> Iterator[FileCatalog]:
        yield catalog.files
        assert counts_agree(engine)


def acquire(catalog: Catalog, content: Content = A) -> Lease:
    return catalog.files.acquire_all([(content, CSV)], "blake3")[0]


def stored(catalog: Catalog, content: Content = A, holder: str = "me") -> FileId:
    lease = acquire(catalog, content)
    catalog.files.settle_all([lease], holder)
    return lease.file.file_id


def reap(engine: sa.Engine, lease: Lease) -> None:
    """Drop a lease as the reaper does."""
    with engine.begin() as connection:
        connection.execute(sa.delete(file_references).where(file_references.c.reference_id == lease.reference_id))
        connection.execute(sa.update(files).values(reference_count=files.c.reference_count - 1))


def counts_agree(engine: sa.Engine) -> bool:
    held = sa.select(sa.func.count()).where(file_references.c.file_id == files.c.file_id).scalar_subquery()
    with engine.connect() as connection:
        return connection.execute(sa.select(files.c.file_id).where(files.c.reference_count != held)).all() == []


def test_holders_are_named_oldest_first(catalog: Catalog) -> None:
    file_id = stored(catalog)
    stored(catalog, holder="you")
    acquire(catalog)
    assert catalog.files.holders(file_id) == ["me", "you", LEASE_HOLDER]
    for unknown, error in ((FileId(12345), UnknownFileError), (FileId(0), InvalidFileIdError)):
        with pytest.raises(error):
            catalog.files.holders(unknown)


def test_more_leases_than_a_statement_takes_values_are_abandoned(
    catalog: Catalog, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_engine, "BATCH_SIZE", 100)
    commits: list[sa.Connection] = []

    @sa.event.listens_for(engine, "connect")
    def limit(connection: Any, _record: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 200)

    sa.event.listen(engine, "commit", commits.append)
    wanted = [(Content(f"{number:064x}", 1), CSV) for number in range(210)]
    leases = catalog.files.acquire_all(wanted, "blake3")
    unstored = FileCatalog(engine).abandon_all(leases)
    assert sorted(unstored, key=str) == sorted((lease.file.storage_path for lease in leases), key=str)
    assert len(commits) == 1, "all, or none"
    assert catalog.files.list_files(10) == []


def test_reaped_lease_can_not_be_used(catalog: Catalog, engine: sa.Engine) -> None:
    lease = acquire(catalog)
    reap(engine, lease)
    catalog.files.renew_all([lease])
    with pytest.raises(LeaseExpiredError):
        catalog.files.settle_all([lease], "me")
    assert catalog.files.holders(lease.file.file_id) == []
    assert catalog.files.get_file(lease.file.file_id).state == FileState.PENDING


def test_lease_expires_by_the_clock_of_the_database(engine: sa.Engine, catalog: Catalog) -> None:
    lease = FileCatalog(engine, lease_s=600).acquire_all([(A, CSV)], "blake3")[0]
    assert 599 < _seconds_left(engine, lease) < 600.01


def test_renewing_gives_a_lease_its_full_time(engine: sa.Engine, catalog: Catalog) -> None:
    short, long = FileCatalog(engine, lease_s=10), FileCatalog(engine, lease_s=600)
    lease = short.acquire_all([(A, CSV)], "blake3")[0]
    long.renew_all([lease])
    assert 599 < _seconds_left(engine, lease) < 600.01


def test_leases_are_renewed_although_others_are_reaped_or_being_settled(
    engine: sa.Engine, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifact_pipelines.catalog.engine.BATCH_SIZE", 2)
    short, long = FileCatalog(engine, lease_s=10), FileCatalog(engine, lease_s=600)
    leases = [short.acquire_all([(A, CSV)], "blake3")[0] for _ in range(5)]
    reap(engine, leases[1])
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # on SQLite one writer waits for the other
            held = sa.select(file_references).where(file_references.c.reference_id == leases[2].reference_id)
            connection.execute(held.with_for_update())
        long.renew_all(leases)
    left = [_seconds_left(engine, leases[number]) for number in (0, 3, 4)]
    assert min(left) > 599


def _seconds_left(engine: sa.Engine, lease: Lease) -> float:
    left = {
        "sqlite": "(julianday(expires_at) - julianday('now')) * 86400",
        "postgresql": "extract(epoch FROM expires_at - clock_timestamp())",
    }[engine.dialect.name]
    with engine.connect() as connection:
        query = sa.text(f"SELECT {left} FROM file_references WHERE reference_id = :id")
        return float(connection.execute(query, {"id": lease.reference_id}).scalar_one())


def test_release_counts_down_and_notes_when_the_last_reference_went(catalog: Catalog, engine: sa.Engine) -> None:
    file_id = stored(catalog)
    stored(catalog)
    catalog.files.release(file_id, "me")
    assert _unreferenced_at(engine) is None
    catalog.files.release(file_id, "me")
    assert _unreferenced_at(engine) is not None
    assert catalog.files.get_file(file_id).reference_count == 0
    stored(catalog)
    assert _unreferenced_at(engine) is None


def _unreferenced_at(engine: sa.Engine) -> Any:
    with engine.connect() as connection:
        return connection.execute(sa.select(files.c.unreferenced_at)).scalar_one()


def test_files_are_listed_newest_first(catalog: Catalog) -> None:
    first, second = stored(catalog, A), stored(catalog, B)
    assert [file.file_id for file in catalog.files.list_files(10)] == [second, first]
    assert [file.file_id for file in catalog.files.list_files(1)] == [second]


def test_reference_count_can_not_fall_below_zero(catalog: Catalog, engine: sa.Engine) -> None:
    stored(catalog)
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(sa.update(files).values(reference_count=-1))


def test_repr_of_a_catalog_hides_the_password(tmp_path: pathlib.Path) -> None:
    with Catalog(f"sqlite:///{tmp_path / 'x.db'}") as catalog:
        assert "x.db" in repr(catalog)
