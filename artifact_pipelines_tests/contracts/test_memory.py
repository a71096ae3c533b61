"""The contracts hold for a backend that is not part of the package: one that keeps bytes in a dictionary."""

import io
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence

import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileId, Leftover, StoragePath
from artifact_pipelines.storage.interfaces import IReadInPlace
from artifact_pipelines.storage.staging import StagedFile, StagingFile
from artifact_pipelines_tests.contracts.artifact_producer import ArtifactProducerContract, ProducerPlace
from artifact_pipelines_tests.contracts.storage_backend import BackendPlace, StorageBackendContract


class MemoryStorage:
    """`IStorageBackend` on a dictionary."""

    def __init__(self, contents: dict[StoragePath, bytes]) -> None:
        self._contents = contents

    def stage(self) -> StagingFile:
        return StagingFile(pathlib.Path(tempfile.gettempdir()), nameless=True)

    def write_stream(self, content: StagedFile, path: StoragePath) -> None:
        self._contents[path] = os.pread(content.fd, content.content.size_bytes, 0)

    def write_streams(self, contents: Sequence[tuple[StagedFile, StoragePath]]) -> None:
        for content, path in contents:
            self.write_stream(content, path)

    def read_stream(self, path: StoragePath) -> io.BufferedReader:
        if path not in self._contents:
            raise FileNotFoundError(str(path))
        return io.BufferedReader(io.BytesIO(self._contents[path]))

    def delete_file(self, path: StoragePath) -> None:
        self._contents.pop(path, None)

    def exists(self, path: StoragePath) -> bool:
        return path in self._contents

    def size_bytes(self, path: StoragePath) -> int | None:
        return len(self._contents[path]) if path in self._contents else None

    def uri(self, path: StoragePath) -> str:
        return f"memory:///{path}"

    def list_files(self) -> Iterator[StoragePath]:
        yield from list(self._contents)

    def clear_leftovers(self, is_leased: Callable[[FileId], bool], dry_run: bool = False) -> Sequence[Leftover]:
        return []


class MemoryBackDoor:
    """The dictionary itself."""

    def __init__(self, contents: dict[StoragePath, bytes]) -> None:
        self._contents = contents

    def get(self, path: StoragePath) -> bytes:
        return self._contents[path]

    def put(self, path: StoragePath, data: bytes) -> None:
        self._contents[path] = data

    def delete(self, path: StoragePath) -> None:
        del self._contents[path]

    def everything(self) -> Sequence[str]:
        return [str(path) for path in self._contents]


def memory_place() -> BackendPlace:
    contents: dict[StoragePath, bytes] = {}
    return BackendPlace(MemoryStorage(contents), MemoryBackDoor(contents))


class TestMemoryStorage(StorageBackendContract):
    @pytest.fixture
    def place(self) -> BackendPlace:
        return memory_place()


class TestProducerOnMemoryStorage(ArtifactProducerContract):
    @pytest.fixture
    def place(self, settings: Settings) -> Iterator[ProducerPlace]:
        with Catalog(settings.catalog_url) as catalog:
            yield ProducerPlace(catalog.files, *memory_place())


def test_reading_in_place_is_optional() -> None:
    assert not isinstance(memory_place().backend, IReadInPlace)
