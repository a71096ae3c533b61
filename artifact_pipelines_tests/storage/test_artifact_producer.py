"""The contract of `IArtifactProducer` and the storage protocol behind it, on each catalog."""

import asyncio
import concurrent.futures
import io
import pathlib
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.files import FileCatalog
from artifact_pipelines.catalog.tables import file_references, files
from artifact_pipelines.core.exceptions import (
    InvalidArgumentError,
    InvalidFileIdError,
    LeaseExpiredError,
    NotHeldError,
    UnknownFileError,
)
from artifact_pipelines.core.types import (
    UNDESCRIBED,
    FileDescription,
    FileId,
    FileState,
    Lease,
    NewArtifact,
    StoragePath,
)
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import (
    CatalogOlderThanStoreError,
    DamagedBytesError,
    MissingBytesError,
    SourceChangedError,
    SourceStreamError,
    StorageUnavailableError,
)
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.staging import StagedFile
from artifact_pipelines_tests.storage.back_door import BackDoor
from artifact_pipelines_tests.storage.settling import put_and_settle
from artifact_pipelines_tests.stress import acts
from artifact_pipelines_tests.stress.children import run_at_once
from artifact_pipelines_tests.stress.place import Place

DATA = b"identity is content\n" * 1000
LARGE = DATA * 100


def put(producer: ArtifactProducer, data: bytes = DATA) -> FileId:
    return producer.create_artifact(io.BytesIO(data), "txt")


def read(producer: ArtifactProducer, file_id: FileId) -> bytes:
    with producer.open(file_id) as stream:
        return stream.read()


class Pipe(io.RawIOBase):
    """A stream that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._inner.readinto(buffer)


class Broken(Pipe):
    def readinto(self, buffer: Any) -> int:
        return super().readinto(memoryview(buffer)[:100]) or self._fail()

    def _fail(self) -> int:
        raise ConnectionResetError("the peer is gone")


def pipe(data: bytes) -> BinaryIO:
    stream: Any = Pipe(data)
    return stream  # type: ignore[no-any-return]


@pytest.fixture
def nothing_happened(engine: sa.Engine, back_door: BackDoor) -> Iterator[None]:
    """At the end of the test the catalog has no row more, and the store no file, than at its start."""
    before = _everything(engine, back_door)
    yield
    assert _everything(engine, back_door) == before


def _everything(engine: sa.Engine, back_door: BackDoor) -> object:
    with engine.connect() as connection:
        rows = [connection.execute(sa.select(table).order_by(sa.text("1"))).all() for table in (files, file_references)]
    return rows, back_door.everything()


@pytest.mark.parametrize("stream", [io.BytesIO, pipe])
@pytest.mark.parametrize("data", [b"", b"x", DATA, secrets.token_bytes(5_000_000)])
def test_what_was_created_is_read_back(
    producer: ArtifactProducer, stream: Callable[[bytes], BinaryIO], data: bytes
) -> None:
    file_id = producer.create_artifact(stream(data), "txt")
    assert type(file_id) is int
    assert read(producer, file_id) == data


@pytest.mark.parametrize("second", [io.BytesIO, pipe])
def test_second_write_of_same_bytes_adds_no_file(
    producer: ArtifactProducer, backend: IStorageBackend, catalog: Catalog, second: Callable[[bytes], BinaryIO]
) -> None:
    first = put(producer)
    assert producer.create_artifact(second(DATA), "csv") == first
    assert len(list(backend.list_files())) == 1
    assert catalog.files.get_file(first).reference_count == 2


def test_a_large_seekable_duplicate_is_never_staged(
    producer: ArtifactProducer, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(producer, LARGE)
    monkeypatch.setattr(backend, "stage", None)
    put(producer, LARGE)


def test_a_new_catalog_gives_no_id_to_a_store_that_has_files_already(
    producer: ArtifactProducer, backend: IStorageBackend, tmp_path: pathlib.Path
) -> None:
    for data in (b"of", b"the", b"catalog", b"that was lost"):
        put(producer, data)
    with Catalog(f"sqlite:///{tmp_path / 'new.db'}") as new:
        replaced = ArtifactProducer(new.files, backend)
        for create in (put, lambda it: it.create_artifacts([NewArtifact(io.BytesIO(b"x"), "txt")])):
            with pytest.raises(CatalogOlderThanStoreError, match="catalog restore"):
                create(replaced)
        assert new.files.list_files(1) == []
    assert len(list(backend.list_files())) == 4


def test_other_bytes_of_the_same_size_are_another_file(producer: ArtifactProducer) -> None:
    assert put(producer, b"a" * 100) != put(producer, b"b" * 100)


def test_a_stream_is_read_from_where_it_stands_and_left_open(producer: ArtifactProducer) -> None:
    stream = io.BytesIO(b"skipped" + DATA)
    for _ in range(2):  # the second time its size is known, and it is hashed first
        stream.seek(7)
        assert read(producer, producer.create_artifact(stream, "txt")) == DATA
        assert not stream.closed


def test_the_async_variant_does_the_same(producer: ArtifactProducer) -> None:
    file_id = asyncio.run(producer.create_artifact_async(io.BytesIO(DATA), "txt", metadata={"a": 1}))
    assert file_id == put(producer)


@pytest.mark.parametrize(
    ("file_type", "mime_type", "compression_type", "expected"),
    [
        ("parquet", None, None, "application/vnd.apache.parquet"),
        ("csv", None, None, "text/csv"),
        ("csv", None, "gzip", None),
        ("unheard-of", None, None, "application/octet-stream"),
        ("csv", "text/x-mine", None, "text/x-mine"),
        ("csv", "text/csv; charset=utf-8; " + "x" * 230, None, "text/csv; charset=utf-8; " + "x" * 230),
    ],
)
def test_the_media_type_is_guessed_where_it_is_left_out(
    producer: ArtifactProducer,
    catalog: Catalog,
    file_type: str,
    mime_type: str | None,
    compression_type: str | None,
    expected: str | None,
) -> None:
    file_id = producer.create_artifact(io.BytesIO(DATA), file_type, mime_type, compression_type)
    assert catalog.files.get_file(file_id).mime_type == expected


@pytest.mark.usefixtures("nothing_happened")
@pytest.mark.parametrize(
    "arguments",
    [
        {"file_type": ""},
        {"file_type": "../csv"},
        {"file_type": "CSV"},
        {"file_type": 5},
        {"file_type": "c" * 33},
        {"file_type": "csv", "mime_type": "text/" + "x" * 251},
        {"file_type": "csv", "mime_type": "text/csv\0"},
        {"file_type": "csv", "mime_type": 5},
        {"file_type": "csv", "compression_type": "g z"},
        {"file_type": "csv", "metadata": {"x": object()}},
        {"file_type": "csv", "metadata": {"x": float("nan")}},
        {"file_type": "csv", "metadata": {UNDESCRIBED: True}},
    ],
)
def test_arguments_of_the_wrong_form_are_refused(producer: ArtifactProducer, arguments: Any) -> None:
    with pytest.raises(InvalidArgumentError):
        producer.create_artifact(io.BytesIO(DATA), **arguments)


@pytest.mark.usefixtures("nothing_happened")
def test_a_stream_that_raises_midway_leaves_nothing(producer: ArtifactProducer) -> None:
    stream: Any = Broken(DATA)
    with pytest.raises(SourceStreamError, match=r"20,000 bytes: the peer is gone.*Nothing was stored"):
        producer.create_artifact(stream, "txt")


@pytest.mark.usefixtures("nothing_happened")
@pytest.mark.parametrize("step", ["write_stream", "stage"])
def test_a_backend_that_fails_leaves_nothing(
    producer: ArtifactProducer, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise StorageUnavailableError("here", "a test")

    monkeypatch.setattr(backend, step, fail)
    with pytest.raises(StorageUnavailableError):
        put(producer)


@pytest.mark.usefixtures("nothing_happened")
def test_a_settlement_that_fails_takes_the_bytes_back(producer: ArtifactProducer) -> None:
    def fail(lease: Lease) -> None:
        raise KeyboardInterrupt

    from artifact_pipelines.storage.file_types import describe

    with pytest.raises(KeyboardInterrupt):
        put_and_settle(producer, io.BytesIO(DATA), describe("txt"), fail)


def test_a_failed_write_leaves_the_others_reference_alone(
    producer: ArtifactProducer, catalog: Catalog, backend: IStorageBackend
) -> None:
    from artifact_pipelines.storage.file_types import describe

    file_id = put(producer)

    def fail(lease: Lease) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        put_and_settle(producer, io.BytesIO(DATA), describe("txt"), fail)
    assert catalog.files.get_file(file_id).reference_count == 1
    assert read(producer, file_id) == DATA


def test_bytes_that_are_missing_are_healed_by_creating_them_again(
    producer: ArtifactProducer, catalog: Catalog, backend: IStorageBackend
) -> None:
    file_id = put(producer)
    backend.delete_file(catalog.files.get_file(file_id).storage_path)
    with pytest.raises(MissingBytesError, match="creating the same content again heals it"):
        producer.open(file_id)
    assert put(producer) == file_id
    assert read(producer, file_id) == DATA


def test_bytes_that_were_cut_off_are_an_error_and_healed_too(
    producer: ArtifactProducer, catalog: Catalog, back_door: BackDoor
) -> None:
    file_id = put(producer)
    back_door.put(catalog.files.get_file(file_id).storage_path, DATA[:100])
    with pytest.raises(DamagedBytesError, match="expected 20,000 bytes, found 100 bytes"):
        producer.open(file_id)
    assert put(producer) == file_id
    assert read(producer, file_id) == DATA


def test_a_file_that_vanishes_between_look_and_open_is_missing(
    producer: ArtifactProducer, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = put(producer)

    def gone(path: StoragePath) -> BinaryIO:
        raise FileNotFoundError

    monkeypatch.setattr(backend, "read_stream", gone)
    with pytest.raises(MissingBytesError):
        producer.open(file_id)


@pytest.mark.parametrize(
    ("file_id", "error"), [(-1, InvalidFileIdError), (0, InvalidFileIdError), (99, UnknownFileError)]
)
def test_negative_and_unknown_ids(producer: ArtifactProducer, file_id: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        producer.open(file_id)
    with pytest.raises(error):
        producer.release(file_id)


def test_each_create_can_be_released_once(producer: ArtifactProducer, catalog: Catalog) -> None:
    file_id = put(producer)
    put(producer)
    producer.release(file_id)
    assert read(producer, file_id) == DATA
    producer.release(file_id)
    assert catalog.files.get_file(file_id).reference_count == 0
    with pytest.raises(NotHeldError):
        producer.release(file_id)


def test_a_seekable_stream_that_changes_between_hashing_and_copying_is_not_stored(
    producer: ArtifactProducer, catalog: Catalog
) -> None:
    class Fickle(io.BytesIO):
        is_hashed = False

        def readinto(self, buffer: Any) -> int:
            count = super().readinto(buffer)
            if count and self.is_hashed:
                memoryview(buffer)[:1] = b"?"
            self.is_hashed |= not count
            return count

    put(producer, b"a" * len(LARGE))
    with pytest.raises(SourceChangedError):
        producer.create_artifact(Fickle(LARGE), "txt")
    assert len(catalog.files.list_files(10)) == 1


def _reap_all(engine: sa.Engine) -> None:
    """Do what the reaper of leases does, and the collector after it."""
    with engine.begin() as connection:
        leased = sa.select(file_references.c.file_id).where(file_references.c.expires_at.is_not(None))
        ids = connection.execute(leased).scalars().all()
        connection.execute(sa.delete(file_references).where(file_references.c.expires_at.is_not(None)))
        connection.execute(sa.delete(files).where(files.c.file_id.in_(ids)))


def test_a_writer_whose_lease_is_gone_gets_an_error_and_its_key_is_never_written_again(
    producer: ArtifactProducer, backend: IStorageBackend, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = backend.write_stream, []

    def too_slow(content: StagedFile, path: StoragePath) -> None:
        write(content, path)
        written.append(path)
        if len(written) == 1:
            _reap_all(engine)

    monkeypatch.setattr(backend, "write_stream", too_slow)
    with pytest.raises(LeaseExpiredError, match="run again"):
        put(producer)
    file_id = put(producer)
    assert [path.file_id for path in written] == [written[0].file_id, file_id]
    assert written[0] != written[1]
    assert read(producer, file_id) == DATA


def test_a_long_write_keeps_its_lease(
    engine: sa.Engine, catalog: Catalog, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = FileCatalog(engine, lease_s=0.3)
    renewed = threading.Event()
    renew, write = rows.renew_all, backend.write_stream

    def note(leases: Sequence[Lease]) -> None:
        renew(leases)
        renewed.set()

    def slow(content: StagedFile, path: StoragePath) -> None:
        assert renewed.wait(10)
        write(content, path)

    monkeypatch.setattr(rows, "renew_all", note)
    monkeypatch.setattr(backend, "write_stream", slow)
    producer = ArtifactProducer(rows, backend)
    assert read(producer, put(producer, LARGE)) == LARGE


def test_what_takes_long_to_settle_keeps_its_lease(
    engine: sa.Engine, catalog: Catalog, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = FileCatalog(engine, lease_s=0.3)
    renewed = threading.Event()
    renew = rows.renew_all

    def note(leases: Sequence[Lease]) -> None:
        renew(leases)
        renewed.set()

    def settle(lease: Lease) -> None:
        assert renewed.wait(10)
        rows.settle(lease, "caller")

    monkeypatch.setattr(rows, "renew_all", note)
    producer = ArtifactProducer(rows, backend)
    for _ in range(2):  # the second time nothing is written
        put_and_settle(producer, io.BytesIO(LARGE), FileDescription("bin"), settle)
        renewed.clear()


def test_a_pending_file_is_put_again_by_whoever_comes_next(
    producer: ArtifactProducer, backend: IStorageBackend, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer was killed after its row and before its bytes: the row is there, its lease too."""

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as killed:
        killed.setattr(backend, "write_stream", die)
        killed.setattr(catalog.files, "abandon_all", lambda leases: [])
        with pytest.raises(Killed):
            put(producer)
    [file] = catalog.files.list_files(10)
    assert file.state == FileState.PENDING
    assert put(producer) == file.file_id
    assert read(producer, file.file_id) == DATA


def test_bytes_are_durable_before_the_row_says_so(
    producer: ArtifactProducer, backend: IStorageBackend, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    for owner, name in ((catalog.files, "acquire_all"), (backend, "write_stream"), (catalog.files, "settle_all")):
        monkeypatch.setattr(owner, name, _noting(order, name, getattr(owner, name)))
    put(producer)
    assert order == ["acquire_all", "write_stream", "settle_all"]


def _noting(order: list[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*arguments: Any, **keywords: Any) -> Any:
        result = function(*arguments, **keywords)
        order.append(name)
        return result

    return noted


def test_no_transaction_is_open_while_bytes_move(
    producer: ArtifactProducer, backend: IStorageBackend, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = backend.write_stream

    def look(content: StagedFile, path: StoragePath) -> None:
        with engine.begin() as connection:  # would wait for the writer's transaction, and time out
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA busy_timeout = 0")
            connection.execute(sa.update(files).values(mime_type="text/looked"))
        write(content, path)

    monkeypatch.setattr(backend, "write_stream", look)
    put(producer)


def test_threads_that_create_release_and_read_agree(
    producer: ArtifactProducer, catalog: Catalog, engine: sa.Engine
) -> None:
    contents = [secrets.token_bytes(50_000) for _ in range(4)]

    def use(number: int) -> None:
        content = contents[number % 4]
        file_id = put(producer, content)
        assert read(producer, file_id) == content
        if number >= 4:
            producer.release(file_id)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(80)))
    found = catalog.files.list_files(10)
    assert [file.reference_count for file in found] == [1, 1, 1, 1]


def test_processes_that_create_the_same_at_once_agree(
    catalog_url: str, catalog: Catalog, backend: IStorageBackend, storage_url: str
) -> None:
    contents = [bytes([number]) * 300_000 for number in range(10)]
    outcomes = run_at_once([(acts.create_each, Place(catalog_url, storage_url), contents)] * 4)
    made = [outcome.acknowledged for outcome in outcomes]
    assert len(made[0]) == 10
    assert made == [made[0]] * 4
    assert [catalog.files.get_file(file_id).reference_count for file_id in made[0]] == [4] * 10
    assert len(list(backend.list_files())) == 10


_LARGE = """
import pathlib, sys
from artifact_pipelines import open_store
from artifact_pipelines_tests.storage.settling import put_and_settle

class Zeros:
    left = 600 << 20
    def readinto(self, buffer):
        count = min(self.left, memoryview(buffer).nbytes)
        self.left -= count
        return count
    def seekable(self):
        return False

def peak_kib():
    # Not ru_maxrss: that one remembers what the parent took before this program was started in its place.
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

with open_store(sys.argv[1], sys.argv[2]) as store:
    before = peak_kib()
    store.create_artifact(Zeros(), "bin")
    print(peak_kib() - before)
"""


def test_a_large_file_takes_no_more_memory_than_a_ring_of_blocks(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-c", _LARGE, f"sqlite:///{tmp_path / 'large.db'}", str(tmp_path / "large")]
    grown_kib = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown_kib < 32 * 1024, "600 MiB took more than 32 MiB"
