"""Transactions lock several files in one order on PostgreSQL, so they never deadlock.

SQLite has one writing transaction at a time.
"""

import concurrent.futures
import threading
from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.tables import files
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import Content, FileDescription, Lease, MaterializationFacts
from artifact_pipelines_tests.catalog.statements import statements_of
from artifact_pipelines_tests.catalog.test_collection_catalog import open_transaction, wait_for_a_lock
from artifact_pipelines_tests.catalog.test_file_catalog import counts_agree

CSV = FileDescription("csv")
FIRST, SECOND = "a" * 64, "b" * 64
"""In the order in which rows of files are locked; the tests create the files in the opposite order."""

Act = Callable[[], object]


@pytest.fixture
def catalog_url(postgresql_url: str) -> str:
    return postgresql_url


def lease(catalog: Catalog, content_hash: str) -> Lease:
    return catalog.files.acquire_all([(Content(content_hash, 100), CSV)], "blake3")[0]


def leases(catalog: Catalog) -> Sequence[Lease]:
    return [lease(catalog, content_hash) for content_hash in (SECOND, FIRST)]


def partitions(leases: Sequence[Lease], asset: str = "a") -> Sequence[tuple[MaterializationFacts, Sequence[Lease]]]:
    return [(MaterializationFacts(asset, x.file.content_hash, f"{n}"), [x]) for n, x in enumerate(leases)]


def recording(catalog: Catalog) -> Act:
    new = partitions(leases(catalog))
    return lambda: catalog.materializations.record_all(new)


def recording_one_of_several_files(catalog: Catalog) -> Act:
    both = leases(catalog)
    return lambda: catalog.materializations.record(MaterializationFacts("a", "v"), both)


def settling(catalog: Catalog) -> Act:
    both = leases(catalog)
    return lambda: catalog.files.settle_all(both, "me")


def giving_back(catalog: Catalog) -> Act:
    both = leases(catalog)
    return lambda: catalog.files.abandon_all(both)


def leasing(catalog: Catalog) -> Act:
    catalog.files.settle_all(leases(catalog), "me")
    wanted = [(Content(content_hash, 100), CSV) for content_hash in (SECOND, FIRST)]
    return lambda: catalog.files.acquire_all(wanted, "blake3")


def _released(catalog: Catalog) -> Act:
    for one in (*leases(catalog), lease(catalog, "c" * 64)):
        version = (
            "another" if one.file.content_hash == "c" * 64 else "the same"
        )  # other bytes of one table have the same version
        catalog.materializations.record(MaterializationFacts("a", version), [one])
    return lambda: catalog.retention.release(VersionName("a", None, 1), "test")


def releasing(catalog: Catalog) -> Act:
    return _released(catalog)


def restoring(catalog: Catalog) -> Act:
    _released(catalog)()
    return lambda: catalog.retention.restore("a", version=1)


def taking_back_a_wipe(catalog: Catalog) -> Act:
    catalog.materializations.record_all(partitions(leases(catalog)))
    catalog.retention.wipe("a")
    return lambda: catalog.retention.restore("a")


def rolling_back(catalog: Catalog) -> Act:
    catalog.materializations.record(MaterializationFacts("a", "v"), leases(catalog))
    catalog.materializations.record(MaterializationFacts("a", "w"), [lease(catalog, "c" * 64)])
    return lambda: catalog.materializations.roll_back("a", 1)


ACTS = (
    recording,
    recording_one_of_several_files,
    settling,
    giving_back,
    leasing,
    releasing,
    restoring,
    taking_back_a_wipe,
    rolling_back,
)


@pytest.mark.parametrize("prepare", ACTS, ids=lambda act: act.__name__)
def test_files_are_locked_in_one_order(catalog: Catalog, engine: sa.Engine, prepare: Callable[[Catalog], Act]) -> None:
    act = prepare(catalog)
    by_hash = sa.select(files).with_for_update(nowait=True)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with open_transaction(engine) as other:
            assert other.execute(by_hash.where(files.c.content_hash == FIRST)).one()
            waiting = pool.submit(act)
            wait_for_a_lock(engine)
            assert other.execute(by_hash.where(files.c.content_hash == SECOND)).one()
        waiting.result(timeout=30)
    assert counts_agree(engine)


@pytest.mark.usefixtures("impatient")
def test_concurrent_records_of_the_same_contents_in_other_orders_succeed(catalog: Catalog, engine: sa.Engine) -> None:
    """Two backfills, each of them one run, do this."""
    contents, at_once = [f"{number:064x}" for number in range(100)], threading.Barrier(2, timeout=30)

    def record(asset: str, order: Sequence[str]) -> int:
        new = partitions([lease(catalog, content_hash) for content_hash in order], asset)
        at_once.wait()
        return sum(made.bytes_added for made in catalog.materializations.record_all(new))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        added = list(pool.map(record, ("up", "down"), (contents, contents[::-1])))
    assert sum(added) == 100 * len(contents)
    assert counts_agree(engine)


def test_single_file_needs_no_locking_statement(catalog: Catalog) -> None:
    one = lease(catalog, FIRST)
    executed = statements_of(lambda: catalog.files.settle_all([one], "me"))
    own = [text.split()[0] for text, _ in executed if not text.startswith("SELECT pg_current_xact_id")]
    assert own == ["UPDATE", "UPDATE"]
