"""Loses catalogs, damages stores, and restores from them."""

import io
from collections.abc import Container

import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import FileId, StoragePath
from artifact_pipelines.maintenance.restore import RestoreReport, restore
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import StorageUnavailableError
from artifact_pipelines.storage.interfaces import IStorageBackend


def ignore(_: int) -> None:
    """Ignore progress."""


def restore_catalog(empty: Catalog, backend: IStorageBackend, file_id: int | None = None) -> RestoreReport:
    return restore(empty, backend, None if file_id is None else FileId(file_id), ignore)


def create(producer: ArtifactProducer, content: bytes) -> FileId:
    return producer.create_artifact(io.BytesIO(content), "bin")


def put(backend: IStorageBackend, path: StoragePath, content: bytes) -> None:
    """Put bytes under a key, unknown to any catalog."""
    with backend.stage() as sink:
        sink.write(content)
        staged = sink.finish()
    backend.write_stream(staged, path)
    staged.discard()


class BadBlock(io.RawIOBase):
    """A stream of a file on a failing disk."""

    def read(self, size: int = -1, /) -> bytes:
        raise StorageUnavailableError("/store", "Input/output error")


def break_blocks(backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch, broken: Container[FileId]) -> None:
    read_stream = backend.read_stream
    monkeypatch.setattr(
        backend, "read_stream", lambda path: BadBlock() if path.file_id in broken else read_stream(path)
    )
