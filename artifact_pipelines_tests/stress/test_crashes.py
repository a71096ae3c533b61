"""A process is killed (SIGKILL) at each of its system calls. Nothing promised is lost, and nothing is left over.

One run records the calls of an act. Then the act runs again for each call, in a child that dies there. The calls
include SQLite's writes and syncs, and messages to PostgreSQL: a death before a `sendto` is one between two statements,
a death before a `recvfrom` one during a commit.
"""

import io
import itertools
import pathlib
import random
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from artifact_pipelines.core.types import FileDescription, FileId, StoragePath
from artifact_pipelines.storage.backends.local import STAGING
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.staging import hash_stream
from artifact_pipelines_tests.stress import acts
from artifact_pipelines_tests.stress.aftermath import Aftermath
from artifact_pipelines_tests.stress.children import Act, Call, Outcome, run_killed, run_traced
from artifact_pipelines_tests.stress.place import Place, put

TELLING_CALLS = [
    *("write", "sendfile", "copy_file_range", "fsync", "fdatasync", "rename", "renameat", "renameat2", "linkat"),
    *("unlink", "unlinkat", "sendto", "recvfrom"),
]
CALLS = [
    *TELLING_CALLS,
    *("openat", "mkdir", "mkdirat", "pwrite64", "pwritev2", "ftruncate", "fchmod", "rmdir", "fcntl", "flock"),
]
POINTS_OF_SHORT_FORM = 2


def points(outcome: Outcome, is_stress: bool) -> Sequence[Call]:
    """Return the calls to die at: all, or a fixed sample of the most telling ones."""
    assert outcome.exit_code == 0
    calls = outcome.calls
    if is_stress:
        return calls
    telling = [call for call in calls if call.name in TELLING_CALLS]
    return random.Random(str(telling)).sample(telling, k=POINTS_OF_SHORT_FORM)


def put_half(backend: IStorageBackend, path: StoragePath) -> None:
    with backend.read_stream(path) as stream:
        put(backend, stream.read(50), path)


def leave_leftovers(place: Place) -> None:
    """Create the leftovers of dead writers: leases with and without new bytes, a key without a row, a staging file."""
    place.release_all(place.create(b"stored"))
    with place.open() as opened:
        leases = {
            data: opened.catalog.files.acquire_all([(hash_stream(io.BytesIO(data)), FileDescription("bin"))], "blake3")[
                0
            ]
            for data in (b"stored", b"put", b"taken back")
        }
        opened.catalog.files.abandon_all([leases[b"taken back"]])
        for data in (b"put", b"taken back"):
            put(opened.backend, data, leases[data].file.storage_path)
    (pathlib.Path(place.storage_url) / STAGING / secrets.token_hex(16)).write_bytes(b"staged")
    Aftermath(place).expire_leases()


def one_clean_up(place: Place) -> None:
    Aftermath(place).expire_leases()
    place.clean_up()


def die_at_each(
    is_stress: bool, act: Act, prepare: Callable[[], tuple[Any, ...]], check: Callable[[Outcome, tuple[Any, ...]], None]
) -> None:
    """For each call of an act: prepare its arguments, run it, kill it at the call, and check the result."""
    chosen = points(run_traced(CALLS, None, act, *prepare()), is_stress)
    deaths = 0
    for call in chosen:
        arguments = prepare()
        outcome = run_killed(call, act, *arguments)
        # Contents in the same folder need a call less, so the last call of a name may not happen.
        assert outcome.was_killed or outcome.exit_code == 0
        deaths += outcome.was_killed
        check(outcome, arguments)
    assert deaths >= 0.9 * len(chosen) - 1


def check_nothing_is_wrong(place: Place) -> None:
    after = Aftermath(place)
    after.wait_until_alone()
    assert not after.unreadable()
    assert not after.miscounted()
    assert not place.verify()


def check_create_is_whole(place: Place, data: bytes, holders: int, acknowledged: Sequence[FileId]) -> None:
    """Create the same content again and clean up; then release all and clean up again."""
    file_id = place.create(data)
    assert acknowledged in ([], [file_id])
    one_clean_up(place)
    assert not Aftermath(place).left_over()
    with place.open() as opened:
        assert opened.read(file_id) == data
        promised = holders + len(acknowledged) + 1
        # A process that dies between its last commit and its answer leaves a reference that nobody knows of.
        in_doubt = 0 if acknowledged else 1
        assert promised <= opened.catalog.files.get_file(file_id).reference_count <= promised + in_doubt
    place.release_all(file_id)
    one_clean_up(place)
    assert not Aftermath(place).left_over()


@pytest.mark.parametrize(
    ("act", "size_bytes"),
    [(acts.create, 100), (acts.create_from_pipe, 5_000_000)],
    ids=["small-seekable", "large-from-a-pipe"],
)
def test_killed_create_of_new_content_loses_nothing(
    local_place: Place, act: Act, size_bytes: int, is_stress: bool
) -> None:
    held = local_place.create(b"held throughout")

    def check(outcome: Outcome, arguments: tuple[Any, ...]) -> None:
        check_nothing_is_wrong(local_place)
        check_create_is_whole(local_place, arguments[1], 0, outcome.acknowledged)

    die_at_each(is_stress, act, lambda: (local_place, secrets.token_bytes(size_bytes)), check)
    assert local_place.read(held) == b"held throughout"


@pytest.mark.parametrize("act", [acts.create, pytest.param(acts.create_from_pipe, marks=pytest.mark.long)])
def test_killed_create_of_held_content_loses_nothing(local_place: Place, act: Act, is_stress: bool) -> None:
    def prepare() -> tuple[Any, ...]:
        data = secrets.token_bytes(100)
        local_place.create(data)
        return local_place, data

    def check(outcome: Outcome, arguments: tuple[Any, ...]) -> None:
        check_nothing_is_wrong(local_place)
        check_create_is_whole(local_place, arguments[1], 1, outcome.acknowledged)

    die_at_each(is_stress, act, prepare, check)


@pytest.mark.parametrize(
    "damage",
    [lambda backend, path: backend.delete_file(path), pytest.param(put_half, marks=pytest.mark.long)],
    ids=["missing", "short"],
)
def test_killed_create_that_heals_loses_nothing(
    local_place: Place, damage: Callable[..., None], is_stress: bool
) -> None:
    def prepare() -> tuple[Any, ...]:
        data = secrets.token_bytes(100)
        file_id = local_place.create(data)
        with local_place.open() as opened:
            damage(opened.backend, opened.catalog.files.get_file(file_id).storage_path)
        return local_place, data

    def check(outcome: Outcome, arguments: tuple[Any, ...]) -> None:
        Aftermath(local_place).wait_until_alone()
        assert not Aftermath(local_place).miscounted()
        if outcome.acknowledged:
            assert not Aftermath(local_place).unreadable()
        check_create_is_whole(local_place, arguments[1], 1, outcome.acknowledged)

    die_at_each(is_stress, acts.create, prepare, check)


def test_killed_create_of_many_files_loses_nothing(local_place: Place, is_stress: bool) -> None:
    held = local_place.create(b"held throughout")

    def prepare() -> tuple[Any, ...]:
        new = [secrets.token_bytes(100) for _ in range(4)]
        return local_place, [*new, new[0], b"held throughout"]

    def check(outcome: Outcome, arguments: tuple[Any, ...]) -> None:
        contents = arguments[1]
        check_nothing_is_wrong(local_place)
        with local_place.open() as opened:
            again = opened.create_many(contents)
            assert outcome.acknowledged in ([], [again])
            assert [opened.read(file_id) for file_id in again] == contents
        one_clean_up(local_place)
        assert not Aftermath(local_place).left_over()
        for file_id in set(again) - {held}:
            local_place.release_all(file_id)
        one_clean_up(local_place)
        assert not Aftermath(local_place).left_over()

    die_at_each(is_stress, acts.create_many, prepare, check)
    assert local_place.read(held) == b"held throughout"


def test_killed_materialization_leaves_the_old_or_the_new_version(local_place: Place, is_stress: bool) -> None:
    earlier: dict[str, FileId] = {}

    def prepare() -> tuple[Any, ...]:
        asset = f"asset {len(earlier)}"
        with local_place.open() as opened:
            earlier[asset] = opened.materialize(asset, secrets.token_bytes(100))
        return local_place, asset, secrets.token_bytes(100)

    def check(outcome: Outcome, arguments: tuple[Any, ...]) -> None:
        _, asset, data = arguments
        check_nothing_is_wrong(local_place)
        with local_place.open() as opened:
            now = opened.catalog.materializations.current(asset).file.file_id
            assert (now == earlier[asset] and not outcome.acknowledged) or opened.read(now) == data
            again = opened.materialize(asset, data)
            assert outcome.acknowledged in ([], [again])
            assert [m.version for m in opened.catalog.materializations.history(asset)][-2:] == [2, 1]
        one_clean_up(local_place)
        assert not Aftermath(local_place).left_over()
        assert (local_place.read(again), len(local_place.read(earlier[asset]))) == (data, 100)

    die_at_each(is_stress, acts.materialize, prepare, check)


def test_killed_release_can_be_repeated(local_place: Place, is_stress: bool) -> None:
    def check(outcome: Outcome, arguments: tuple[Any, ...]) -> None:
        check_nothing_is_wrong(local_place)
        with local_place.open() as opened:
            is_done = not opened.catalog.files.holders(arguments[1])
            assert is_done or not outcome.acknowledged
            if not is_done:  # without an answer, the caller tries again
                opened.producer.release(arguments[1])
        one_clean_up(local_place)
        assert not Aftermath(local_place).left_over()

    die_at_each(is_stress, acts.release, lambda: (local_place, local_place.create(secrets.token_bytes(100))), check)


def test_killed_clean_up_can_be_repeated(local_place: Place, is_stress: bool) -> None:
    held = local_place.create(b"held throughout")

    def prepare() -> tuple[Any, ...]:
        for _ in range(2):
            local_place.release_all(local_place.create(secrets.token_bytes(100)))
        leave_leftovers(local_place)
        return (local_place,)

    def check(outcome: Outcome, arguments: tuple[Any, ...]) -> None:
        check_nothing_is_wrong(local_place)
        one_clean_up(local_place)
        assert not Aftermath(local_place).left_over()

    die_at_each(is_stress, acts.collect, prepare, check)
    with local_place.open() as opened:
        assert opened.read(held) == b"held throughout"
        assert opened.catalog.files.get_file(held).reference_count == 1


@pytest.mark.long
def test_acts_make_at_least_200_calls_to_die_at(local_place: Place) -> None:
    leave_leftovers(local_place)
    data = b"new"
    steps: list[tuple[Any, ...]] = [(acts.create, data), (acts.create, data), (acts.materialize, "asset", data)]
    steps += [(acts.create_from_pipe, secrets.token_bytes(5_000_000)), (acts.collect,)]
    calls = [run_traced(CALLS, None, act, local_place, *arguments).calls for act, *arguments in steps]
    assert sum(map(len, calls)) >= 200


def test_killed_creation_of_a_catalog_can_be_repeated(tmp_path: pathlib.Path, is_stress: bool) -> None:
    numbers = itertools.count()

    def prepare() -> tuple[Any, ...]:
        folder = tmp_path / f"place-{next(numbers)}"
        return Place(f"sqlite:///{folder / 'catalog.db'}", str(folder / "store")), b"the first of all"

    def check(outcome: Outcome, arguments: tuple[Any, ...]) -> None:
        place, data = arguments
        check_create_is_whole(place, data, 0, outcome.acknowledged)

    die_at_each(is_stress, acts.open_and_create, prepare, check)
