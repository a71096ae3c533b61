"""Damage done to a store behind its back, as disks and people do it: not through the class under test."""

import pathlib
from typing import Protocol

from artifact_pipelines.core.settings import folder_from
from artifact_pipelines.core.types import StoragePath


class BackDoor(Protocol):
    """Objects of a store, without its backend."""

    def get(self, path: StoragePath) -> bytes:
        """Return what lies there."""
        ...

    def put(self, path: StoragePath, data: bytes) -> None:
        """Put other bytes there."""
        ...

    def delete(self, path: StoragePath) -> None:
        """Take it away."""
        ...


class FolderBackDoor:
    """A store on local disk."""

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root

    def get(self, path: StoragePath) -> bytes:
        return (self._root / str(path)).read_bytes()

    def put(self, path: StoragePath, data: bytes) -> None:
        target = self._root / str(path)
        if target.exists():
            target.chmod(0o644)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def delete(self, path: StoragePath) -> None:
        (self._root / str(path)).unlink()


def open_back_door(storage_url: str) -> BackDoor:
    """Return the back door of a store."""
    return FolderBackDoor(folder_from(storage_url, "storage_url"))
