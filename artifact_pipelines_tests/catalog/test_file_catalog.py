"""The contract of `IFileCatalog`, on each database."""

import concurrent.futures
import pathlib
import sqlite3
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.files import LEASE_HOLDER, FileCatalog
from artifact_pipelines.catalog.tables import file_references, files
from artifact_pipelines.core.exceptions import InvalidFileIdError, LeaseExpiredError, NotHeldError, UnknownFileError
from artifact_pipelines.core.types import Content, FileDescription, FileId, FileState, Lease, StoragePath

CSV = FileDescription("csv", "text/csv", "gzip", {"from": "a test"})
A = Content("a" * 64, 10)
B = Content("b" * 64, 20)


def acquire(catalog: Catalog, content: Content = A) -> Lease:
    return catalog.files.acquire(content, "blake3", CSV)


def stored(catalog: Catalog, content: Content = A, holder: str = "me") -> FileId:
    lease = acquire(catalog, content)
    catalog.files.settle(lease, holder)
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


def test_new_content_gets_a_pending_row_and_a_lease(catalog: Catalog) -> None:
    file = acquire(catalog).file
    assert file.state == FileState.PENDING
    assert file.reference_count == 1
    assert file.storage_path == StoragePath(A.content_hash, file.file_id)
    assert (file.size_bytes, file.file_type, file.mime_type, file.compression_type) == (10, "csv", "text/csv", "gzip")
    assert file.metadata == {"from": "a test"}
    assert catalog.files.holders(file.file_id) == [LEASE_HOLDER]


def test_settling_makes_the_file_stored_and_the_reference_lasting(catalog: Catalog) -> None:
    file = catalog.files.get_file(stored(catalog))
    assert (file.state, file.reference_count) == (FileState.STORED, 1)
    assert file.stored_at is not None
    assert file.stored_at >= file.created_at
    assert catalog.files.holders(file.file_id) == ["me"]


def test_same_content_gets_the_same_file_and_one_more_reference(catalog: Catalog, engine: sa.Engine) -> None:
    first, second = stored(catalog), stored(catalog, holder="you")
    assert first == second
    assert catalog.files.get_file(first).reference_count == 2
    assert catalog.files.holders(first) == ["me", "you"]
    assert counts_agree(engine)


def test_first_writers_description_is_kept(catalog: Catalog) -> None:
    file_id = stored(catalog)
    catalog.files.settle(catalog.files.acquire(A, "blake3", FileDescription("parquet")), "you")
    assert catalog.files.get_file(file_id).file_type == "csv"


def test_file_is_pending_for_a_second_writer_until_the_first_settles(catalog: Catalog) -> None:
    first, second = acquire(catalog), acquire(catalog)
    assert second.file.state == FileState.PENDING
    catalog.files.settle(first, "me")
    assert acquire(catalog).file.state == FileState.STORED


def test_abandoning_the_only_lease_deletes_the_row_and_returns_the_path(catalog: Catalog) -> None:
    lease = acquire(catalog)
    assert catalog.files.abandon_all([lease]) == [lease.file.storage_path]
    with pytest.raises(UnknownFileError):
        catalog.files.get_file(lease.file.file_id)


def test_abandoning_one_of_two_leases_keeps_the_row(catalog: Catalog, engine: sa.Engine) -> None:
    first, second = acquire(catalog), acquire(catalog)
    assert catalog.files.abandon_all([first]) == []
    catalog.files.settle(second, "me")
    assert catalog.files.get_file(second.file.file_id).reference_count == 1
    assert counts_agree(engine)


def test_abandoning_a_lease_on_a_stored_file_keeps_its_bytes(catalog: Catalog) -> None:
    file_id = stored(catalog)
    catalog.files.release(file_id, "me")
    assert catalog.files.abandon_all([acquire(catalog)]) == []
    assert catalog.files.get_file(file_id).state == FileState.STORED


def test_abandoning_twice_counts_down_once(catalog: Catalog, engine: sa.Engine) -> None:
    stored(catalog)
    lease = acquire(catalog)
    catalog.files.abandon_all([lease])
    assert catalog.files.abandon_all([lease]) == []
    assert counts_agree(engine)


def test_settled_lease_can_not_be_abandoned(catalog: Catalog) -> None:
    lease = acquire(catalog)
    catalog.files.settle(lease, "me")
    assert catalog.files.abandon_all([lease]) == []
    assert catalog.files.holders(lease.file.file_id) == ["me"]


def test_more_leases_than_a_statement_takes_values_are_abandoned(catalog: Catalog, engine: sa.Engine) -> None:
    commits: list[sa.Connection] = []

    @sa.event.listens_for(engine, "connect")
    def limit(connection: Any, _record: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2_000)

    sa.event.listen(engine, "commit", commits.append)
    wanted = [(Content(f"{number:064x}", 1), CSV) for number in range(2_100)]
    leases = catalog.files.acquire_all(wanted, "blake3")
    unstored = FileCatalog(engine).abandon_all(leases)
    assert sorted(unstored, key=str) == sorted((lease.file.storage_path for lease in leases), key=str)
    assert len(commits) == 1, "all, or none"
    assert catalog.files.list_files(10) == []


def test_file_id_is_never_used_again(catalog: Catalog) -> None:
    lease = acquire(catalog)
    catalog.files.abandon_all([lease])
    assert acquire(catalog).file.file_id > lease.file.file_id


def test_reaped_lease_can_not_be_used(catalog: Catalog, engine: sa.Engine) -> None:
    lease = acquire(catalog)
    reap(engine, lease)
    catalog.files.renew_all([lease])
    with pytest.raises(LeaseExpiredError):
        catalog.files.settle(lease, "me")
    assert catalog.files.holders(lease.file.file_id) == []
    assert catalog.files.get_file(lease.file.file_id).state == FileState.PENDING


def test_lease_expires_by_the_clock_of_the_database(engine: sa.Engine, catalog: Catalog) -> None:
    lease = FileCatalog(engine, lease_s=600).acquire(A, "blake3", CSV)
    assert 599 < _seconds_left(engine, lease) < 600.01


def test_renewing_gives_a_lease_its_full_time(engine: sa.Engine, catalog: Catalog) -> None:
    short, long = FileCatalog(engine, lease_s=10), FileCatalog(engine, lease_s=600)
    lease = short.acquire(A, "blake3", CSV)
    long.renew_all([lease])
    assert 599 < _seconds_left(engine, lease) < 600.01


def test_leases_are_renewed_although_others_are_reaped_or_being_settled(
    engine: sa.Engine, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifact_pipelines.catalog.files._RENEWED_AT_ONCE", 2)
    short, long = FileCatalog(engine, lease_s=10), FileCatalog(engine, lease_s=600)
    leases = [short.acquire(A, "blake3", CSV) for _ in range(5)]
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


def test_error_of_releasing_an_unheld_file_names_its_holders(catalog: Catalog, engine: sa.Engine) -> None:
    file_id = stored(catalog, holder="you")
    with pytest.raises(NotHeldError, match="held by: you"):
        catalog.files.release(file_id, "me")
    assert catalog.files.get_file(file_id).reference_count == 1
    assert counts_agree(engine)


def test_lease_can_not_be_released_by_a_caller(catalog: Catalog) -> None:
    lease = acquire(catalog)
    with pytest.raises(NotHeldError):
        catalog.files.release(lease.file.file_id, "me")


@pytest.mark.parametrize("file_id", [0, -1, 2**63, True, "1", 1.0, None])
def test_invalid_file_id_is_refused(catalog: Catalog, file_id: Any) -> None:
    for use in (catalog.files.get_file, catalog.files.holders, lambda i: catalog.files.release(i, "me")):
        with pytest.raises(InvalidFileIdError, match="positive whole number"):
            use(file_id)


def test_unknown_file_id_is_not_found(catalog: Catalog) -> None:
    for use in (catalog.files.get_file, catalog.files.holders, lambda i: catalog.files.release(i, "me")):
        with pytest.raises(UnknownFileError, match="12345"):
            use(FileId(12345))


def test_has_size_finds_stored_sizes(catalog: Catalog) -> None:
    stored(catalog)
    assert catalog.files.has_size(10)
    assert not catalog.files.has_size(11)


def test_files_are_listed_newest_first(catalog: Catalog) -> None:
    first, second = stored(catalog, A), stored(catalog, B)
    assert [file.file_id for file in catalog.files.list_files(10)] == [second, first]
    assert [file.file_id for file in catalog.files.list_files(1)] == [second]


def test_concurrent_writers_of_one_content_get_one_file(catalog: Catalog, engine: sa.Engine) -> None:
    def write(number: int) -> FileId:
        lease = acquire(catalog)
        if number % 4 == 0:
            catalog.files.abandon_all([lease])
        else:
            catalog.files.settle(lease, f"writer {number}")
        return lease.file.file_id

    stored(catalog)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(write, range(80)))
    [file_id] = ids
    assert catalog.files.get_file(file_id).reference_count == 61
    assert counts_agree(engine)


def test_reference_count_can_not_fall_below_zero(catalog: Catalog, engine: sa.Engine) -> None:
    stored(catalog)
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(sa.update(files).values(reference_count=-1))


def test_repr_of_a_catalog_hides_the_password(tmp_path: pathlib.Path) -> None:
    with Catalog(f"sqlite:///{tmp_path / 'x.db'}") as catalog:
        assert "x.db" in repr(catalog)
