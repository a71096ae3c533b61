"""The disk is full, or fails, at each call of a create that may meet it: a typed error, and nothing has happened."""

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
# Two calls may fail without harm: to make a folder that is there fails anyway, and of the sync of its folder, after it
# has made its log anew, SQLite takes no answer.
SYNC_OF_SQLITE_FOLDER = Call("fdatasync", 2)
POINTS_OF_SHORT_FORM = 5
CREATES = [(acts.create, 100), (acts.create_from_pipe, 5_000_000)]


def faulty_calls(place: Place, act: Act, size_bytes: int, is_stress: bool) -> Sequence[Call]:
    """Return the calls that can fail until the create is acknowledged, which is the only `write`; or some of them."""
    place.create(b"the first, which makes the folders")
    outcome = run_traced([*FAULTS, "write"], None, act, place, secrets.token_bytes(size_bytes))
    assert outcome.exit_code == 0
    calls = list(itertools.takewhile(lambda call: call.name != "write", outcome.calls))
    return calls if is_stress else random.Random(str(calls)).sample(calls, k=POINTS_OF_SHORT_FORM)


def meet(call: Call, lasting: bool, act: Act, place: Place, data: bytes) -> Outcome:
    """Run a create on a disk that fails at a call, and from then on if it is a lasting failure."""
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
def test_a_create_that_meets_a_fault_once_leaves_everything_as_it_was(
    local_place: Place, act: Act, size_bytes: int, is_stress: bool
) -> None:
    after = Aftermath(local_place)
    for call in faulty_calls(local_place, act, size_bytes, is_stress):
        before = after.everything()
        data = secrets.token_bytes(size_bytes)
        if meet(call, False, act, local_place, data).error:
            assert after.everything() == before, call
        assert local_place.read(local_place.create(data)) == data


@pytest.mark.parametrize(("act", "size_bytes"), CREATES, ids=["small-seekable", "large-from-a-pipe"])
def test_a_create_on_a_disk_that_stays_faulty_leaves_at_most_what_one_clean_up_removes(
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
