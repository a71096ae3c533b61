"""The disk is full or fails at each call of a create: the error is typed, and nothing has changed."""

import itertools
import random
import secrets
from collections.abc import Sequence

import pytest

from artifact_pipelines_tests.stress import acts
from artifact_pipelines_tests.stress.aftermath import Aftermath
from artifact_pipelines_tests.stress.children import Act, Call, Outcome, run_traced
from artifact_pipelines_tests.stress.place import Place

FAULTS = {
    **dict.fromkeys(("pwrite64", "mkdir", "mkdirat", "rename", "renameat"), "ENOSPC"),
    **dict.fromkeys(("fsync", "fdatasync"), "EIO"),
}
ERRORS = {"StorageFullError", "StorageUnavailableError", "CatalogUnavailableError"}
# Two calls may fail without harm: making a folder that exists fails anyway, and SQLite ignores the result when it syncs
# its folder after creating its log.
SYNC_OF_SQLITE_FOLDER = Call("fdatasync", 2)
POINTS_OF_SHORT_FORM = 3
CREATES = [(acts.create, 100), pytest.param(acts.create_from_pipe, 5_000_000, marks=pytest.mark.long)]


def faulty_calls(place: Place, act: Act, size_bytes: int, is_stress: bool) -> Sequence[Call]:
    """Return the calls, or a sample of them, that can fail before the child reports its result, its only `write`."""
    place.create(b"the first, which makes the folders")
    outcome = run_traced([*FAULTS, "write"], None, act, place, secrets.token_bytes(size_bytes))
    assert outcome.exit_code == 0
    calls = list(itertools.takewhile(lambda call: call.name != "write", outcome.calls))
    return calls if is_stress else random.Random(str(calls)).sample(calls, k=POINTS_OF_SHORT_FORM)


def meet(call: Call, lasting: bool, act: Act, place: Place, data: bytes) -> Outcome:
    """Run a create on a disk that fails at a call and, for a lasting failure, from then on."""
    inject = f"{call.name}:error={FAULTS[call.name]}:when={call.n}{'+' if lasting else ''}"
    outcome = run_traced([call.name], inject, act, place, data)
    if outcome.error is None:
        assert call.name.startswith("mkdir") or call == SYNC_OF_SQLITE_FOLDER
        assert place.read(outcome.acknowledged[0]) == data
    else:
        assert outcome.error in ERRORS, (call, outcome)
        assert not outcome.acknowledged
    return outcome


@pytest.mark.parametrize(("act", "size_bytes"), CREATES, ids=["small-seekable", "large-from-a-pipe"])
def test_create_that_fails_once_changes_nothing(local_place: Place, act: Act, size_bytes: int, is_stress: bool) -> None:
    after = Aftermath(local_place)
    for call in faulty_calls(local_place, act, size_bytes, is_stress):
        before = after.everything()
        data = secrets.token_bytes(size_bytes)
        if meet(call, False, act, local_place, data).error:
            assert after.everything() == before, call
        assert local_place.read(local_place.create(data)) == data


@pytest.mark.parametrize(("act", "size_bytes"), CREATES, ids=["small-seekable", "large-from-a-pipe"])
def test_create_on_a_broken_disk_leaves_only_what_one_clean_up_removes(
    local_place: Place, act: Act, size_bytes: int, is_stress: bool
) -> None:
    after = Aftermath(local_place)
    for call in faulty_calls(local_place, act, size_bytes, is_stress):
        before = after.everything()
        data = secrets.token_bytes(size_bytes)
        error = meet(call, True, act, local_place, data).error
        if error and error != "CatalogUnavailableError":
            assert after.everything() == before, call
        assert not after.unreadable()
        assert not after.miscounted()
        after.expire_leases()
        local_place.clean_up()
        assert not after.left_over()
        assert local_place.read(local_place.create(data)) == data
