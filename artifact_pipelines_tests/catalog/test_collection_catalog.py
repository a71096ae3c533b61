"""Which files are collected, and which never are, on each database."""

import concurrent.futures
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import writing
from artifact_pipelines.catalog.files import FileCatalog, count_down, count_up
from artifact_pipelines.catalog.tables import file_references, files, materializations, utc_now
from artifact_pipelines.core.exceptions import LeaseExpiredError, UnknownFileError
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import Amount, Content, FileDescription, FileId, FileState, Lease, LoadedInput
from artifact_pipelines_tests.catalog.filled import inputs_of
from artifact_pipelines_tests.catalog.statements import plans_of
from artifact_pipelines_tests.catalog.test_file_catalog import counts_agree, stored
from artifact_pipelines_tests.catalog.test_materialization_catalog import record

A = Content("a" * 64, 10)
DAY_S = 86_400.0


def free(catalog: Catalog, content: Content = A) -> FileId:
    """Store a file, and release it."""
    file_id = stored(catalog, content)
    catalog.files.release(file_id, "me")
    return file_id


def expired(engine: sa.Engine, content: Content = A) -> Lease:
    return FileCatalog(engine, lease_s=-1).acquire_all([(content, FileDescription("csv"))], "blake3")[0]


def age(engine: sa.Engine, seconds: float) -> None:
    """Let time pass for files that nothing holds."""
    with writing(engine) as connection:
        which = files.c.unreferenced_at.is_not(None)
        connection.execute(sa.update(files).where(which).values(unreferenced_at=utc_now(sa.literal(-seconds))))


def collected(catalog: Catalog, grace_s: float = 0) -> list[FileId]:
    return sorted(garbage.file_id for garbage in catalog.collection.collect(grace_s, 1000))


def test_unheld_file_is_collected_and_its_path_returned(catalog: Catalog) -> None:
    file_id = free(catalog)
    path = catalog.files.get_file(file_id).storage_path
    [garbage] = catalog.collection.collect(0, 10)
    assert (garbage.file_id, garbage.storage_path, garbage.size_bytes) == (file_id, path, 10)
    assert garbage.reason == "released by its caller"
    with pytest.raises(UnknownFileError):
        catalog.files.get_file(file_id)
    assert collected(catalog) == []


def test_held_or_leased_files_are_never_collected(catalog: Catalog) -> None:
    held = stored(catalog, A)
    leased = catalog.files.acquire_all([(Content("b" * 64, 1), FileDescription("csv"))], "blake3")[0]
    made = record(catalog, "c")
    assert collected(catalog) == []
    for file_id in (held, leased.file.file_id, made.file.file_id):
        catalog.files.get_file(file_id)


def test_reference_holds_a_file_even_if_the_count_is_wrong(catalog: Catalog, engine: sa.Engine) -> None:
    stored(catalog)
    with engine.begin() as connection:
        connection.execute(sa.update(files).values(reference_count=0, unreferenced_at=utc_now()))
    assert collected(catalog) == []


def test_count_holds_a_file_even_if_the_reference_is_missing(catalog: Catalog, engine: sa.Engine) -> None:
    stored(catalog)
    with engine.begin() as connection:
        connection.execute(sa.delete(file_references))
        connection.execute(sa.update(files).values(unreferenced_at=utc_now()))
    assert collected(catalog) == []


def test_nothing_younger_than_the_grace_period_is_collected(catalog: Catalog, engine: sa.Engine) -> None:
    file_id = free(catalog)
    assert collected(catalog, DAY_S) == []
    age(engine, DAY_S - 60)
    assert collected(catalog, DAY_S) == []
    age(engine, DAY_S + 1)
    [garbage] = catalog.collection.garbage(DAY_S, 10)
    assert DAY_S < garbage.age_s < DAY_S + 60
    assert collected(catalog, DAY_S) == [file_id]


def test_file_held_again_is_not_collected_and_its_age_starts_again(catalog: Catalog, engine: sa.Engine) -> None:
    file_id = free(catalog)
    age(engine, DAY_S)
    assert stored(catalog) == file_id
    assert collected(catalog) == []
    catalog.files.release(file_id, "me")
    assert collected(catalog, DAY_S / 2) == []


def test_input_of_a_kept_version_is_not_collected_even_if_it_was_released_first(
    catalog: Catalog, engine: sa.Engine
) -> None:
    raw, _ = (record(catalog, letter, asset="raw") for letter in "ac")
    assert catalog.retention.release(VersionName("raw", None, 1), "test")
    made = record(catalog, "b", inputs=(LoadedInput.of(raw),))
    assert collected(catalog) == []
    with engine.begin() as connection:
        connection.execute(sa.update(materializations).values(released_at=utc_now()))
    assert collected(catalog) == [raw.file.file_id]
    assert inputs_of(catalog, made.materialization_id) == [LoadedInput.of(raw)], "it stays known after its collection"
    catalog.files.get_file(made.file.file_id)


def test_garbage_is_exactly_the_files_that_collect_deletes(catalog: Catalog) -> None:
    free(catalog)
    free(catalog, Content("b" * 64, 20))
    stored(catalog, Content("c" * 64, 70))
    assert catalog.collection.garbage_amount(0) == Amount(2, 30)
    assert catalog.collection.garbage_amount(DAY_S) == Amount(0, 0)
    assert catalog.collection.total_amount() == Amount(3, 100)
    candidates = catalog.collection.garbage(0, 10)
    assert [garbage.file_id for garbage in candidates] == [1, 2]
    assert len(catalog.collection.garbage(0, 1)) == 1
    assert collected(catalog) == [1, 2]


@pytest.mark.parametrize("grace_s", [0, DAY_S])
def test_garbage_after_reaping_is_exactly_the_files_that_collect_deletes_then(
    catalog: Catalog, engine: sa.Engine, grace_s: float
) -> None:
    *_, leased = [expired(engine, Content(letter * 64, 1)) for letter in "abc"]
    catalog.files.acquire_all([(Content("a" * 64, 1), FileDescription("csv"))], "blake3")[0]
    with engine.begin() as connection:
        this = files.c.file_id == leased.file.file_id
        connection.execute(sa.update(files).where(this).values(state=FileState.STORED))
    assert catalog.collection.garbage(grace_s, 10) == []
    would = catalog.collection.garbage_after_reaping(grace_s)
    assert [garbage.file_id for garbage in would] == ([2, 3] if not grace_s else [2])
    assert all(garbage.age_s >= 0 for garbage in would)
    catalog.collection.reap_leases()
    assert collected(catalog, grace_s) == [garbage.file_id for garbage in would]


def test_collect_deletes_at_most_limit_files(catalog: Catalog) -> None:
    for letter in "abc":
        free(catalog, Content(letter * 64, 1))
    assert [len(catalog.collection.collect(0, 2)) for _ in range(3)] == [2, 1, 0]


def test_garbage_names_its_last_materialization(catalog: Catalog, engine: sa.Engine) -> None:
    record(catalog, "a", asset="first", run_id="one")
    made = record(catalog, "a", asset="second", partition="p", run_id="two")
    with engine.begin() as connection:
        connection.execute(sa.delete(file_references))
        connection.execute(sa.update(files).values(reference_count=0, unreferenced_at=utc_now()))
        connection.execute(sa.update(materializations).values(release_reason="wiped", released_at=utc_now()))
    [garbage] = catalog.collection.collect(0, 10)
    found = (garbage.asset, garbage.partition, garbage.run_id, garbage.version, garbage.reason)
    assert found == ("second", "p", "two", made.version, "wiped")


def test_expired_lease_is_reaped_and_counted_down(catalog: Catalog, engine: sa.Engine) -> None:
    lease = expired(engine)
    assert catalog.collection.expired_leases() == [lease.file.file_id]
    assert catalog.collection.reap_leases() == [lease.file.file_id]
    assert catalog.collection.reap_leases() == catalog.collection.expired_leases() == []
    assert catalog.files.get_file(lease.file.file_id).reference_count == 0
    assert counts_agree(engine)
    with pytest.raises(LeaseExpiredError):
        catalog.files.settle_all([lease], "me")


def test_file_of_a_dead_writer_needs_no_grace_beyond_its_lease(catalog: Catalog, engine: sa.Engine) -> None:
    lease = expired(engine)
    assert collected(catalog, DAY_S) == []
    catalog.collection.reap_leases()
    [garbage] = catalog.collection.collect(DAY_S, 10)
    assert (garbage.file_id, garbage.reason) == (lease.file.file_id, "writer never finished")


def test_stored_file_has_its_grace_after_its_last_lease_expired(catalog: Catalog, engine: sa.Engine) -> None:
    file_id = free(catalog)
    expired(engine)
    catalog.collection.reap_leases()
    assert collected(catalog, DAY_S) == []
    assert collected(catalog) == [file_id]


def test_valid_leases_and_lasting_references_are_not_reaped(catalog: Catalog) -> None:
    stored(catalog)
    lease = catalog.files.acquire_all([(Content("b" * 64, 1), FileDescription("csv"))], "blake3")[0]
    assert catalog.collection.reap_leases() == []
    assert catalog.collection.is_leased(lease.file.file_id)


def test_file_is_leased_until_the_lease_expires(catalog: Catalog, engine: sa.Engine) -> None:
    lease = expired(engine)
    assert not catalog.collection.is_leased(lease.file.file_id)
    catalog.files.renew_all([lease])
    assert catalog.collection.is_leased(lease.file.file_id)
    catalog.files.settle_all([lease], "me")
    assert not catalog.collection.is_leased(lease.file.file_id)


def test_known_files_are_returned_with_their_hash(catalog: Catalog) -> None:
    file_id = stored(catalog)
    assert catalog.collection.known([file_id, FileId(99)]) == {file_id: A.content_hash}
    assert catalog.collection.known([]) == {}


def hold_as_rebuilt(engine: sa.Engine, *file_ids: FileId) -> None:
    """Hold files as refilling a lost catalog does."""
    with writing(engine) as connection:
        for file_id in file_ids:
            connection.execute(sa.insert(file_references).values(file_id=file_id, holder="rebuilt"))
            held = sa.update(files).where(files.c.file_id == file_id)
            connection.execute(held.values(reference_count=files.c.reference_count + 1, unreferenced_at=None))


def test_only_files_held_as_rebuilt_are_released(
    catalog: Catalog, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifact_pipelines.catalog.collection.BATCH_FILES", 2)
    contents = [Content(letter * 64, 10) for letter in "abcde"]
    found = [free(catalog, content) for content in contents]
    needed = stored(catalog, Content("f" * 64, 10))
    leased = catalog.files.acquire_all([(Content("9" * 64, 10), FileDescription("csv"))], "blake3")[0].file.file_id
    hold_as_rebuilt(engine, *found, found[0], needed, leased)
    assert collected(catalog) == []
    assert catalog.collection.rebuilt_amount() == Amount(5, 50)
    assert catalog.collection.release_rebuilt() == 5
    assert catalog.collection.release_rebuilt() == 0
    assert counts_agree(engine)
    assert catalog.files.holders(needed) == ["me", "rebuilt"]
    assert catalog.files.holders(leased) == ["lease", "rebuilt"]
    assert collected(catalog, DAY_S) == [], "their grace begins now"
    assert sorted(collected(catalog)) == sorted(found)


@pytest.mark.parametrize("ask", ["collect", "garbage"])
def test_garbage_is_found_by_an_index_however_many_files_are_held(
    catalog: Catalog, engine: sa.Engine, ask: str
) -> None:
    plans = plans_of(engine, lambda: getattr(catalog.collection, ask)(60.0, 10))
    is_bounded = r"ix_files_unreferenced_at \(unreferenced_at<|Index Cond: \(unreferenced_at <="
    assert any(re.search(is_bounded, plan) for plan in plans)


def test_highest_id_counts_deleted_files_too(catalog: Catalog) -> None:
    assert catalog.files.highest_file_id() == 0
    last = max(free(catalog, Content(letter * 64, 1)) for letter in "abc")
    collected(catalog)
    assert catalog.files.highest_file_id() == last


def test_many_collectors_collect_each_file_once(catalog: Catalog) -> None:
    there = {free(catalog, Content(f"{number:064d}", 1)) for number in range(60)}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        parts = list(pool.map(lambda _: [g.file_id for g in catalog.collection.collect(0, 7)], range(24)))
    everything = [file_id for part in parts for file_id in part]
    assert sorted(everything) == sorted(there)


def test_many_reapers_reap_each_lease_once(catalog: Catalog, engine: sa.Engine) -> None:
    for number in range(30):
        expired(engine, Content(f"{number % 5:064d}", 1))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        parts = list(pool.map(lambda _: catalog.collection.reap_leases(), range(6)))
    assert sum(len(part) for part in parts) == 30
    assert counts_agree(engine)


class TestOnPostgreSQL:
    """On PostgreSQL two writing transactions can be open on the same rows; SQLite has one at a time."""

    @pytest.fixture
    def catalog_url(self, postgresql_url: str) -> str:
        return postgresql_url

    def test_writer_during_a_collection_gets_a_new_id(self, catalog: Catalog, engine: sa.Engine) -> None:
        old = free(catalog)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            with open_transaction(engine) as collector:
                collector.execute(sa.delete(files).where(files.c.file_id == old, files.c.reference_count == 0))
                writer = pool.submit(stored, catalog)
                wait_for_a_lock(engine)
            new = writer.result(timeout=30)
        assert new > old
        assert catalog.files.get_file(new).reference_count == 1
        assert collected(catalog) == []

    def test_release_during_another_drops_the_next_reference(self, catalog: Catalog, engine: sa.Engine) -> None:
        file_id = stored(catalog)
        stored(catalog)
        oldest = sa.select(sa.func.min(file_references.c.reference_id)).scalar_subquery()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            with open_transaction(engine) as other:
                count_down(other, file_id)
                other.execute(sa.delete(file_references).where(file_references.c.reference_id == oldest))
                release = pool.submit(catalog.files.release, file_id, "me")
                wait_for_a_lock(engine)
            release.result(timeout=30)
        assert catalog.files.holders(file_id) == []
        assert counts_agree(engine)

    def test_file_that_a_writer_is_acquiring_is_not_collected(self, catalog: Catalog, engine: sa.Engine) -> None:
        file_id = free(catalog)
        with open_transaction(engine) as writer:
            count_up(writer, [(A, FileDescription("csv"))], "blake3")
            writer.execute(sa.insert(file_references).values(file_id=file_id, holder="me"))
            assert collected(catalog) == []
        assert collected(catalog) == []
        assert catalog.files.holders(file_id) == ["me"]

    def test_file_that_a_writer_is_acquiring_keeps_its_rebuilt_reference(
        self, catalog: Catalog, engine: sa.Engine
    ) -> None:
        file_id, other = free(catalog), free(catalog, Content("b" * 64, 10))
        hold_as_rebuilt(engine, file_id, other)
        with open_transaction(engine) as writer:
            count_up(writer, [(A, FileDescription("csv"))], "blake3")
            writer.execute(sa.insert(file_references).values(file_id=file_id, holder="me"))
            assert catalog.collection.release_rebuilt() == 1
        assert catalog.collection.release_rebuilt() == 0
        assert catalog.files.holders(file_id) == ["rebuilt", "me"]
        assert catalog.files.holders(other) == []
        assert counts_agree(engine)

    def test_lease_that_is_being_renewed_is_not_reaped(self, catalog: Catalog, engine: sa.Engine) -> None:
        lease = expired(engine)
        with open_transaction(engine) as writer:
            writer.execute(sa.update(file_references).values(expires_at=utc_now(sa.literal(60.0))))
            assert catalog.collection.reap_leases() == []
        assert catalog.collection.reap_leases() == []
        assert catalog.collection.is_leased(lease.file.file_id)


@contextmanager
def open_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection, connection.begin():
        yield connection


def wait_for_a_lock(engine: sa.Engine) -> None:
    """Wait until a transaction waits for a row."""
    query = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    for _ in range(300):
        with engine.connect() as connection:
            if connection.execute(query).scalar_one():
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")
