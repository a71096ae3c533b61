"""The contract of `IStorageBackend`: a backend that passes it can hold the bytes of a catalog."""

import concurrent.futures
import io
import secrets
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

from artifact_pipelines.core.types import FileId, StoragePath
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.staging import StagedFile
from artifact_pipelines_tests.storage.back_door import BackDoor

PATH = StoragePath("ab" * 32, FileId(1))


class BackendPlace(NamedTuple):
    """A new, empty store, and a way to what it holds without its backend."""

    backend: IStorageBackend
    back_door: BackDoor


def stage(backend: IStorageBackend, data: bytes) -> StagedFile:
    """Stage bytes; the caller discards the staged file."""
    with backend.stage() as sink:
        sink.copy_from(io.BytesIO(data))
        return sink.finish()


def put(backend: IStorageBackend, data: bytes, path: StoragePath = PATH) -> None:
    """Put bytes under a path past any catalog."""
    with stage(backend, data) as staged:
        backend.write_stream(staged, path)


def get(backend: IStorageBackend, path: StoragePath = PATH) -> bytes:
    """Return the bytes under a path."""
    with backend.read_stream(path) as stream:
        return stream.read()


class StorageBackendContract:
    """Subclass it with the fixture `place`."""

    @pytest.fixture
    def place(self) -> BackendPlace:
        raise NotImplementedError("a subclass returns an empty store here")

    @pytest.fixture
    def backend(self, place: BackendPlace) -> IStorageBackend:
        return place.backend

    @pytest.fixture
    def behind(self, place: BackendPlace) -> BackDoor:
        return place.back_door

    @pytest.mark.parametrize("size", [0, 1, 3_000_000])
    def test_bytes_put_are_stored_under_their_path(self, backend: IStorageBackend, behind: BackDoor, size: int) -> None:
        data = secrets.token_bytes(size)
        put(backend, data)
        assert behind.get(PATH) == data
        assert list(backend.list_files()) == [PATH]

    @pytest.mark.parametrize("size", [0, 1, 3_000_000])
    def test_stored_bytes_are_found_and_read(self, backend: IStorageBackend, behind: BackDoor, size: int) -> None:
        data = secrets.token_bytes(size)
        behind.put(PATH, data)
        assert get(backend) == data
        assert backend.exists(PATH)
        assert backend.size_bytes(PATH) == size

    def test_a_stream_can_seek(self, backend: IStorageBackend) -> None:
        put(backend, b"0123456789")
        with backend.read_stream(PATH) as stream:
            stream.seek(-3, io.SEEK_END)
            assert stream.read(2) == b"78"
            stream.seek(1)
            assert stream.read() == b"123456789"

    def test_a_stream_reads_lines_and_pieces_from_any_offset(self, backend: IStorageBackend) -> None:
        data = secrets.token_bytes(700_000) + b"\nlast line\n"
        put(backend, data)
        with backend.read_stream(PATH) as stream:
            for offset, count in ((0, 10), (400_000, 300_005), (5, 262_144), (650_000, 1), (700_001, 99), (900_000, 5)):
                stream.seek(offset)
                assert stream.read(count) == data[offset : offset + count]
            stream.seek(700_001)
            assert stream.readline() == b"last line\n"
            assert stream.readline() == b""
            with pytest.raises((OSError, ValueError)):
                stream.seek(-1)

    def test_an_unwritten_path_holds_nothing(self, backend: IStorageBackend) -> None:
        assert not backend.exists(PATH)
        assert backend.size_bytes(PATH) is None
        assert list(backend.list_files()) == []
        with pytest.raises(FileNotFoundError):
            backend.read_stream(PATH)

    def test_staged_bytes_are_under_no_path(self, backend: IStorageBackend) -> None:
        with stage(backend, b"data"):
            assert list(backend.list_files()) == []

    def test_a_sink_that_is_closed_unfinished_leaves_nothing(self, backend: IStorageBackend, behind: BackDoor) -> None:
        with backend.stage() as sink:
            sink.write(b"data")
        assert behind.everything() == []

    def test_a_second_put_replaces_the_first(self, backend: IStorageBackend, behind: BackDoor) -> None:
        put(backend, b"damaged")
        put(backend, b"whole")
        assert behind.get(PATH) == b"whole"

    @pytest.mark.parametrize("count", [0, 1, 5])
    def test_one_call_puts_many(self, backend: IStorageBackend, behind: BackDoor, count: int) -> None:
        paths = [StoragePath(f"{number % 4:02x}" * 32, FileId(number + 1)) for number in range(count)]
        contents = [stage(backend, str(path).encode()) for path in paths]
        backend.write_streams(list(zip(contents, paths, strict=True)))
        assert [behind.get(path) for path in paths] == [str(path).encode() for path in paths]
        assert set(backend.list_files()) == set(paths)
        for content in contents:
            content.discard()

    def test_deleting_twice_is_no_error(self, backend: IStorageBackend, behind: BackDoor) -> None:
        put(backend, b"data")
        for _ in range(2):
            backend.delete_file(PATH)
            assert not backend.exists(PATH)
        assert behind.everything() == []

    def test_a_uri_ends_with_the_key(self, backend: IStorageBackend) -> None:
        put(backend, b"data")
        assert unquote(urlsplit(backend.uri(PATH)).path).endswith(f"/{PATH}")

    def test_many_threads_put_and_delete_at_once(self, backend: IStorageBackend) -> None:
        paths = [StoragePath(f"{number % 4:02x}" * 32, FileId(number + 1)) for number in range(40)]

        def round_trip(path: StoragePath) -> bytes:
            put(backend, str(path).encode(), path)
            found = get(backend, path)
            if path.file_id % 2:
                backend.delete_file(path)
            return found

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert list(pool.map(round_trip, paths)) == [str(path).encode() for path in paths]
        assert {path.file_id for path in backend.list_files()} == set(range(2, 41, 2))

    def test_a_living_writer_has_no_leftovers(self, backend: IStorageBackend) -> None:
        put(backend, b"data")
        with backend.stage() as sink, stage(backend, b"complete, but not put") as staged:
            sink.write(b"on its way")
            assert backend.clear_leftovers(lambda file_id: True) == []
            backend.write_stream(staged, StoragePath("cd" * 32, FileId(2)))
        assert backend.clear_leftovers(lambda file_id: False) == []
        assert get(backend) == b"data"
