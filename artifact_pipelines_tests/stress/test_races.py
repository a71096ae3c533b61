"""Many processes at once on one catalog and one store, and nothing is lost, doubled or miscounted."""

import collections
import secrets

import pytest

from artifact_pipelines.core.types import FileId
from artifact_pipelines_tests.stress import acts
from artifact_pipelines_tests.stress.aftermath import Aftermath
from artifact_pipelines_tests.stress.children import run_at_once
from artifact_pipelines_tests.stress.place import Place


@pytest.mark.parametrize("act", [acts.create, acts.create_from_pipe], ids=["seekable", "pipe"])
def test_32_processes_that_create_the_same_content_share_one_file(place: Place, act: object) -> None:
    data = secrets.token_bytes(200_000)
    outcomes = run_at_once([(act, place, data)] * 32)
    assert [outcome.error for outcome in outcomes] == [None] * 32
    acknowledged = [file_id for outcome in outcomes for file_id in outcome.acknowledged]
    assert len(acknowledged) == 32
    assert len(set(acknowledged)) == 1
    with place.open() as opened:
        assert [path.file_id for path in opened.backend.list_files()] == acknowledged[:1]
        assert opened.catalog.files.get_file(acknowledged[0]).reference_count == 32
        assert opened.read(acknowledged[0]) == data
    assert not Aftermath(place).left_over()


def test_a_mix_of_everything_on_shared_contents(place: Place, is_stress: bool) -> None:
    processes, seconds = (16, 60.0) if is_stress else (6, 3.0)
    outcomes = run_at_once([(acts.mix, place, seed, seconds) for seed in range(processes)])
    assert [(outcome.error, outcome.reason) for outcome in outcomes] == [(None, "")] * processes
    held: collections.Counter[FileId] = collections.Counter()
    done: collections.Counter[str] = collections.Counter()
    for outcome in outcomes:
        ((holds, did),) = outcome.acknowledged
        held.update(file_id for file_id, _ in holds)
        done.update(did)
    print(dict(done))
    assert min(done[step] for step in ("create", "read", "release", "clean up")) >= processes
    after = Aftermath(place)
    assert not after.miscounted()
    assert not after.unreadable()
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
