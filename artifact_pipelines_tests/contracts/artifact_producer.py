"""The contract of `ArtifactProducer` on a catalog and a backend: both do their share of the storage protocol."""

import asyncio
import concurrent.futures
import io
import secrets
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

import pytest

from artifact_pipelines.core.exceptions import (
    InvalidArgumentError,
    InvalidFileIdError,
    NotHeldError,
    UnknownFileError,
)
from artifact_pipelines.core.interfaces import IFileCatalog
from artifact_pipelines.core.types import UNDESCRIBED, FileId, Lease, NewArtifact, StoragePath
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import (
    DamagedBytesError,
    MissingBytesError,
    SourceChangedError,
    SourceStreamError,
    StorageUnavailableError,
)
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines_tests.storage.back_door import BackDoor
from artifact_pipelines_tests.storage.settling import put_and_settle

DATA = b"identity is content\n" * 1000
LARGE = DATA * 100


class ProducerPlace(NamedTuple):
    """An empty catalog, an empty store, and a way to the store's bytes without its backend."""

    catalog: IFileCatalog
    backend: IStorageBackend
    back_door: BackDoor


class Pipe(io.RawIOBase):
    """A stream that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._inner.readinto(buffer)


class BrokenPipe(Pipe):
    """Raises where the data end."""

    def readinto(self, buffer: Any) -> int:
        return super().readinto(memoryview(buffer)[:100]) or self._fail()

    def _fail(self) -> int:
        raise ConnectionResetError("the peer is gone")


def pipe(data: bytes) -> BinaryIO:
    """Return a stream that cannot seek."""
    stream: Any = Pipe(data)
    return stream  # type: ignore[no-any-return]


def create(producer: ArtifactProducer, data: bytes = DATA) -> FileId:
    """Create a text file."""
    return producer.create_artifact(io.BytesIO(data), "txt")


def create_all(producer: ArtifactProducer, data: bytes = DATA) -> FileId:
    """Create a text file in a batch."""
    return producer.create_artifacts([NewArtifact(io.BytesIO(data), "txt")])[0]


def read(producer: ArtifactProducer, file_id: FileId) -> bytes:
    """Return the bytes of a file, verified."""
    with producer.open(file_id) as stream:
        return stream.read()


class ArtifactProducerContract:
    """Subclass it with the fixture `place`."""

    @pytest.fixture
    def place(self) -> ProducerPlace:
        raise NotImplementedError("a subclass returns an empty catalog and store here")

    @pytest.fixture
    def files(self, place: ProducerPlace) -> IFileCatalog:
        return place.catalog

    @pytest.fixture
    def backend(self, place: ProducerPlace) -> IStorageBackend:
        return place.backend

    @pytest.fixture
    def behind(self, place: ProducerPlace) -> BackDoor:
        return place.back_door

    @pytest.fixture
    def producer(self, files: IFileCatalog, backend: IStorageBackend) -> ArtifactProducer:
        return ArtifactProducer(files, backend)

    @pytest.fixture
    def nothing_stays(self, files: IFileCatalog, behind: BackDoor) -> Iterator[None]:
        """At the end of the test the store holds nothing, and the catalog has no row of the test's content."""
        yield
        assert behind.everything() == []
        assert not files.has_size(len(DATA))

    @pytest.mark.parametrize("stream", [io.BytesIO, pipe])
    @pytest.mark.parametrize("data", [b"", b"x", DATA, secrets.token_bytes(5_000_000)])
    def test_created_bytes_are_read_back(
        self, producer: ArtifactProducer, stream: Callable[[bytes], BinaryIO], data: bytes
    ) -> None:
        file_id = producer.create_artifact(stream(data), "txt")
        assert type(file_id) is int
        assert read(producer, file_id) == data

    @pytest.mark.parametrize("second", [io.BytesIO, pipe])
    def test_second_write_of_same_bytes_adds_no_file(
        self,
        producer: ArtifactProducer,
        backend: IStorageBackend,
        files: IFileCatalog,
        second: Callable[[bytes], BinaryIO],
    ) -> None:
        first = create(producer)
        assert producer.create_artifact(second(DATA), "csv") == first
        assert len(list(backend.list_files())) == 1
        assert files.get_file(first).reference_count == 2

    def test_a_large_seekable_duplicate_is_never_staged(
        self, producer: ArtifactProducer, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create(producer, LARGE)
        monkeypatch.setattr(backend, "stage", None)
        create(producer, LARGE)

    def test_different_bytes_of_one_size_are_different_files(self, producer: ArtifactProducer) -> None:
        assert create(producer, b"a" * 100) != create(producer, b"b" * 100)

    def test_a_stream_is_read_from_its_position_and_left_open(self, producer: ArtifactProducer) -> None:
        stream = io.BytesIO(b"skipped" + LARGE)
        for _ in range(2):  # the second time its size is known, and it is hashed first
            stream.seek(7)
            assert read(producer, producer.create_artifact(stream, "txt")) == LARGE
            assert not stream.closed

    def test_the_async_variant_does_the_same(self, producer: ArtifactProducer) -> None:
        file_id = asyncio.run(producer.create_artifact_async(io.BytesIO(DATA), "txt", metadata={"a": 1}))
        assert file_id == create(producer)

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
    def test_a_media_type_that_is_left_out_is_guessed(
        self,
        producer: ArtifactProducer,
        files: IFileCatalog,
        file_type: str,
        mime_type: str | None,
        compression_type: str | None,
        expected: str | None,
    ) -> None:
        file_id = producer.create_artifact(io.BytesIO(DATA), file_type, mime_type, compression_type)
        assert files.get_file(file_id).mime_type == expected

    @pytest.mark.usefixtures("nothing_stays")
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
    def test_malformed_arguments_are_refused(self, producer: ArtifactProducer, arguments: Any) -> None:
        with pytest.raises(InvalidArgumentError):
            producer.create_artifact(io.BytesIO(DATA), **arguments)

    @pytest.mark.usefixtures("nothing_stays")
    def test_a_stream_that_raises_midway_leaves_nothing(self, producer: ArtifactProducer) -> None:
        stream: Any = BrokenPipe(DATA)
        with pytest.raises(SourceStreamError, match=r"20,000 bytes: the peer is gone.*Nothing was stored"):
            producer.create_artifact(stream, "txt")

    @pytest.mark.usefixtures("nothing_stays")
    @pytest.mark.parametrize("step", ["write_stream", "stage"])
    def test_a_backend_that_fails_leaves_nothing(
        self, producer: ArtifactProducer, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        def fail(*_: object) -> None:
            raise StorageUnavailableError("here", "a test")

        monkeypatch.setattr(backend, step, fail)
        with pytest.raises(StorageUnavailableError):
            create(producer)

    @pytest.mark.usefixtures("nothing_stays")
    def test_a_settlement_that_fails_removes_the_bytes(self, producer: ArtifactProducer) -> None:
        def fail(lease: Lease) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            put_and_settle(producer, io.BytesIO(DATA), describe("txt"), fail)

    def test_a_failed_write_keeps_the_references_of_others(
        self, producer: ArtifactProducer, files: IFileCatalog
    ) -> None:
        file_id = create(producer)

        def fail(lease: Lease) -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            put_and_settle(producer, io.BytesIO(DATA), describe("txt"), fail)
        assert files.get_file(file_id).reference_count == 1
        assert read(producer, file_id) == DATA

    @pytest.mark.parametrize("create_again", [create, create_all])
    def test_creating_the_content_again_heals_missing_bytes(
        self,
        producer: ArtifactProducer,
        files: IFileCatalog,
        behind: BackDoor,
        create_again: Callable[[ArtifactProducer], FileId],
    ) -> None:
        file_id = create(producer)
        behind.delete(files.get_file(file_id).storage_path)
        with pytest.raises(MissingBytesError, match="creating the same content again heals it"):
            producer.open(file_id)
        assert create_again(producer) == file_id
        assert read(producer, file_id) == DATA

    def test_creating_the_content_again_heals_truncated_bytes(
        self, producer: ArtifactProducer, files: IFileCatalog, behind: BackDoor
    ) -> None:
        file_id = create(producer)
        behind.put(files.get_file(file_id).storage_path, DATA[:100])
        with pytest.raises(DamagedBytesError, match="expected 20,000 bytes, found 100 bytes"):
            producer.open(file_id)
        assert create(producer) == file_id
        assert read(producer, file_id) == DATA

    def test_a_file_deleted_between_look_and_open_is_missing(
        self, producer: ArtifactProducer, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file_id = create(producer)

        def gone(path: StoragePath) -> BinaryIO:
            raise FileNotFoundError

        monkeypatch.setattr(backend, "read_stream", gone)
        with pytest.raises(MissingBytesError):
            producer.open(file_id)

    @pytest.mark.parametrize(
        ("file_id", "error"), [(-1, InvalidFileIdError), (0, InvalidFileIdError), (99, UnknownFileError)]
    )
    def test_invalid_and_unknown_ids_are_errors(
        self, producer: ArtifactProducer, file_id: Any, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            producer.open(file_id)
        with pytest.raises(error):
            producer.release(file_id)

    def test_each_create_can_be_released_once(self, producer: ArtifactProducer, files: IFileCatalog) -> None:
        file_id = create(producer)
        create(producer)
        producer.release(file_id)
        assert read(producer, file_id) == DATA
        producer.release(file_id)
        assert files.get_file(file_id).reference_count == 0
        with pytest.raises(NotHeldError):
            producer.release(file_id)

    def test_a_stream_that_changes_between_hashing_and_copying_is_not_stored(
        self, producer: ArtifactProducer, backend: IStorageBackend
    ) -> None:
        class Fickle(io.BytesIO):
            is_hashed = False

            def readinto(self, buffer: Any) -> int:
                count = super().readinto(buffer)
                if count and self.is_hashed:
                    memoryview(buffer)[:1] = b"?"
                self.is_hashed |= not count
                return count

        create(producer, b"a" * len(LARGE))
        with pytest.raises(SourceChangedError):
            producer.create_artifact(Fickle(LARGE), "txt")
        assert len(list(backend.list_files())) == 1

    def test_bytes_are_durable_before_the_row_says_so(
        self,
        producer: ArtifactProducer,
        backend: IStorageBackend,
        files: IFileCatalog,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        order: list[str] = []
        for owner, name in ((files, "acquire_all"), (backend, "write_stream"), (files, "settle_all")):
            monkeypatch.setattr(owner, name, _noting(order, name, getattr(owner, name)))
        create(producer)
        assert order == ["acquire_all", "write_stream", "settle_all"]

    def test_threads_that_create_release_and_read_agree(self, producer: ArtifactProducer, files: IFileCatalog) -> None:
        contents = [secrets.token_bytes(50_000) for _ in range(4)]

        def use(number: int) -> FileId:
            content = contents[number % 4]
            file_id = create(producer, content)
            assert read(producer, file_id) == content
            if number >= 4:
                producer.release(file_id)
            return file_id

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            file_ids = set(pool.map(use, range(48)))
        assert [files.get_file(file_id).reference_count for file_id in file_ids] == [1, 1, 1, 1]


def _noting(order: list[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*arguments: Any, **keywords: Any) -> Any:
        result = function(*arguments, **keywords)
        order.append(name)
        return result

    return noted
