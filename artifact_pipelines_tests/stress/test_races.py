"""Many processes use one catalog and store at once, and nothing is lost, doubled or miscounted."""

import collections
import secrets

import pytest

from artifact_pipelines.core.types import FileId
from artifact_pipelines_tests.stress import acts
from artifact_pipelines_tests.stress.aftermath import Aftermath
from artifact_pipelines_tests.stress.children import run_at_once
from artifact_pipelines_tests.stress.place import Place


@pytest.mark.everywhere
def test_processes_that_create_the_same_content_share_one_file(place: Place, is_stress: bool) -> None:
    processes = 32 if is_stress else 16 if place.is_fast else 6
    data = secrets.token_bytes(200_000)
    outcomes = run_at_once([(act, place, data) for act in (acts.create, acts.create_from_pipe)] * (processes // 2))
    assert [(outcome.error, outcome.reason) for outcome in outcomes] == [(None, "")] * processes
    acknowledged = [file_id for outcome in outcomes for file_id in outcome.acknowledged]
    assert len(acknowledged) == processes
    assert len(set(acknowledged)) == 1
    with place.open() as opened:
        assert [path.file_id for path in opened.backend.list_files()] == acknowledged[:1]
        assert opened.catalog.files.get_file(acknowledged[0]).reference_count == processes
        assert opened.read(acknowledged[0]) == data
    assert not Aftermath(place).left_over()


def test_random_steps_of_many_processes_keep_counts_right(place: Place, is_stress: bool) -> None:
    processes, seconds = (16, 60.0) if is_stress else (4 if place.is_fast else 3, 0.5)
    outcomes = run_at_once([(acts.mix, place, seed, seconds) for seed in range(processes)])
    assert [(outcome.error, outcome.reason) for outcome in outcomes] == [(None, "")] * processes
    held: collections.Counter[FileId] = collections.Counter()
    for outcome in outcomes:
        ((holds, did),) = outcome.acknowledged
        assert sorted(did) == sorted(acts.STEPS)
        held.update(file_id for file_id, _ in holds)
    after = Aftermath(place)
    assert not after.miscounted()
    assert not after.unreadable()
    assert not place.verify()
    with place.open() as opened:
        for file_id, count in held.items():
            assert opened.catalog.files.get_file(file_id).reference_count == count
        opened.clean_up()
        assert not after.left_over()
        assert {path.file_id for path in opened.backend.list_files()} == set(held)
        for file_id in held.elements():
            opened.producer.release(file_id)
        opened.clean_up()
        assert not list(opened.backend.list_files())
