"""The contract of `create_artifacts`, on each catalog and backend."""

import io
import pathlib
import resource
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.files import FileCatalog
from artifact_pipelines.catalog.tables import file_references, files
from artifact_pipelines.core.exceptions import (
    CatalogUnavailableError,
    InvalidArgumentError,
    LeaseExpiredError,
)
from artifact_pipelines.core.types import Content, FileDescription, FileId, FileState, Lease, NewArtifact, StoragePath
from artifact_pipelines.storage import holding
from artifact_pipelines.storage.artifact_producer import CALLER, ArtifactProducer
from artifact_pipelines.storage.exceptions import SourceStreamError, StorageFullError
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.staging import StagedFile


def items(*contents: bytes) -> Iterator[NewArtifact]:
    return (NewArtifact(io.BytesIO(content), "txt", metadata={"bytes": len(content)}) for content in contents)


def read(producer: ArtifactProducer, file_ids: Sequence[FileId]) -> list[bytes]:
    contents = []
    for file_id in file_ids:
        with producer.open(file_id) as stream:
            contents.append(stream.read())
    return contents


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "BATCH_FILES", 2)


@pytest.fixture
def nothing_held(catalog: Catalog, engine: sa.Engine, tmp_path: pathlib.Path) -> Iterator[None]:
    yield
    with engine.connect() as connection:
        assert connection.execute(sa.select(file_references)).all() == []
        assert connection.execute(sa.select(files).where(files.c.reference_count != 0)).all() == []
        assert connection.execute(sa.select(files).where(files.c.state == FileState.PENDING)).all() == []
    assert list((tmp_path / "store" / ".staging").glob("*")) == []


@pytest.mark.usefixtures("small_batches")
def test_ids_come_in_the_order_of_the_items(producer: ArtifactProducer, catalog: Catalog) -> None:
    contents = [b"a", b"b" * 3_000_000, b"", b"c", b"d"]
    file_ids = producer.create_artifacts(items(*contents))
    assert read(producer, file_ids) == contents
    found = [catalog.files.get_file(file_id) for file_id in file_ids]
    assert {(file.state, file.reference_count, file.file_type) for file in found} == {(FileState.STORED, 1, "txt")}
    assert [file.metadata["bytes"] for file in found] == [1, 3_000_000, 0, 1, 1]
    assert catalog.files.holders(file_ids[0]) == [CALLER]


def test_no_items_are_no_files(producer: ArtifactProducer) -> None:
    assert producer.create_artifacts([]) == []


@pytest.mark.parametrize("batch_files", [2, 100])
@pytest.mark.everywhere
def test_equal_items_are_one_file_with_a_reference_each(
    producer: ArtifactProducer,
    catalog: Catalog,
    backend: IStorageBackend,
    monkeypatch: pytest.MonkeyPatch,
    batch_files: int,
) -> None:
    monkeypatch.setattr(holding, "BATCH_FILES", batch_files)
    before = producer.create_artifact(io.BytesIO(b"old"), "txt")
    file_ids = producer.create_artifacts(items(b"new", b"old", b"new", b"new", b"old"))
    assert file_ids == [file_ids[0], before, file_ids[0], file_ids[0], before]
    assert catalog.files.get_file(file_ids[0]).reference_count == 3
    assert catalog.files.get_file(before).reference_count == 3
    assert len(list(backend.list_files())) == 2
    for _ in range(3):
        producer.release(file_ids[0])


def test_bytes_that_are_missing_are_healed(
    producer: ArtifactProducer, catalog: Catalog, backend: IStorageBackend
) -> None:
    file_ids = producer.create_artifacts(items(b"a", b"b"))
    backend.delete_file(catalog.files.get_file(file_ids[0]).storage_path)
    assert producer.create_artifacts(items(b"a", b"b")) == file_ids
    assert read(producer, file_ids) == [b"a", b"b"]


@pytest.mark.usefixtures("small_batches", "nothing_held")
@pytest.mark.parametrize("good", [1, 2, 3])
def test_a_stream_that_raises_leaves_no_references(producer: ArtifactProducer, good: int) -> None:
    class Broken(io.RawIOBase):
        def readinto(self, _: object) -> int:
            raise OSError("the network is down")

    def some() -> Iterator[NewArtifact]:
        yield from items(*[b"%d" % number for number in range(good)])
        yield NewArtifact(Broken(), "txt")  # type: ignore[arg-type]

    with pytest.raises(SourceStreamError, match="the network is down"):
        producer.create_artifacts(some())


@pytest.mark.usefixtures("small_batches", "nothing_held")
def test_items_that_raise_midway_leave_no_references(producer: ArtifactProducer, backend: IStorageBackend) -> None:
    def some() -> Iterator[NewArtifact]:
        yield from items(b"a", b"b", b"c")
        raise KeyError("no more")

    with pytest.raises(KeyError):
        producer.create_artifacts(some())
    assert len(list(backend.list_files())) == 2, "the bytes of the first batch stay until they are collected"


@pytest.mark.usefixtures("small_batches", "nothing_held")
def test_a_malformed_item_leaves_no_references(producer: ArtifactProducer) -> None:
    with pytest.raises(InvalidArgumentError):
        producer.create_artifacts([*items(b"a", b"b", b"c"), NewArtifact(io.BytesIO(b"d"), "No Type!")])


@pytest.mark.usefixtures("small_batches", "nothing_held")
def test_a_failing_backend_leaves_no_references(
    producer: ArtifactProducer, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = backend.write_streams, []

    def fail_the_second_time(contents: Sequence[tuple[StagedFile, StoragePath]]) -> None:
        calls.append(contents)
        if len(calls) == 2:
            write(contents[:1])
            raise StorageFullError("here")
        write(contents)

    monkeypatch.setattr(backend, "write_streams", fail_the_second_time)
    with pytest.raises(StorageFullError):
        producer.create_artifacts(items(b"a", b"b", b"c", b"d"))
    assert len(list(backend.list_files())) == 2


def test_the_first_error_is_raised_even_if_giving_back_fails(
    producer: ArtifactProducer, catalog: Catalog, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageFullError("here")

    def fail_as_well(*_: object) -> None:
        raise CatalogUnavailableError("there", "gone")

    monkeypatch.setattr(holding, "BATCH_FILES", 1)
    producer.create_artifacts(items(b"a"))
    monkeypatch.setattr(backend, "write_streams", fail)
    monkeypatch.setattr(backend, "write_stream", fail)
    monkeypatch.setattr(catalog.files, "abandon_all", fail_as_well)
    monkeypatch.setattr(catalog.files, "release", fail_as_well)
    with pytest.raises(StorageFullError):
        producer.create_artifacts(items(b"a", b"b"))
    with pytest.raises(StorageFullError):
        producer.create_artifact(io.BytesIO(b"b"), "txt")


def test_expired_leases_are_an_error_and_their_keys_are_never_written_again(
    producer: ArtifactProducer, catalog: Catalog, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = backend.write_streams, []

    def too_slow(contents: Sequence[tuple[StagedFile, StoragePath]]) -> None:
        write(contents)
        written.append([path for _, path in contents])
        if len(written) == 1:  # reaped, and collected
            for path in catalog.files.abandon_all(leases[0]):
                backend.delete_file(path)

    leases: list[Sequence[Lease]] = []
    acquire = catalog.files.acquire_all

    def note(*given: Any) -> Sequence[Lease]:
        leases.append(acquire(*given))
        return leases[-1]

    monkeypatch.setattr(catalog.files, "acquire_all", note)
    monkeypatch.setattr(backend, "write_streams", too_slow)
    with pytest.raises(LeaseExpiredError):
        producer.create_artifacts(items(b"a", b"b"))
    file_ids = producer.create_artifacts(items(b"a", b"b"))
    assert len(written) == 2
    assert not set(written[0]) & set(written[1])
    assert read(producer, file_ids) == [b"a", b"b"]


def test_a_long_batch_renews_all_its_leases(
    engine: sa.Engine, catalog: Catalog, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = FileCatalog(engine, lease_s=0.3)
    all_renewed = threading.Event()
    renew, write = rows.renew_all, backend.write_streams

    def note(leases: Sequence[Lease]) -> None:
        renew(leases)
        if len(leases) == 2:  # none once the batch is settled
            all_renewed.set()

    def slow(contents: Sequence[tuple[StagedFile, StoragePath]]) -> None:
        assert all_renewed.wait(10)
        write(contents)

    monkeypatch.setattr(rows, "renew_all", note)
    monkeypatch.setattr(backend, "write_streams", slow)
    producer = ArtifactProducer(rows, backend)
    contents = [b"a" * 600_000, b"b" * 600_000]  # each is small, together they are not
    assert read(producer, producer.create_artifacts(items(*contents))) == contents


def test_one_expired_lease_settles_none(catalog: Catalog, producer: ArtifactProducer) -> None:
    file_ids = producer.create_artifacts(items(b"a", b"b"))
    found = [catalog.files.get_file(file_id) for file_id in file_ids]
    wanted = [(Content(file.content_hash, file.size_bytes), FileDescription("txt")) for file in found]
    leases = catalog.files.acquire_all(wanted, "blake3")
    catalog.files.abandon_all([leases[1]])
    with pytest.raises(LeaseExpiredError):
        catalog.files.settle_all(leases, "me")
    assert catalog.files.holders(file_ids[0]) == [CALLER, "lease"]


@pytest.mark.usefixtures("small_batches")
def test_items_are_read_batch_by_batch(producer: ArtifactProducer, catalog: Catalog) -> None:
    """Any number of streams can be opened and closed one after the other."""
    stored: list[int] = []

    def some() -> Iterator[NewArtifact]:
        for number in range(6):
            with io.BytesIO(b"%d" % number) as stream:
                yield NewArtifact(stream, "txt")
            stored.append(len(catalog.files.list_files(100)))

    producer.create_artifacts(some())
    assert stored == [0, 2, 2, 4, 4, 6]


def test_a_batch_is_bounded_in_bytes(
    producer: ArtifactProducer, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "BATCH_BYTES", 100)
    batches: list[int] = []
    write = backend.write_streams

    def note(contents: Sequence[tuple[StagedFile, StoragePath]]) -> None:
        batches.append(len(contents))
        write(contents)

    monkeypatch.setattr(backend, "write_streams", note)
    producer.create_artifacts(items(b"a" * 60, b"b" * 60, b"c" * 10, b"d" * 100, b"e", b"f"))
    assert batches == [2, 2, 2]


@pytest.fixture
def few_open_files(producer: ArtifactProducer) -> Iterator[None]:
    """Let this process open few more files."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * len(list(pathlib.Path("/proc/self/fd").iterdir())) + 20, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("few_open_files")
def test_batch_is_as_large_as_the_limit_of_open_files_allows(producer: ArtifactProducer) -> None:
    contents = [b"%d" % number for number in range(holding.BATCH_FILES)]
    assert len(producer.create_artifacts(items(*contents))) == holding.BATCH_FILES


def test_two_batches_open_at_most_half_the_files_of_a_process() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert min(soft, 1024) / 2 >= 2 * holding.BATCH_FILES
