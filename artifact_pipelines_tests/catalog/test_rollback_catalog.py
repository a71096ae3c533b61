"""Rollbacks, on each database."""

import concurrent.futures

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import NeverMaterializedError, UnknownVersionError
from artifact_pipelines.catalog.tables import materializations
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import LoadedInput, Publication, Selection
from artifact_pipelines_tests.catalog.filled import inputs_of
from artifact_pipelines_tests.catalog.test_file_catalog import counts_agree
from artifact_pipelines_tests.catalog.test_materialization_catalog import record

TABLE = "flights/table"


@pytest.mark.parametrize("partition", [None, "mon"])
def test_rollback_makes_an_older_version_current_with_all_its_facts(
    catalog: Catalog, engine: sa.Engine, partition: str | None
) -> None:
    raw = record(catalog, "f", asset="flights/raw")
    loaded = (LoadedInput.of(raw),)
    record(catalog, "0", partition="other")
    first = record(catalog, "a", partition=partition, inputs=loaded, row_count=3, schema={"x": "int64"}, run_id="one")
    record(catalog, "b", partition=partition, run_id="two")
    rolled_back = catalog.materializations.roll_back(TABLE, 1, partition)
    now = catalog.materializations.current(TABLE, partition)
    assert (rolled_back.now, rolled_back.is_new) == (now, True)
    assert rolled_back.source.materialization_id == first.materialization_id
    assert (now.version, now.data_version, now.row_count, now.schema) == (1, first.data_version, 3, {"x": "int64"})
    assert (now.file.file_id, now.bytes_added, now.run_id) == (first.file.file_id, 0, None)
    assert now.file.reference_count == 2
    assert inputs_of(catalog, now.materialization_id) == list(loaded)
    assert [m.version for m in catalog.materializations.history(TABLE, partition)][:3] == [1, 2, 1]
    assert counts_agree(engine)


def test_rollback_to_the_current_version_changes_nothing(catalog: Catalog) -> None:
    record(catalog, "a")
    second = record(catalog, "b")
    assert not catalog.materializations.roll_back(TABLE, 2).is_new
    assert catalog.materializations.current(TABLE) == second
    assert catalog.materializations.roll_back(TABLE, 1).is_new
    assert not catalog.materializations.roll_back(TABLE, 1).is_new
    assert len(catalog.materializations.history(TABLE)) == 3


def test_next_change_after_a_rollback_gets_a_new_number(catalog: Catalog) -> None:
    for letter in "ab":
        record(catalog, letter)
    catalog.materializations.roll_back(TABLE, 1)
    assert record(catalog, "a").version == 1
    assert record(catalog, "c").version == 3, "numbers count changes, and no number is used twice"


@pytest.mark.parametrize("partition", [None, "mon"])
def test_content_that_was_rolled_back_from_stays_withdrawn_when_a_run_makes_it_again(
    catalog: Catalog, engine: sa.Engine, partition: str | None
) -> None:
    for letter in "ab":
        record(catalog, letter, partition=partition)
    assert catalog.materializations.roll_back(TABLE, 1, partition).withdrawn == 2
    kept = record(catalog, "b", partition=partition, run_id="nightly")
    undo = f"rollback {TABLE} --to 2" + (" --partition mon" if partition else "")
    assert (kept.version, undo in str(kept.publication_reason)) == (1, True)
    assert catalog.materializations.current(TABLE, partition).version == 1
    assert catalog.materializations.find(TABLE, [partition], run_id="nightly")[partition].version == 1
    made, *_ = catalog.materializations.history(TABLE, partition)
    assert (made.version, made.publication, made.run_id) == (2, Publication.WITHDRAWN, "nightly")
    assert record(catalog, "c", partition=partition).version == 3
    assert record(catalog, "b", partition=partition).version == 3, "it is withdrawn whatever else is current"
    assert counts_agree(engine)


def test_rollback_to_a_withdrawn_version_takes_the_withdrawal_back(catalog: Catalog) -> None:
    for letter in "ab":
        record(catalog, letter)
    catalog.materializations.roll_back(TABLE, 1)
    record(catalog, "b")
    assert catalog.materializations.roll_back(TABLE, 2).withdrawn is None
    assert catalog.materializations.current(TABLE).version == 2
    assert {made.publication for made in catalog.materializations.history(TABLE)} == {Publication.PUBLISHED}
    assert record(catalog, "a").version == 3, "version 1 was never withdrawn"
    assert record(catalog, "b").version == 4


def test_withdrawn_content_becomes_current_by_publishing_it_or_after_a_wipe(catalog: Catalog) -> None:
    for letter in "ab":
        record(catalog, letter)
    catalog.materializations.roll_back(TABLE, 1)
    with pytest.raises(InvalidArgumentError, match="rollback"):
        catalog.candidates.publish_version(TABLE, 2)
    catalog.retention.wipe(TABLE)
    assert record(catalog, "b").publication == Publication.PUBLISHED


def test_content_that_was_rolled_back_from_waits_for_no_check(catalog: Catalog) -> None:
    for letter in "ab":
        record(catalog, letter)
    catalog.materializations.roll_back(TABLE, 1)
    assert record(catalog, "b", publish_after=("rows",)).version == 1
    assert catalog.candidates.waiting() == []


def test_source_of_a_second_rollback_is_the_materialization_of_the_run(catalog: Catalog) -> None:
    first = record(catalog, "a", run_id="one")
    record(catalog, "b", run_id="two")
    catalog.materializations.roll_back(TABLE, 1)
    catalog.materializations.roll_back(TABLE, 2)
    assert catalog.materializations.roll_back(TABLE, 1).source.run_id == first.run_id


def test_run_does_not_read_a_rollback_as_its_own_write(catalog: Catalog) -> None:
    record(catalog, "a", run_id="one")
    record(catalog, "b", run_id="two")
    catalog.materializations.roll_back(TABLE, 1)
    find = catalog.materializations.find
    second = catalog.materializations.version(TABLE, 2)  # withdrawn by now
    assert find(TABLE, [None], run_id="two") == {None: second}
    assert find(TABLE, [None])[None].version == 1
    assert find(TABLE, [None], Selection(as_of=second.created_at)) == {None: second}


def test_rolled_back_output_of_an_op_keeps_its_run(catalog: Catalog) -> None:
    for letter in "ab":  # the op ran twice
        record(catalog, letter, asset="run 1/step/result", run_id="run 1", is_op_output=True)
    now = catalog.materializations.roll_back("run 1/step/result", 1).now
    assert (now.version, now.run_id, now.is_op_output) == (1, "run 1", True)
    assert catalog.materializations.current("run 1/step/result", run_id="run 1") == now
    assert catalog.materializations.list_current() == []


def test_version_that_was_rolled_back_to_is_not_released(catalog: Catalog) -> None:
    for letter in "abc":
        record(catalog, letter)
    catalog.materializations.roll_back(TABLE, 1)
    assert not catalog.retention.release(VersionName(TABLE, None, 1), "test")
    assert [v.is_current for v in catalog.retention.versions(TABLE)] == [True, False, False]
    assert catalog.retention.release(VersionName(TABLE, None, 2), "test")
    assert catalog.collection.collect(0, 10)[0].version == 2


def test_rollback_after_a_wipe_makes_an_older_version_current(catalog: Catalog) -> None:
    for letter in "ab":
        record(catalog, letter)
    catalog.retention.wipe(TABLE)
    assert catalog.materializations.roll_back(TABLE, 1).is_new
    assert catalog.materializations.current(TABLE).version == 1


def test_released_unpublished_and_unknown_versions_can_not_become_current(catalog: Catalog, engine: sa.Engine) -> None:
    for letter in "abc":
        record(catalog, letter)
    assert catalog.retention.release(VersionName(TABLE, None, 1), "test")
    with engine.begin() as connection:
        second = sa.update(materializations).where(materializations.c.version == 2)
        connection.execute(second.values(publication=Publication.REJECTED))
    for version in (1, 9):
        with pytest.raises(UnknownVersionError, match="the newest is 3"):
            catalog.materializations.roll_back(TABLE, version)
    with pytest.raises(InvalidArgumentError, match=f"publish {TABLE} --version 2` makes current what is rejected"):
        catalog.materializations.roll_back(TABLE, 2)
    with pytest.raises(NeverMaterializedError):
        catalog.materializations.roll_back(TABLE, 3, "mon")
    assert catalog.materializations.current(TABLE).version == 3
    assert counts_agree(engine)


def test_concurrent_rollbacks_and_writes_leave_one_current_and_correct_counts(
    catalog: Catalog, engine: sa.Engine
) -> None:
    for letter in "abc":
        record(catalog, letter)

    def change(number: int) -> None:
        if number % 3:
            catalog.materializations.roll_back(TABLE, number % 3)
        else:
            record(catalog, "abcdef"[number % 6])

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(change, range(36)))
    assert len(catalog.materializations.list_current()) == 1
    assert counts_agree(engine)
