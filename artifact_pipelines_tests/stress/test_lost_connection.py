"""The connection to the catalog's database is lost at every message of every operation, in every way, or for good."""

import io
import pathlib
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import engine as catalog_engine
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.catalog.tables import file_references, files, materializations
from artifact_pipelines.core.exceptions import CatalogUnavailableError, NotHeldError
from artifact_pipelines.core.types import (
    Content,
    FileDescription,
    FileId,
    Lease,
    MaterializationFacts,
    NewArtifact,
    StoragePath,
)
from artifact_pipelines.storage.artifact_producer import CALLER, ArtifactProducer
from artifact_pipelines.storage.backends.local import LocalStorage
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines.storage.staging import StagedFile
from artifact_pipelines_tests.postgresql_proxy import CUTS, Cut, PostgresqlProxy
from artifact_pipelines_tests.storage.settling import put_and_settle


class World:
    """A producer whose catalog is behind a proxy, and an engine that bypasses it."""

    def __init__(self, postgresql_url: str, proxy: PostgresqlProxy, folder: pathlib.Path) -> None:
        self.proxy = proxy
        self.folder = folder
        self.backend = LocalStorage(folder)
        self.catalog = Catalog(proxy.url)
        self.producer = ArtifactProducer(self.catalog.files, self.backend)
        self.engine = make_engine(postgresql_url)

    def close(self) -> None:
        self.catalog.close()
        self.engine.dispose()

    def create(self, data: bytes) -> FileId:
        return self.producer.create_artifact(io.BytesIO(data), "txt")

    def create_copies(self, count: int) -> FileId:
        [file_id] = set(self.create_many([b"data"] * count))
        return file_id

    def create_many(self, contents: list[bytes]) -> list[FileId]:
        return list(self.producer.create_artifacts(NewArtifact(io.BytesIO(data), "txt") for data in contents))

    def record(self, data: bytes) -> int:
        def record(lease: Lease) -> int:
            facts = MaterializationFacts("asset", lease.file.content_hash, dataset="dataset")
            return self.catalog.materializations.record(facts, [lease]).materialization_id

        return put_and_settle(self.producer, io.BytesIO(data), describe("txt"), record)

    def count(self, which: sa.Table, *where: sa.ColumnElement[bool]) -> int:
        with self.engine.connect() as connection:
            query = sa.select(sa.func.count()).select_from(which).where(*where)
            return int(connection.execute(query).scalar_one())

    def check(self, references: int) -> None:
        """Check that references are as many as acknowledged, counts agree, and no lease or staging file is left."""
        held = sa.select(sa.func.count()).where(file_references.c.file_id == files.c.file_id).scalar_subquery()
        assert self.count(files, files.c.reference_count != held) == 0
        assert self.leases() == 0
        assert self.count(file_references) == references
        assert self.staged() == []

    def leases(self) -> int:
        return self.count(file_references, file_references.c.expires_at.is_not(None))

    def staged(self) -> list[pathlib.Path]:
        staging = self.folder / ".staging"
        return list(staging.iterdir()) if staging.exists() else []

    def reap(self) -> None:
        """Do what clean-up does after leases have expired."""
        with self.engine.begin() as connection:
            connection.execute(sa.delete(file_references).where(file_references.c.expires_at.is_not(None)))
            held = sa.select(sa.func.count()).where(file_references.c.file_id == files.c.file_id).scalar_subquery()
            connection.execute(sa.update(files).values(reference_count=held))
            gone = sa.delete(files).where(files.c.reference_count == 0).returning(files.c.storage_key)
            for key in connection.execute(gone).scalars():
                (self.folder / key).unlink(missing_ok=True)


@pytest.fixture
def world(postgresql_url: str, tmp_path: pathlib.Path) -> Iterator[World]:
    with PostgresqlProxy(postgresql_url) as proxy:
        world = World(postgresql_url, proxy, tmp_path / "store")
        yield world
        world.close()


def cut_at_every_message(world: World, how: Cut, act: Callable[[int], None]) -> int:
    """Act twice undisturbed, then once for each message with the connection cut there; return the number of acts."""
    act(0)
    before = world.proxy.messages
    act(1)
    messages = world.proxy.messages - before
    assert messages >= 4, "too few messages to show anything"
    for number in range(messages):
        world.proxy.cut(number + 1, how)
        act(number + 2)
        assert world.proxy.is_cut
    return messages + 2


# The last one leaves open whether the server has done it.
@pytest.mark.parametrize("how", [*(pytest.param(cut, marks=pytest.mark.long) for cut in CUTS[:-1]), CUTS[-1]])
class TestLostConnection:
    def test_creating_counts_once(self, world: World, how: Cut) -> None:
        made: list[FileId] = []
        done = cut_at_every_message(world, how, lambda number: made.append(world.create(b"%d" % number)))
        assert len(set(made)) == done
        assert world.count(files, files.c.reference_count != 1) == 0
        world.check(references=done)

    def test_creating_a_duplicate_counts_once(self, world: World, how: Cut) -> None:
        file_id = world.create(b"data")
        made: list[FileId] = []
        done = cut_at_every_message(world, how, lambda _: made.append(world.create(b"data")))
        assert set(made) == {file_id}
        assert world.catalog.files.get_file(file_id).reference_count == done + 1
        world.check(references=done + 1)

    def test_creating_many_counts_each_once(self, world: World, how: Cut) -> None:
        made: list[list[FileId]] = []
        contents = [b"a", b"b", b"a"]
        done = cut_at_every_message(
            world, how, lambda number: made.append(world.create_many([b"%d" % number, *contents]))
        )
        assert len({tuple(batch[1:]) for batch in made}) == 1
        assert world.catalog.files.get_file(made[0][1]).reference_count == 2 * done
        world.check(references=4 * done)

    def test_recording_makes_one_materialization(self, world: World, how: Cut) -> None:
        made: list[int] = []
        done = cut_at_every_message(world, how, lambda number: made.append(world.record(b"%d" % number)))
        assert [m.materialization_id for m in world.catalog.materializations.history("asset")] == made[::-1]
        assert world.count(materializations) == done
        assert [m.version for m in world.catalog.materializations.history("asset")] == list(range(done, 0, -1))
        world.check(references=done)

    def test_releasing_drops_one_reference(self, world: World, how: Cut) -> None:
        file_id = world.create_copies(50)
        done = cut_at_every_message(world, how, lambda _: world.producer.release(file_id))
        assert world.catalog.files.get_file(file_id).reference_count == 50 - done
        world.check(references=50 - done)

    def test_leases_are_renewed_and_given_back(self, world: World, how: Cut) -> None:
        file_id = world.create(b"data")
        file = world.catalog.files.get_file(file_id)
        content = Content(file.content_hash, file.size_bytes)

        def lease_and_abandon(_: int) -> None:
            lease = world.catalog.files.acquire_all([(content, FileDescription("txt"))], "blake3")[0]
            world.catalog.files.renew_all([lease])
            assert world.catalog.files.abandon_all([lease]) == []

        cut_at_every_message(world, how, lease_and_abandon)
        world.check(references=1)

    def test_reading_works(self, world: World, how: Cut) -> None:
        file_id = world.create(b"data")

        def read(_: int) -> None:
            assert world.catalog.files.holders(file_id) == [CALLER]
            with world.producer.open(file_id) as stream:
                assert stream.read() == b"data"

        cut_at_every_message(world, how, read)

    def test_opening_the_catalog_works(self, world: World, how: Cut) -> None:
        cut_at_every_message(world, how, lambda _: Catalog(world.proxy.url).close())


def test_dead_server_is_a_typed_error_within_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalog_engine.RETRY_S < 10
    monkeypatch.setattr(catalog_engine, "RETRY_S", 0.5)
    world.create(b"kept")
    world.proxy.go_down()
    start = time.monotonic()
    with pytest.raises(CatalogUnavailableError, match="Check that it runs"):
        world.create(b"data")
    assert time.monotonic() - start < 10  # half a second, and some for a busy machine
    world.check(references=1)
    world.proxy.come_up()
    world.create(b"data")
    world.check(references=2)


@pytest.mark.parametrize("many", [pytest.param(False, marks=pytest.mark.long), True])
def test_server_that_dies_while_bytes_move_leaves_a_lease_that_expires(
    world: World, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    monkeypatch.setattr(catalog_engine, "RETRY_S", 0.3)
    name = "write_streams" if many else "write_stream"
    write = getattr(world.backend, name)

    def write_and_lose(*arguments: StagedFile | StoragePath) -> None:
        write(*arguments)
        world.proxy.go_down()

    with monkeypatch.context() as losing:
        losing.setattr(world.backend, name, write_and_lose)
        with pytest.raises(CatalogUnavailableError):
            world.create_many([b"a", b"b"]) if many else world.create(b"a")
    assert world.staged() == []
    world.proxy.come_up()
    assert world.leases() == (2 if many else 1)
    world.reap()
    assert list(world.backend.list_files()) == []
    assert world.count(files) == 0
    world.create(b"a")
    world.check(references=1)


def test_first_error_is_reported_when_the_catalog_is_lost_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_engine, "RETRY_S", 0.3)

    def fail(lease: Lease) -> None:
        world.proxy.go_down()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        put_and_settle(world.producer, io.BytesIO(b"data"), describe("txt"), fail)
    assert world.staged() == []


def test_commit_of_unknown_outcome_is_not_retried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is lost in the commit, and the server stays away, so nothing can tell the outcome."""
    monkeypatch.setattr(catalog_engine, "RETRY_S", 0.2)
    file_id = world.create_copies(30)
    before = world.proxy.messages
    world.producer.release(file_id)
    outcomes = [_release_and_lose(world, file_id, number + 1) for number in range(world.proxy.messages - before)]
    assert len([message for message in outcomes if "is unknown" in message]) == 1
    committed = 1 + len([message for message in outcomes if message == "" or "is unknown" in message])
    world.check(references=30 - committed)


def _release_and_lose(world: World, file_id: FileId, message: int) -> str:
    """Release with the server gone from a message on; return the error's message, if any."""
    world.proxy.cut(message, "before the client has the answer", then_down=True)
    try:
        world.producer.release(file_id)
    except CatalogUnavailableError as error:
        return str(error)
    finally:
        world.proxy.come_up()
    return ""


def test_errors_that_last_are_not_retried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file_id = world.create(b"data")
    world.producer.release(file_id)
    before = world.proxy.messages
    with pytest.raises(NotHeldError):
        world.producer.release(file_id)
    assert world.proxy.messages - before < 10
