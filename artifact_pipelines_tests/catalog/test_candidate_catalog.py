"""Candidates on each database: which one becomes current, whatever the order of decisions."""

import concurrent.futures
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import candidates
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import NeverMaterializedError, NeverPublishedError
from artifact_pipelines.catalog.tables import dataset_versions
from artifact_pipelines.core.retention import RetentionPolicy
from artifact_pipelines.core.types import Materialization, Publication, Selection
from artifact_pipelines.maintenance.retention import plan_retention, release_versions
from artifact_pipelines_tests.catalog.test_materialization_catalog import record

TABLE = "flights/table"


def propose(catalog: Catalog, letter: str, **facts: Any) -> Materialization:
    return record(catalog, letter, publish_after=("small", "tidy"), **facts)


def current(catalog: Catalog) -> int:
    return catalog.materializations.current(TABLE).version


def states(catalog: Catalog) -> list[tuple[int, str, str | None]]:
    return [(m.version, m.publication.value, m.publication_reason) for m in catalog.materializations.history(TABLE)]


def test_candidate_has_a_version_number_and_is_not_current(catalog: Catalog) -> None:
    record(catalog, "a")
    made = propose(catalog, "b")
    assert (made.version, made.publication) == (2, Publication.CANDIDATE)
    assert made.publication_reason == "waits until checks small, tidy are seen to have passed"
    assert current(catalog) == 1
    assert [m.version for m in catalog.materializations.list_current()] == [1]
    assert catalog.materializations.version(TABLE, 2) == made
    chosen = catalog.materializations.find(TABLE, [None], Selection(file_id=made.file.file_id))
    assert chosen == {None: made}
    latest = catalog.materializations.find(TABLE, [None], Selection(as_of=made.created_at))
    assert [m.version for m in latest.values()] == [1]


def test_older_candidate_of_the_same_content_is_superseded_by_it(catalog: Catalog) -> None:
    propose(catalog, "a", run_id="first")
    second = propose(catalog, "a", run_id="second")
    catalog.candidates.publish(second)
    reason = "superseded by the same content, which became current first"
    assert states(catalog) == [(1, "published", None), (1, "rejected", reason)]


def test_only_its_run_and_its_checks_find_a_candidate(catalog: Catalog) -> None:
    record(catalog, "a")
    made = propose(catalog, "b", run_id="mine")
    find = catalog.materializations.find
    assert find(TABLE, [None], run_id="mine") == find(TABLE, [None], run_id="other", to_check=True) == {None: made}
    assert find(TABLE, [None], run_id="other")[None].version == 1
    catalog.candidates.reject(made, "bad")
    assert find(TABLE, [None], run_id="mine")[None].version == 1
    assert find(TABLE, [None], run_id="mine", to_check=True)[None].version == 2
    assert find(TABLE, [None], run_id="other", to_check=True)[None].version == 1


def test_error_without_a_published_version_names_the_waiting_one(catalog: Catalog) -> None:
    propose(catalog, "a")
    with pytest.raises(NeverPublishedError, match="waits until checks small, tidy are seen.*a step that loads it"):
        catalog.materializations.current(TABLE)
    with pytest.raises(NeverMaterializedError):
        catalog.materializations.current("other")


def test_publishing_moves_what_is_current_and_supersedes_older_candidates(catalog: Catalog) -> None:
    record(catalog, "a")
    older, made, newer = (propose(catalog, letter) for letter in "bcd")
    assert catalog.candidates.publish(made)
    assert current(catalog) == 3
    assert not catalog.candidates.publish(older)
    told = catalog.materializations.version(TABLE, 2).publication_text
    assert told == "superseded by version 3, which became current first", "it failed no check"
    assert catalog.candidates.waiting() == [newer]
    assert states(catalog)[2] == (2, "rejected", "superseded by version 3, which became current first")
    assert catalog.candidates.publish(newer)
    assert current(catalog) == 4


def test_materialization_without_checks_supersedes_older_candidates(catalog: Catalog) -> None:
    made = propose(catalog, "a")
    record(catalog, "b")
    assert not catalog.candidates.publish(made)
    assert states(catalog) == [
        (2, "published", None),
        (1, "rejected", "superseded by version 2, which became current first"),
    ]


def test_older_candidate_does_not_undo_a_rollback(catalog: Catalog) -> None:
    record(catalog, "a")
    record(catalog, "b")
    made = propose(catalog, "c")
    catalog.materializations.roll_back(TABLE, 1)
    assert not catalog.candidates.publish(made)
    assert current(catalog) == 1
    assert states(catalog)[1] == (3, "rejected", "superseded by version 1, which became current first")


def test_candidates_of_some_partitions_are_found_without_the_others(catalog: Catalog) -> None:
    made = {key: propose(catalog, "a", partition=key) for key in ("mon", "tue", "wed")}
    unpartitioned = propose(catalog, "a")

    def waiting(*which: Any) -> list[int]:
        return [one.materialization_id for one in catalog.candidates.waiting(*which)]

    assert waiting(TABLE, ["mon", "wed"]) == [made["mon"].materialization_id, made["wed"].materialization_id]
    assert waiting(TABLE, [None]) == [unpartitioned.materialization_id]
    assert waiting(TABLE) == waiting() == sorted(waiting())
    assert len(waiting()) == 4


def test_restore_does_not_reject_candidates(catalog: Catalog) -> None:
    record(catalog, "a")
    before = propose(catalog, "b")
    catalog.retention.wipe(TABLE)
    after = propose(catalog, "c")
    catalog.retention.restore(TABLE)
    assert current(catalog) == 1
    assert catalog.candidates.waiting() == [before, after]
    assert catalog.candidates.publish(before)
    assert catalog.candidates.publish(after)
    assert current(catalog) == 3


def test_rejected_candidate_is_published_only_by_command(catalog: Catalog) -> None:
    record(catalog, "a")
    made = propose(catalog, "b")
    assert catalog.candidates.reject(made, "failed check small")
    assert not catalog.candidates.reject(made, "again")
    assert not catalog.candidates.publish(made)
    published = catalog.candidates.publish_version(TABLE, 2)
    assert (published.publication, published.publication_reason) == (Publication.PUBLISHED, "published by command")
    assert catalog.candidates.publish_version(TABLE, 2) == published
    assert current(catalog) == 2


def test_one_of_many_concurrent_publishers_publishes(catalog: Catalog) -> None:
    record(catalog, "a")
    made = propose(catalog, "b")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(lambda _: catalog.candidates.publish(made), range(12))) == 1


def test_dataset_gets_its_version_when_the_candidate_is_published(catalog: Catalog, engine: sa.Engine) -> None:
    def count() -> int:
        with engine.connect() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(dataset_versions)).scalar_one()

    made = propose(catalog, "a", dataset="flights")
    assert count() == 0
    catalog.candidates.publish(made)
    assert count() == 1


@pytest.mark.parametrize("partition", [None, "mon"])
def test_same_content_as_a_waiting_candidate_is_the_same_version(
    catalog: Catalog, engine: sa.Engine, partition: str | None
) -> None:
    facts: Any = {"dataset": "flights", "partition": partition}
    record(catalog, "a", **facts)
    first, second = (propose(catalog, "b", run_id=run_id, **facts) for run_id in ("r1", "r2"))
    assert first.version == second.version == 2
    for made in (first, second):
        assert catalog.candidates.publish(made)
        assert catalog.materializations.current(TABLE, partition).run_id == made.run_id
    with engine.connect() as connection:
        numbers = connection.execute(sa.select(dataset_versions.c.number).order_by(dataset_versions.c.number))
        assert numbers.scalars().all() == [1, 2]
    assert propose(catalog, "c", **facts).version == 3


def test_content_that_comes_back_after_another_candidate_is_a_new_version(catalog: Catalog) -> None:
    record(catalog, "a")
    made = [propose(catalog, letter) for letter in "bcb"]
    assert [each.version for each in made] == [2, 3, 4]
    assert [catalog.candidates.publish(each) for each in made] == [True, True, True]
    assert current(catalog) == 4


def test_content_of_a_wiped_or_rejected_candidate_is_a_new_version(catalog: Catalog) -> None:
    catalog.candidates.reject(propose(catalog, "b"), "bad")
    propose(catalog, "b")
    catalog.retention.wipe(TABLE)
    assert propose(catalog, "b").version == 3


def test_run_that_checked_a_candidate_is_noted_once(catalog: Catalog) -> None:
    made = propose(catalog, "a", metadata={"mine": 1})
    for run_id in ("r1", "r2", "r1"):
        catalog.candidates.note_check(made, run_id)
    [noted] = catalog.candidates.waiting(TABLE)
    assert noted.metadata == {"mine": 1, "publish_after": ["small", "tidy"], "checked_in": ["r1", "r2"]}


def test_wiped_candidate_is_not_published_and_is_restored_as_a_candidate(catalog: Catalog) -> None:
    record(catalog, "a")
    made = propose(catalog, "b")
    catalog.retention.wipe(TABLE)
    assert catalog.candidates.waiting() == []
    assert not catalog.candidates.publish(made)
    catalog.retention.restore(TABLE)
    assert current(catalog) == 1
    assert [m.version for m in catalog.candidates.waiting()] == [2]


def test_neither_its_checks_nor_its_run_find_a_wiped_candidate(catalog: Catalog) -> None:
    record(catalog, "a", run_id="mine")
    candidate = propose(catalog, "b", run_id="mine")
    find, it = catalog.materializations.find, (TABLE, [None])
    catalog.retention.wipe(TABLE)
    for run_id in (None, "mine", "other"):
        assert find(*it, run_id=run_id) == find(*it, run_id=run_id, to_check=True) == {}
    assert type(catalog.materializations.nothing_found(TABLE)) is NeverMaterializedError
    assert find(*it, Selection(version=2)) == {None: candidate}
    catalog.retention.restore(TABLE)
    assert find(*it, run_id="mine") == find(*it, to_check=True) == {None: candidate}


def test_clean_up_keeps_files_of_candidates(catalog: Catalog) -> None:
    catalog.retention.set_policy(TABLE, RetentionPolicy(keep_last=1))
    record(catalog, "a")
    made = propose(catalog, "b")
    record(catalog, "c", asset="other")
    released = release_versions(catalog, plan_retention(catalog))
    assert released == []
    assert catalog.files.get_file(made.file.file_id).reference_count == 1
    assert made.file.file_id not in [garbage.file_id for garbage in catalog.collection.garbage(0, 100)]


def test_restoring_a_wipe_keeps_the_current_version(catalog: Catalog) -> None:
    record(catalog, "a")
    catalog.candidates.reject(propose(catalog, "b"), "bad")
    record(catalog, "c")
    catalog.candidates.publish_version(TABLE, 2)
    catalog.retention.wipe(TABLE)
    catalog.retention.restore(TABLE)
    assert current(catalog) == 2


def test_more_candidates_than_a_page_are_all_found(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_PAGE", 2)
    for count, partition in enumerate(("mon", "tue", "wed", "thu", "fri"), 1):
        propose(catalog, partition[0], partition=partition)
        assert len(catalog.candidates.waiting(TABLE)) == len(catalog.candidates.waiting()) == count
