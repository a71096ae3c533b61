"""Verification order and contradictions between rows, on each database."""

import concurrent.futures
import datetime
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.catalog.tables import file_references, files, materializations
from artifact_pipelines.core.findings import FindingKind
from artifact_pipelines.core.types import (
    Amount,
    Content,
    FileDescription,
    FileId,
    FileState,
    Lease,
    MaterializationFacts,
)


def lease(catalog: Catalog, number: int) -> Lease:
    return catalog.files.acquire_all([(Content(f"{number:064x}", 10 * number), FileDescription("csv"))], "blake3")[0]


def stored(catalog: Catalog, number: int, holder: str = "caller") -> FileId:
    taken = lease(catalog, number)
    catalog.files.settle_all([taken], holder)
    return taken.file.file_id


def made(catalog: Catalog, number: int, partition: str | None = None) -> FileId:
    taken = lease(catalog, number)
    facts = MaterializationFacts("flights/table", taken.file.content_hash, partition)
    catalog.materializations.record(facts, [taken])
    return taken.file.file_id


def order(catalog: Catalog) -> list[int]:
    return [file.file_id for file in catalog.audit.files_to_verify(batch=2)]


def let_hours_pass(engine: sa.Engine, file_id: FileId, hours: int) -> None:
    """Move a file's verification into the past. Two within a millisecond, SQLite's precision, have no order."""
    is_this = files.c.file_id == file_id
    with engine.begin() as connection:
        verified_at = connection.execute(sa.select(files.c.verified_at).where(is_this)).scalar_one()
        earlier = verified_at - datetime.timedelta(hours=hours)
        connection.execute(sa.update(files).where(is_this).values(verified_at=earlier))


@pytest.fixture
def seven(catalog: Catalog) -> list[FileId]:
    return [stored(catalog, number) for number in range(1, 8)]


def test_never_verified_files_come_first_then_least_recently_verified(
    catalog: Catalog, seven: list[FileId], engine: sa.Engine
) -> None:
    assert order(catalog) == seven
    for hours, file_id in ((3, seven[3]), (2, seven[0]), (1, seven[5])):
        catalog.audit.mark_verified([catalog.files.get_file(file_id)])
        let_hours_pass(engine, file_id, hours)
    rest = [file_id for file_id in seven if file_id not in (seven[3], seven[0], seven[5])]
    assert order(catalog) == [*rest, seven[3], seven[0], seven[5]]


def test_files_verified_at_the_same_time_are_each_yielded_once(
    catalog: Catalog, seven: list[FileId], engine: sa.Engine
) -> None:
    catalog.audit.mark_verified([catalog.files.get_file(file_id) for file_id in seven])
    with engine.begin() as connection:
        moment = connection.scalar(sa.select(sa.func.min(files.c.verified_at)))
        connection.execute(sa.update(files).values(verified_at=moment))
    assert order(catalog) == seven


def test_pending_files_are_not_verified(catalog: Catalog, seven: list[FileId]) -> None:
    lease(catalog, 99)
    assert order(catalog) == seven
    assert catalog.collection.stored_amount() == Amount(7, 280)


def test_files_stored_or_verified_meanwhile_are_left_out(catalog: Catalog, seven: list[FileId]) -> None:
    seen = []
    for number, file in enumerate(catalog.audit.files_to_verify(batch=1)):
        stored(catalog, 100 + number)
        catalog.audit.mark_verified([file])
        seen.append(file.file_id)
    assert seen == seven


def test_empty_catalog_has_nothing_to_verify(catalog: Catalog) -> None:
    assert order(catalog) == []
    assert catalog.collection.stored_amount() == Amount(0, 0)
    catalog.audit.mark_verified([])


def test_verification_time_is_the_databases_and_damaged_files_become_stored(
    catalog: Catalog, seven: list[FileId]
) -> None:
    file = catalog.files.get_file(seven[0])
    assert catalog.files.mark_damaged(file)
    damaged = catalog.files.get_file(seven[0])
    assert damaged.state == FileState.DAMAGED
    catalog.audit.mark_verified([damaged])
    healed = catalog.files.get_file(seven[0])
    assert healed.state == FileState.STORED
    assert healed.verified_at is not None
    assert healed.verified_at >= healed.created_at


def test_file_marked_damaged_after_it_was_read_stays_damaged(catalog: Catalog, seven: list[FileId]) -> None:
    file = catalog.files.get_file(seven[0])
    catalog.files.mark_damaged(file)
    catalog.audit.mark_verified([file])
    assert catalog.files.get_file(seven[0]).state == FileState.DAMAGED


def test_file_verified_after_it_was_read_is_not_marked_damaged(catalog: Catalog, seven: list[FileId]) -> None:
    file = catalog.files.get_file(seven[0])
    catalog.audit.mark_verified([file])
    assert not catalog.files.mark_damaged(file)
    assert catalog.files.get_file(seven[0]).state == FileState.STORED


def test_row_locked_by_another_transaction_is_not_marked(postgresql_url: str) -> None:
    """SQLite has one writer at a time, so nothing to wait for."""
    with Catalog(postgresql_url) as catalog:
        found = [catalog.files.get_file(stored(catalog, number)) for number in range(3)]
        engine = make_engine(postgresql_url)
        with engine.begin() as connection:
            changed = sa.update(files).where(files.c.file_id == found[1].file_id)
            connection.execute(changed.values(mime_type="text/x"))
            catalog.audit.mark_verified(found)
        engine.dispose()
        assert order(catalog)[0] == found[1].file_id


def test_consistent_catalog_has_no_findings(catalog: Catalog, seven: list[FileId]) -> None:
    made(catalog, 1)
    made(catalog, 2, "mon")
    lease(catalog, 1)
    lease(catalog, 99)
    stored(catalog, 3, "materialization:x")
    assert [*findings(catalog)] == []


def findings(catalog: Catalog) -> Iterator[tuple[FindingKind, int, str]]:
    audit = catalog.audit
    for finding in (*audit.wrong_counts(), *audit.references_of_nothing(), *audit.unheld_materializations()):
        yield finding.kind, finding.file_id, finding.where


@pytest.mark.parametrize("wrong", [0, 1, 5])
def test_wrong_counts_are_found_and_corrected(catalog: Catalog, engine: sa.Engine, wrong: int) -> None:
    file_id = stored(catalog, 1)
    stored(catalog, 1)
    stored(catalog, 2)
    with engine.begin() as connection:
        connection.execute(sa.update(files).where(files.c.file_id == file_id).values(reference_count=wrong))
    [finding] = catalog.audit.wrong_counts()
    assert (finding.file_id, finding.expected, finding.found) == (
        file_id,
        "2 references",
        f"{wrong} reference{'s' * (wrong != 1)}",
    )
    catalog.audit.recount(file_id)
    assert catalog.files.get_file(file_id).reference_count == 2
    assert catalog.audit.wrong_counts() == []


def test_count_corrected_to_zero_starts_the_grace_period(catalog: Catalog, engine: sa.Engine) -> None:
    unheld, held = stored(catalog, 1), stored(catalog, 2)
    with engine.begin() as connection:
        connection.execute(sa.delete(file_references).where(file_references.c.file_id == unheld))
        moment = connection.scalar(sa.select(files.c.created_at).where(files.c.file_id == held))
        of_held = sa.update(files).where(files.c.file_id == held)
        connection.execute(of_held.values(reference_count=0, unreferenced_at=moment))
    for file_id in (unheld, held):
        catalog.audit.recount(file_id)
    with engine.connect() as connection:
        query = sa.select(files.c.reference_count, files.c.unreferenced_at).order_by(files.c.file_id)
        (none, since), (one, never) = connection.execute(query).all()
    assert (none, one, never) == (0, 1, None)
    assert since is not None


def test_references_of_missing_materializations_are_found_and_dropped(catalog: Catalog, engine: sa.Engine) -> None:
    file_id, kept = stored(catalog, 1, "materialization:77"), made(catalog, 2)
    released = made(catalog, 3)
    with engine.begin() as connection:
        connection.execute(
            sa.update(materializations)
            .where(materializations.c.materialization_id == 2)
            .values(released_at=sa.func.now())
        )
    found = catalog.audit.references_of_nothing()
    assert [(f.file_id, f.where, f.found) for f in found] == [
        (file_id, "materialization:77", "none"),
        (released, "materialization:2", "one that was released"),
    ]
    for finding in found:
        catalog.audit.drop_reference_of_nothing(finding.file_id, finding.where)
    assert [*findings(catalog)] == []
    assert [catalog.files.get_file(i).reference_count for i in (file_id, kept, released)] == [0, 1, 0]


@pytest.mark.parametrize("holder", ["caller", "materialization:1", "materialization:x", "lease"])
def test_valid_reference_is_never_dropped(catalog: Catalog, holder: str) -> None:
    made(catalog, 1)
    file_id = stored(catalog, 2, holder)
    catalog.audit.drop_reference_of_nothing(file_id, holder)
    assert catalog.files.holders(file_id) == [holder]


def test_kept_materialization_without_its_reference_gets_it_back(catalog: Catalog, engine: sa.Engine) -> None:
    file_id = made(catalog, 1, "mon")
    with engine.begin() as connection:
        connection.execute(sa.delete(file_references))
        connection.execute(sa.update(files).values(reference_count=0))
    [finding] = catalog.audit.unheld_materializations()
    assert (finding.kind, finding.file_id, finding.holders) == (
        FindingKind.UNHELD,
        file_id,
        ["flights/table [mon] version 1"],
    )
    for _ in range(2):
        catalog.audit.hold_again(finding.file_id, finding.where)
    assert catalog.files.holders(file_id) == ["materialization:1"]
    assert [*findings(catalog)] == []


def test_kept_materialization_whose_file_has_no_row_is_lost(catalog: Catalog, engine: sa.Engine) -> None:
    file_id = made(catalog, 1)
    with engine.begin() as connection:
        connection.execute(sa.delete(file_references))
        connection.execute(sa.delete(files))
    [finding] = catalog.audit.unheld_materializations()
    assert (finding.kind, finding.file_id, finding.found) == (FindingKind.LOST, file_id, "no such file")
    catalog.audit.hold_again(finding.file_id, finding.where)
    assert catalog.audit.unheld_materializations() == [finding]


def test_released_materialization_needs_no_reference(catalog: Catalog, engine: sa.Engine) -> None:
    made(catalog, 1)
    with engine.begin() as connection:
        connection.execute(sa.delete(file_references))
        connection.execute(sa.update(files).values(reference_count=0))
        connection.execute(sa.update(materializations).values(released_at=sa.func.now()))
    assert [*findings(catalog)] == []
    catalog.audit.hold_again(FileId(1), "materialization:1")
    assert catalog.files.holders(FileId(1)) == []


def test_holders_are_reported_by_asset_partition_and_version(catalog: Catalog) -> None:
    made(catalog, 1)
    made(catalog, 1)
    made(catalog, 1, "mon")
    file_id = stored(catalog, 1, "caller")
    stored(catalog, 1, "materialization:99")
    assert catalog.audit.hit_by(file_id) == [
        "materialization:99",
        "caller",
        "flights/table [mon] version 1",
        "flights/table version 1",
    ]


def test_repair_waits_for_a_writer_that_is_counting_up(postgresql_url: str) -> None:
    """SQLite has one writer at a time, so nothing to wait for."""
    with Catalog(postgresql_url) as catalog, concurrent.futures.ThreadPoolExecutor(1) as pool:
        file_id, engine = stored(catalog, 1), make_engine(postgresql_url)
        with engine.begin() as connection:  # in the order of a writer: first the row, then its reference
            connection.execute(sa.update(files).values(reference_count=2))
            repair = pool.submit(catalog.audit.recount, file_id)
            waiting = sa.text("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            while connection.execute(waiting).first() is None:
                connection.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
            connection.execute(sa.insert(file_references).values(file_id=file_id, holder="you"))
        engine.dispose()
        repair.result()
        assert catalog.files.get_file(file_id).reference_count == 2


def test_concurrent_repairs_and_writers_leave_correct_counts(catalog: Catalog, engine: sa.Engine) -> None:
    file_id = stored(catalog, 1)

    def work(number: int) -> None:
        if number % 3 == 0:
            catalog.audit.recount(file_id)
        elif number % 3 == 1:
            stored(catalog, 1, "me")
        else:
            catalog.files.abandon_all([lease(catalog, 1)])
        assert catalog.audit.wrong_counts() == [], "the audit saw half of a change"

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(60)))
    assert catalog.files.get_file(file_id).reference_count == 21
