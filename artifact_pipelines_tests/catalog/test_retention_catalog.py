"""Policies, pins, tags, wipes, releases and restores, on each database."""

import concurrent.futures
import contextlib
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import (
    CollectedVersionsError,
    NeverMaterializedError,
    NothingToRestoreError,
    UnknownTagError,
    UnknownVersionError,
)
from artifact_pipelines.catalog.materialization_rows import lock_asset
from artifact_pipelines.catalog.retention import RetentionCatalog
from artifact_pipelines.catalog.tables import materializations, tags, utc_now
from artifact_pipelines.core.exceptions import InvalidArgumentError, LeaseExpiredError
from artifact_pipelines.core.retention import RetentionPolicy, VersionName
from artifact_pipelines.core.types import Content, FileDescription, MaterializationFacts, Selection
from artifact_pipelines_tests.catalog.test_collection_catalog import open_transaction, wait_for_a_lock
from artifact_pipelines_tests.catalog.test_file_catalog import counts_agree
from artifact_pipelines_tests.catalog.test_materialization_catalog import record

TABLE = "flights/table"


def name(version: int, partition: str | None = None) -> VersionName:
    return VersionName(TABLE, partition, version)


def release(catalog: Catalog, *versions: int) -> None:
    for version in versions:
        assert catalog.retention.release(name(version), "test")


def numbers(catalog: Catalog) -> list[int]:
    return [m.version for m in catalog.materializations.history(TABLE)]


def test_policy_is_remembered_changed_and_forgotten(catalog: Catalog) -> None:
    catalog.retention.set_policy("a", RetentionPolicy(keep_last=3, keep_within="30d"))
    assert catalog.retention.policies() == {"a": RetentionPolicy(keep_last=3, keep_within="30d")}
    catalog.retention.set_policy("a", RetentionPolicy(keep_daily=1))
    assert catalog.retention.policies() == {"a": RetentionPolicy(keep_daily=1)}
    catalog.retention.set_policy("a", None)
    catalog.retention.set_policy("never", None)
    assert catalog.retention.policies() == {}


def test_policy_and_materialization_are_recorded_together_or_not_at_all(catalog: Catalog) -> None:
    facts, policy = MaterializationFacts(TABLE, "v"), RetentionPolicy(keep_last=3)
    lease = catalog.files.acquire_all([(Content("a" * 64, 100), FileDescription("parquet"))], "blake3")[0]
    catalog.materializations.record_all([(facts, [lease])], {TABLE: policy})
    with pytest.raises(LeaseExpiredError):  # the lease is settled already
        catalog.materializations.record_all([(facts, [lease])], {TABLE: None})
    assert catalog.retention.policies() == {TABLE: policy}


def test_concurrent_writers_of_a_policy_leave_one(catalog: Catalog) -> None:
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: catalog.retention.set_policy("a", RetentionPolicy(keep_last=1 + n % 2)), range(24)))
    assert len(catalog.retention.policies()) == 1


@pytest.mark.parametrize(
    "values",
    [{}, {"keep_last": 0}, {"keep_last": True}, {"keep_last": "3"}, {"keep_yearly": 1}, {"keep_within": "soon"}, 3],
)
def test_invalid_policy_is_refused(values: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        RetentionPolicy.from_mapping(values)


def test_version_has_all_materializations_of_its_content(catalog: Catalog) -> None:
    first, again, other = (record(catalog, letter, run_id=letter) for letter in "aab")
    catalog.pins_and_tags.tag(TABLE, "gold", version=1)
    old, new = catalog.retention.versions(TABLE)
    assert old.made_at == (first.created_at, again.created_at)
    assert (old.is_current, old.is_pinned, old.is_wiped, old.tags) == (False, False, False, ("gold",))
    assert (new.name, new.is_current, new.run_id, new.size_bytes) == (name(2), True, "b", other.file.size_bytes)


def test_pin_is_on_the_current_version_unless_another_is_named(catalog: Catalog) -> None:
    for letter in "aab":
        record(catalog, letter)
    assert catalog.pins_and_tags.pin(TABLE) == name(2)
    assert catalog.pins_and_tags.pin(TABLE, version=1) == name(1)
    assert [v.is_pinned for v in catalog.retention.versions(TABLE)] == [True, True]
    with pytest.raises(InvalidArgumentError, match="1, 2"):
        catalog.pins_and_tags.unpin(TABLE)
    assert catalog.pins_and_tags.unpin(TABLE, version=2) == name(2)
    assert [v.is_pinned for v in catalog.retention.versions(TABLE)] == [True, False]


def test_tag_moves_within_its_partition(catalog: Catalog) -> None:
    for partition, letter in (("p", "a"), ("p", "b"), ("q", "c")):
        record(catalog, letter, partition=partition)
    for version in (1, 2):
        assert catalog.pins_and_tags.tag(TABLE, "gold", "p", version) == name(version, "p")
    catalog.pins_and_tags.tag(TABLE, "gold", "q")
    found = {(v.name.partition, v.name.version): v.tags for v in catalog.retention.versions(TABLE)}
    assert found == {("p", 1): (), ("p", 2): ("gold",), ("q", 1): ("gold",)}
    catalog.pins_and_tags.untag(TABLE, "gold", "p")
    with pytest.raises(UnknownTagError, match="there are: none"):
        catalog.pins_and_tags.untag(TABLE, "gold", "p")


@pytest.mark.parametrize("tag", ["", "3", "a b", "x" * 64, "a/b", "é", None, "v2"])
def test_invalid_tag_is_refused(catalog: Catalog, tag: Any) -> None:
    record(catalog, "a")
    with pytest.raises(InvalidArgumentError, match="beginning with a letter|begins with a letter"):
        catalog.pins_and_tags.tag(TABLE, tag)


def test_missing_versions_can_not_be_pinned_or_tagged(catalog: Catalog) -> None:
    with pytest.raises(NeverMaterializedError):
        catalog.pins_and_tags.pin(TABLE)
    with pytest.raises(NeverMaterializedError):
        catalog.pins_and_tags.pin(TABLE, version=1)
    for letter in "ab":
        record(catalog, letter)
    with pytest.raises(UnknownVersionError, match="the newest is 2"):
        catalog.pins_and_tags.tag(TABLE, "gold", version=3)
    release(catalog, 1)
    with pytest.raises(UnknownVersionError):
        catalog.pins_and_tags.pin(TABLE, version=1)


def test_restore_takes_back_the_last_wipe_and_what_was_current(catalog: Catalog, engine: sa.Engine) -> None:
    for letter in "abc":
        current = record(catalog, letter)
    release(catalog, 1)
    catalog.retention.wipe(TABLE)
    release(catalog, 2, 3)
    assert counts_agree(engine)
    assert catalog.retention.restore(TABLE) == [name(2), name(3)]
    assert numbers(catalog) == [3, 3, 2], "the newest is current from now on, as after a rollback"
    now = catalog.materializations.current(TABLE)
    assert (now.version, now.file.file_id, now.run_id) == (3, current.file.file_id, None)
    assert catalog.collection.collect(0, 10)[0].version == 1
    assert counts_agree(engine)
    with pytest.raises(NothingToRestoreError):
        catalog.retention.restore(TABLE)


def test_version_made_after_the_wipe_stays_current(catalog: Catalog) -> None:
    record(catalog, "a")
    catalog.retention.wipe(TABLE)
    newer = record(catalog, "b")
    catalog.retention.restore(TABLE)
    assert catalog.materializations.current(TABLE) == newer
    assert numbers(catalog) == [2, 1]


def test_wipes_are_restored_one_by_one_the_last_first(catalog: Catalog) -> None:
    for letter in "ab":
        record(catalog, letter)
        catalog.retention.wipe(TABLE)
    assert catalog.retention.restore(TABLE) == [name(2)]
    assert catalog.retention.restore(TABLE) == [name(1)]
    assert catalog.materializations.current(TABLE).version == 2


def test_restored_versions_are_sorted_by_partition_and_number(catalog: Catalog) -> None:
    for number in range(11):
        record(catalog, f"{number:x}", partition="mon")
        record(catalog, f"{number:x}", partition="a" if number % 2 else "tue")
    catalog.retention.wipe(TABLE)
    a, mon, tue = range(1, 6), range(1, 12), range(1, 7)
    expected = [name(n, day) for day, count in (("a", a), ("mon", mon), ("tue", tue)) for n in count]
    assert catalog.retention.restore(TABLE) == expected


def test_restore_takes_one_partition_or_all(catalog: Catalog) -> None:
    for partition in "pqr":
        record(catalog, "a", partition=partition)
    catalog.retention.wipe(TABLE)
    assert catalog.retention.restore(TABLE, "p") == [name(1, "p")]
    assert catalog.retention.restore(TABLE) == [name(1, "q"), name(1, "r")]
    assert len(catalog.materializations.list_current()) == 3


def test_released_version_is_restored_by_its_number(catalog: Catalog, engine: sa.Engine) -> None:
    for letter in "aab":
        record(catalog, letter)
    release(catalog, 1)
    assert numbers(catalog) == [2]
    assert catalog.retention.restore(TABLE, version=1) == [name(1)]
    assert numbers(catalog) == [2, 1, 1]
    assert catalog.materializations.current(TABLE).version == 2
    assert catalog.collection.collect(0, 10) == []
    assert counts_agree(engine)


def test_collected_version_can_not_be_restored_and_nothing_changes(catalog: Catalog, engine: sa.Engine) -> None:
    for letter in "abc":
        record(catalog, letter)
    catalog.retention.wipe(TABLE)
    release(catalog, 1)
    catalog.collection.collect(0, 10)
    release(catalog, 2)
    with pytest.raises(CollectedVersionsError, match="Still there: 2, 3"):
        catalog.retention.restore(TABLE)
    assert numbers(catalog) == [3]
    assert counts_agree(engine)
    assert catalog.retention.restore(TABLE, version=2) == [name(2)]
    assert catalog.materializations.current(TABLE).version == 2


def test_releasing_twice_counts_down_once(catalog: Catalog, engine: sa.Engine) -> None:
    for letter in "ab":
        record(catalog, letter)
    release(catalog, 1)
    assert not catalog.retention.release(name(1), "again")
    assert not catalog.retention.release(name(9), "never was")
    assert counts_agree(engine)


def test_version_with_more_materializations_than_a_statement_takes_is_released_and_restored(
    catalog: Catalog, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    @sa.event.listens_for(engine, "connect")
    def limit(connection: Any, _record: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 40)

    monkeypatch.setattr("artifact_pipelines.catalog.engine.BATCH_SIZE", 20)
    made = [record(catalog, letter) for letter in [*"a" * 50, "b"]]
    limited = RetentionCatalog(engine)
    assert limited.release(name(1), "test")
    assert catalog.files.get_file(made[0].file.file_id).reference_count == 0
    assert numbers(catalog) == [2]
    assert limited.restore(TABLE, version=1) == [name(1)]
    assert catalog.files.get_file(made[0].file.file_id).reference_count == 50
    assert limited.wipe(TABLE) == 51
    assert limited.restore(TABLE) == [name(1), name(2)]
    assert counts_agree(engine)


def test_concurrent_releases_and_restores_leave_correct_counts(catalog: Catalog, engine: sa.Engine) -> None:
    for number in range(6):
        record(catalog, f"{number}")

    def change(number: int) -> None:
        version = number % 5 + 1
        if number % 2:
            catalog.retention.release(name(version), "test")
        else:
            with contextlib.suppress(NothingToRestoreError):
                catalog.retention.restore(TABLE, version=version)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(change, range(60)))
    assert counts_agree(engine)
    assert catalog.materializations.current(TABLE).version == 6


class TestOnPostgreSQL:
    """On PostgreSQL a version can get a pin or tag during its release; SQLite has one writing transaction at a time."""

    @pytest.fixture
    def catalog_url(self, postgresql_url: str) -> str:
        return postgresql_url

    @pytest.mark.parametrize("mark", ["pin", "tag"])
    def test_release_waits_for_a_concurrent_pin_or_tag_and_respects_it(
        self, catalog: Catalog, engine: sa.Engine, mark: str
    ) -> None:
        first, _ = (record(catalog, letter) for letter in "ab")
        pin = sa.update(materializations).where(materializations.c.version == 1).values(pinned_at=utc_now())
        tag = sa.insert(tags).values(asset_key=TABLE, name="gold", materialization_id=first.materialization_id)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            with open_transaction(engine) as marking:
                lock_asset(marking, TABLE)
                marking.execute(pin if mark == "pin" else tag)
                releasing = pool.submit(catalog.retention.release, name(1), "test")
                wait_for_a_lock(engine)
            assert releasing.result(timeout=30) is False
        assert numbers(catalog) == [2, 1]


@pytest.mark.parametrize("partition", [None, "mon"])
def test_selection_by_time_knows_wipes_and_restores(catalog: Catalog, engine: sa.Engine, partition: str | None) -> None:
    moments = []

    def then(act: Callable[[], object]) -> None:
        act()
        moments.append(catalog.retention.now())
        time.sleep(0.005)  # SQLite's clock has a resolution of milliseconds

    def found() -> list[int | None]:
        held = [catalog.materializations.find(TABLE, [partition], Selection(as_of=moment)) for moment in moments]
        return [by_partition[partition].version if by_partition else None for by_partition in held]

    for letter in "ab":
        then(lambda letter=letter: record(catalog, letter, partition=partition))  # type: ignore[misc]
    then(lambda: catalog.retention.wipe(TABLE))
    then(lambda: catalog.retention.restore(TABLE, partition, version=1))
    assert found() == [1, 2, None, 1]
    then(lambda: catalog.retention.restore(TABLE, partition))
    assert found() == [1, 2, None, 1, 1], "the restored version was not current in between"
    assert catalog.materializations.current(TABLE, partition).version == 1
    then(lambda: catalog.retention.wipe(TABLE))
    then(lambda: catalog.retention.restore(TABLE, partition))
    then(lambda: catalog.materializations.roll_back(TABLE, 2, partition))
    assert found() == [1, 2, None, 1, 1, None, 1, 2]
    assert counts_agree(engine)


def test_version_released_before_a_wipe_was_not_current_until_the_restore(catalog: Catalog) -> None:
    for letter in "ab":
        record(catalog, letter)
        time.sleep(0.005)
    release(catalog, 1)
    catalog.retention.wipe(TABLE)
    between = catalog.retention.now()
    time.sleep(0.005)
    catalog.retention.restore(TABLE, version=1)
    assert catalog.materializations.find(TABLE, [None], Selection(as_of=between)) == {}
    assert catalog.materializations.current(TABLE).version == 1
