"""The promises of `Holding`: its files become lasting together or not at all, and stay leased until then."""

import contextlib
import io
import threading
from collections.abc import Iterator, Sequence

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.files import FileCatalog
from artifact_pipelines.catalog.tables import file_references
from artifact_pipelines.core.exceptions import CatalogUnavailableError, LeaseExpiredError
from artifact_pipelines.core.types import FileDescription, FileState, Lease, NewArtifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import SourceStreamError, StorageFullError
from artifact_pipelines.storage.holding import Holding, stored_file
from artifact_pipelines.storage.interfaces import IStorageBackend

TEXT = FileDescription("txt")
LARGE = b"0123456789abcdef" * (1 << 17)


def put(holding: Holding, data: bytes) -> Lease:
    return holding.put(io.BytesIO(data), TEXT)


def holders(catalog: Catalog) -> list[list[str]]:
    return [list(catalog.files.holders(file.file_id)) for file in reversed(catalog.files.list_files(10))]


@pytest.fixture
def nothing_left(catalog: Catalog, engine: sa.Engine, backend: IStorageBackend) -> Iterator[None]:
    yield
    with engine.connect() as connection:
        assert connection.execute(sa.select(file_references)).all() == []
    assert catalog.files.list_files(10) == []
    assert list(backend.list_files()) == []


def test_files_put_one_by_one_are_settled_together(producer: ArtifactProducer, catalog: Catalog) -> None:
    with producer.holding() as holding:
        leases = [put(holding, data) for data in (b"a", b"b", b"a")]
        assert holders(catalog) == [["lease", "lease"], ["lease"]]
        holding.settle("me")
    assert holders(catalog) == [["me", "me"], ["me"]]
    for lease, data in zip(leases, (b"a", b"b", b"a"), strict=True):
        with producer.open(lease.file.file_id) as stream:
            assert stream.read() == data


def test_bytes_can_be_written_into_a_holding(producer: ArtifactProducer) -> None:
    with producer.holding() as holding:
        with holding.stage() as sink:
            sink.write(b"one ")
            sink.write(b"two")
            lease = holding.put_staged(sink, TEXT)
        holding.settle("me")
    with producer.open(lease.file.file_id) as stream:
        assert stream.read() == b"one two"


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("data", [b"small", LARGE])
def test_a_block_that_ends_without_settling_leaves_nothing(producer: ArtifactProducer, data: bytes) -> None:
    with producer.holding() as holding:
        put(holding, data)
        put(holding, b"another")


@pytest.mark.usefixtures("nothing_left")
def test_a_block_that_raises_leaves_nothing(producer: ArtifactProducer) -> None:
    with pytest.raises(ZeroDivisionError), producer.holding() as holding:
        put(holding, b"a")
        holding.put_all(iter([NewArtifact(io.BytesIO(b"b"), "txt")]))
        raise ZeroDivisionError


@pytest.mark.usefixtures("nothing_left")
def test_a_transaction_that_raises_settles_nothing(producer: ArtifactProducer) -> None:
    def fail(leases: Sequence[Lease]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), producer.holding() as holding:
        put(holding, b"a")
        holding.settle_with(fail)


def test_a_transaction_takes_the_leases_in_the_order_of_the_puts(producer: ArtifactProducer, catalog: Catalog) -> None:
    with producer.holding() as holding:
        leases = [put(holding, data) for data in (b"b", b"a", b"c")]

        def settle(given: Sequence[Lease]) -> str:
            assert list(given) == leases
            catalog.files.settle_all(given, "me")
            return "done"

        assert holding.settle_with(settle) == "done"
    assert holders(catalog) == [["me"]] * 3


def test_a_put_that_raises_is_given_back_and_the_others_stay(
    producer: ArtifactProducer, catalog: Catalog, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageFullError("here")

    with producer.holding() as holding:
        put(holding, b"a")
        with monkeypatch.context() as broken:
            broken.setattr(backend, "write_stream", full)
            with pytest.raises(StorageFullError):
                put(holding, b"b")
        assert holders(catalog) == [["lease"]]
        put(holding, b"c")
        holding.settle("me")
    assert holders(catalog) == [["me"], ["me"]]
    assert len(list(backend.list_files())) == 2


def test_a_stream_that_raises_leaves_the_others_held(producer: ArtifactProducer, catalog: Catalog) -> None:
    class Broken(io.BytesIO):
        def readinto(self, _: object) -> int:
            raise OSError("gone")

    with producer.holding() as holding:
        put(holding, b"a")
        with contextlib.suppress(SourceStreamError):
            holding.put(Broken(), TEXT)
        holding.settle("me")
    assert holders(catalog) == [["me"]]


def test_a_file_that_was_just_put_can_be_read_before_it_is_settled(
    producer: ArtifactProducer, catalog: Catalog
) -> None:
    file_id = producer.create_artifact(io.BytesIO(b"duplicate"), "txt")
    catalog.files.mark_damaged(catalog.files.get_file(file_id))
    with producer.holding() as holding:
        for data in (b"new", b"duplicate"):
            file = stored_file(put(holding, data))
            assert file.state == FileState.STORED
            with producer.artifact(file).open() as stream:
                assert stream.read() == data
            assert producer.artifact(file).uri() == producer.location(file)


@pytest.mark.usefixtures("nothing_left")
def test_one_lease_that_ran_out_settles_none(
    producer: ArtifactProducer, catalog: Catalog, backend: IStorageBackend
) -> None:
    with pytest.raises(LeaseExpiredError), producer.holding() as holding:
        put(holding, b"a")
        lost = put(holding, b"b")
        for path in catalog.files.abandon_all([lost]):  # as the collector does with a lease that ran out
            backend.delete_file(path)
        holding.settle("me")


def test_small_files_stay_leased_between_puts_however_long_that_takes(
    engine: sa.Engine, catalog: Catalog, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = FileCatalog(engine, lease_s=0.3)
    renewed = threading.Semaphore(0)
    renew = rows.renew_all

    def note(leases: Sequence[Lease]) -> None:
        renew(leases)
        renewed.release()

    monkeypatch.setattr(rows, "renew_all", note)
    with ArtifactProducer(rows, backend).holding() as holding:
        for data in (b"a", b"b"):
            put(holding, data)
            for _ in range(2):
                assert renewed.acquire(timeout=10)
        holding.settle("me")
    assert holders(catalog) == [["me"], ["me"]]


def test_a_renewal_that_fails_is_tried_again(
    engine: sa.Engine, catalog: Catalog, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = FileCatalog(engine, lease_s=0.3)
    tried = threading.Semaphore(0)

    def fail(leases: Sequence[Lease]) -> None:
        tried.release()
        raise CatalogUnavailableError("there", "gone")

    monkeypatch.setattr(rows, "renew_all", fail)
    with ArtifactProducer(rows, backend).holding() as holding:
        put(holding, b"a")
        for _ in range(2):
            assert tried.acquire(timeout=10)


def test_a_brief_holding_starts_no_thread_for_small_files(producer: ArtifactProducer) -> None:
    def keepers() -> int:
        return sum(thread.name == "lease-keeper" for thread in threading.enumerate())

    with producer.holding(is_brief=True) as holding:
        put(holding, b"small")
        assert keepers() == 0
        put(holding, LARGE)
        assert keepers() == 1
    assert keepers() == 0
