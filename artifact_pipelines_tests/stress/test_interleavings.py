"""Writers, collectors, an orphan sweep and a verification run without grace, in orders that meet at every step.

The same orders must find the faults of the obvious protocols; otherwise the test would prove nothing.
"""

import contextlib
import io
import itertools
import pathlib
import random
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import UnknownFileError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileDescription, FileId, StoragePath
from artifact_pipelines.maintenance.clean_up import clean_up
from artifact_pipelines.maintenance.orphans import find_orphans
from artifact_pipelines.maintenance.verification import verify
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.backends.local import LocalStorage
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.staging import StagedFile, hash_stream
from artifact_pipelines_tests.stress.aftermath import Aftermath
from artifact_pipelines_tests.stress.place import OpenPlace, Place, create_and_collect, put
from artifact_pipelines_tests.stress.turns import Choice, Stepwise, Turns, at_random, by_plan

Collector = Callable[[Catalog, IStorageBackend], object]
Start = Callable[[OpenPlace, bytes], int]
WRITER_STEPS, COLLECTOR_STEPS = 10, 15
"""A few more than each makes, so that all pairs of these interrupt each actor at each of its steps."""


def collect_all(catalog: Catalog, backend: IStorageBackend) -> None:
    clean_up(catalog, backend, grace_s=0, max_share=1)


def sweep(catalog: Catalog, backend: IStorageBackend) -> None:
    for path in find_orphans(catalog, backend, max_share=1):
        backend.delete_file(path)


def new(opened: OpenPlace, data: bytes) -> int:
    """Prepare nothing: the content is new."""
    return 0


def unheld(opened: OpenPlace, data: bytes) -> int:
    """Store the content and release it."""
    opened.producer.release(opened.producer.create_artifact(io.BytesIO(data), "bin"))
    return 0


def missing(opened: OpenPlace, data: bytes) -> int:
    """Store the content and remove its bytes, which the next create heals."""
    file_id = opened.producer.create_artifact(io.BytesIO(data), "bin")
    opened.backend.delete_file(opened.catalog.files.get_file(file_id).storage_path)
    return 1


def half_done(opened: OpenPlace, data: bytes) -> int:
    """Leave the bytes and the lease of a dead writer."""
    content = hash_stream(io.BytesIO(data))
    lease = opened.catalog.files.acquire_all([(content, FileDescription("bin"))], "blake3")[0]
    put(opened.backend, data, lease.file.storage_path)
    return 0


class Meeting:
    """Two writers of the same content, who also read it, and others who clean up meanwhile."""

    def __init__(
        self, opened: OpenPlace, after: Aftermath, choose: Choice, backend: IStorageBackend | None = None
    ) -> None:
        self.turns = Turns(choose, self._check_held_files)
        self.held: list[FileId] = []
        self._lost: set[str] = set()
        self._opened = opened
        self._after = after
        self._data = secrets.token_bytes(100)
        self._content_hash = hash_stream(io.BytesIO(self._data)).content_hash
        self._catalog = cast("Catalog", Stepwise(opened.catalog, self.turns))
        self._bare_backend = backend or opened.backend
        self._backend = cast("IStorageBackend", Stepwise(self._bare_backend, self.turns, "bytes"))
        self._producer = ArtifactProducer(self._catalog.files, self._backend)
        create_and_collect(self._producer, opened.catalog, self._bare_backend)

    def run(self, start: Start, collectors: Iterable[Collector]) -> None:
        self._holders = start(self._opened, self._data)
        self._after.expire_leases()
        actors: dict[str, Callable[[], None]] = {"writer 1": self._write, "writer 2": self._write_and_let_go}
        for number, collect in enumerate(collectors, 1):
            actors[f"collector {number}"] = self._by(collect)
        actors["verifier"] = self._by(verify)
        actors["time"] = lambda: self.turns.step("leases run out", self._after.expire_leases)
        self.turns.run(actors)

    def _by(self, collect: Collector) -> Callable[[], None]:
        def act() -> None:
            collect(self._catalog, self._backend)

        return act

    def losses(self) -> Sequence[str]:
        """Name every violated invariant."""
        if self.turns.errors:
            return [repr(error) for error in self.turns.errors]
        found = [*self._lost, *self._after.unreadable(), *self._after.miscounted()]
        with contextlib.suppress(UnknownFileError):
            if self._count() == self._holders + len(self.held):
                return found
        return [*found, f"{self.held} are not all its references"]

    def end(self) -> Sequence[str]:
        """Clean up, then release all and clean up again. Return leftovers and findings of both."""
        self._after.expire_leases()
        self._opened.clean_up()
        left = [*self._after.left_over(), *map(str, self._opened.verify())]
        assert self._opened.read(self.held[0]) == self._data
        for _ in range(self._count()):
            self._opened.producer.release(self.held[0])
        self._opened.clean_up()
        return [*left, *self._after.left_over(), *map(str, self._opened.backend.list_files())]

    def _check_held_files(self) -> None:
        for file_id in set(self.held):
            path = StoragePath(self._content_hash, file_id)
            if self._bare_backend.size_bytes(path) != len(self._data):
                self._lost.add(f"{path} was lost while it was held, after {self.turns.made[-1]}")

    def _count(self) -> int:
        return self._opened.catalog.files.get_file(self.held[0]).reference_count

    def _write(self) -> None:
        file_id = self._create()
        with self._producer.open(file_id) as stream:
            assert stream.read() == self._data

    def _write_and_let_go(self) -> None:
        file_id = self._create()
        self._producer.release(file_id)
        self.held.remove(file_id)
        self._create()

    def _create(self) -> FileId:
        file_id = self._producer.create_artifact(io.BytesIO(self._data), "bin")
        self.held.append(file_id)
        return file_id


def choices(pairs: int, random_ones: int) -> Iterator[Choice]:
    """Yield orders of steps: some in which a collector interrupts a writer, and random ones."""
    all_pairs = list(itertools.product(range(WRITER_STEPS), range(COLLECTOR_STEPS)))
    for k, j in random.Random(1).sample(all_pairs, min(pairs, len(all_pairs))):
        yield by_plan(
            [("writer 1", k), ("collector 1", j), ("writer 1", WRITER_STEPS), ("collector 1", COLLECTOR_STEPS)]
        )
    yield from map(at_random, range(random_ones))


@pytest.mark.parametrize("start", [new, unheld, missing, half_done])
def test_no_order_of_steps_loses_or_leaves_anything(
    place: Place, engine: sa.Engine, start: Start, is_stress: bool
) -> None:
    pairs, random_ones = (150, 200) if is_stress else (2, 2) if place.is_fast else (0, 1)
    after = Aftermath(place, engine)
    seen = set()
    with place.open() as opened:
        for choose in choices(pairs, random_ones):
            meeting = Meeting(opened, after, choose)
            meeting.run(start, [collect_all, collect_all, sweep])
            made = meeting.turns.made
            assert not meeting.losses(), made
            assert not meeting.end(), made
            seen.add(tuple(made))
    assert len(seen) >= (250 if is_stress else random_ones)


class BareKeys(LocalStorage):
    """Wrong: the key names the content alone, so a deleted key is written again."""

    def write_stream(self, content: StagedFile, path: StoragePath) -> None:
        super().write_stream(content, _bare(path))

    def read_stream(self, path: StoragePath) -> io.BufferedReader:
        return super().read_stream(_bare(path))

    def delete_file(self, path: StoragePath) -> None:
        super().delete_file(_bare(path))

    def size_bytes(self, path: StoragePath) -> int | None:
        return super().size_bytes(_bare(path))

    def list_files(self) -> Iterator[StoragePath]:
        return iter(())


def _bare(path: StoragePath) -> StoragePath:
    return StoragePath(path.content_hash, FileId(1))


def bytes_before_rows(catalog: Catalog, backend: IStorageBackend) -> None:
    """Wrong: a writer may reference the row before it is deleted."""
    for garbage in catalog.collection.garbage(grace_s=0, limit=100):
        backend.delete_file(garbage.storage_path)
    catalog.collection.collect(grace_s=0, limit=100)


def query_before_listing(catalog: Catalog, backend: IStorageBackend) -> None:
    """Wrong: files written in between are missing from the answer."""
    known = {file.file_id for file in catalog.files.list_files(limit=1000)}
    for path in backend.list_files():
        if path.file_id not in known:
            backend.delete_file(path)


def is_found(place: Place, collect: Collector, backend: LocalStorage | None = None) -> bool:
    """True if an order of steps loses something. One after the other, the same actors lose nothing."""
    one_after_the_other = by_plan([("writer 1", 99), ("writer 2", 99), ("collector 1", 99)])
    with place.open() as opened:
        after = Aftermath(place, backend=backend)
        meeting = Meeting(opened, after, one_after_the_other, backend)
        meeting.run(new, [collect])
        assert not meeting.losses()
        for steps, start in itertools.product(range(COLLECTOR_STEPS), [new, unheld]):
            broken_into = by_plan(
                [("collector 1", steps), ("writer 1", WRITER_STEPS), ("collector 1", COLLECTOR_STEPS)]
            )
            meeting = Meeting(opened, after, broken_into, backend)
            meeting.run(start, [collect])
            if meeting.losses():
                return True
    return False


@pytest.mark.parametrize("collect", [bytes_before_rows, query_before_listing])
def test_same_orders_find_wrong_collectors(settings: Settings, collect: Collector) -> None:
    assert is_found(Place(settings.catalog_url, settings.storage_url), collect)


def test_same_orders_find_wrong_keys(settings: Settings) -> None:
    backend = BareKeys(pathlib.Path(settings.storage_url))
    assert is_found(Place(settings.catalog_url, settings.storage_url), collect_all, backend)
