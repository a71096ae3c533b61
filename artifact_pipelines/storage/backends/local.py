"""A store on a local filesystem. Its staging folder is inside it, so that one rename moves a file to its path."""

import contextlib
import ctypes
import errno
import io
import os
import pathlib
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from artifact_pipelines.core.types import FileId, Leftover, StoragePath
from artifact_pipelines.storage.staging import StagedFile, StagingFile, remove_abandoned, storage_errors

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STAGING = ".staging"
_syncfs = ctypes.CDLL(None, use_errno=True).syncfs  # os has no such call
_STAGED_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)


class _StoredFile(io.FileIO):
    """A stored file. Errors of its disk are errors of the store."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        super().__init__(path, "rb")

    def readinto(self, buffer: "WriteableBuffer") -> int:
        with storage_errors(self._path):
            return super().readinto(buffer) or 0

    def readall(self) -> bytes:
        with storage_errors(self._path):
            return super().readall() or b""


class LocalStorage:
    """`IStorageBackend` on a folder, which is created with the first file."""

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root.absolute()
        self._durable_folders: set[pathlib.Path] = set()

    def __repr__(self) -> str:
        return f"LocalStorage({str(self._root)!r})"

    def stage(self) -> StagingFile:
        """See `IStorageBackend`."""
        return StagingFile(self._root / STAGING)

    def write_stream(self, content: StagedFile, path: StoragePath) -> None:
        """See `IStorageBackend`."""
        target = self._locate(path)
        with storage_errors(self._root):
            made = self._make_folders(target.parent)
            os.fchmod(content.fd, 0o444)  # a stored file never changes: refuse stray writes through its path
            os.fsync(content.fd)
            self._sync_names(made)  # after the file: its sync has often written the journal with them
            content.path.replace(target)
            _sync_folder(target.parent)

    def write_streams(self, contents: Sequence[tuple[StagedFile, StoragePath]]) -> None:
        """See `IStorageBackend`. Two syncs of the whole filesystem replace three for each file."""
        if not contents:
            return
        targets = [self._locate(path) for _, path in contents]
        folders = {target.parent for target in targets} - self._durable_folders
        with storage_errors(self._root):
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            for content, _ in contents:
                os.fchmod(content.fd, 0o444)
            # Through the file opened first: it reports every write error since then, of any of them.
            sync_filesystem(contents[0][0].fd)
            self._durable_folders |= folders
            for (content, _), target in zip(contents, targets, strict=True):
                content.path.replace(target)
            sync_filesystem(contents[0][0].fd)

    def read_stream(self, path: StoragePath) -> io.BufferedReader:
        """See `IStorageBackend`."""
        target = self._locate(path)
        with storage_errors(target):
            try:
                return io.BufferedReader(_StoredFile(target))
            except FileNotFoundError as error:
                missing = error
        raise missing

    def delete_file(self, path: StoragePath) -> None:
        """See `IStorageBackend`."""
        with storage_errors(self._root):
            self._locate(path).unlink(missing_ok=True)

    def exists(self, path: StoragePath) -> bool:
        """See `IStorageBackend`."""
        return self.size_bytes(path) is not None

    def size_bytes(self, path: StoragePath) -> int | None:
        """See `IStorageBackend`."""
        with storage_errors(self._root):
            try:
                status = self._locate(path).lstat()
            except FileNotFoundError:
                return None
            return status.st_size if stat.S_ISREG(status.st_mode) else None

    def uri(self, path: StoragePath) -> str:
        """See `IStorageBackend`."""
        return self._locate(path).as_uri()

    def list_files(self) -> Iterator[StoragePath]:
        """See `IStorageBackend`."""
        with storage_errors(self._root):
            for folder in _entries(self._root):
                for name in _entries(self._root / folder) if len(folder) == 2 else ():
                    path = StoragePath.parse(f"{folder}/{name}")
                    if path is not None and self.exists(path):
                        yield path

    def clear_leftovers(self, is_leased: Callable[[FileId], bool], dry_run: bool = False) -> Sequence[Leftover]:
        """See `IStorageBackend`."""
        folder = self._root / STAGING
        cleared = []
        with storage_errors(folder):
            for path in (folder / name for name in _entries(folder) if _STAGED_NAME.fullmatch(name)):
                with contextlib.suppress(FileNotFoundError):  # its writer ended meanwhile
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode) and remove_abandoned(path, dry_run):
                        cleared.append(Leftover(f"{STAGING}/{path.name}", status.st_size))
        return cleared

    def _locate(self, path: StoragePath) -> pathlib.Path:
        return self._root / str(path)

    def _make_folders(self, folder: pathlib.Path) -> Sequence[pathlib.Path]:
        """Create a folder of the root. Return the folders whose names may not survive a power cut yet.

        The first call returns all that exist: their creators may not have synced them. One sync of the root serves all.
        """
        if folder in self._durable_folders:
            return ()
        folder.mkdir(parents=True, exist_ok=True)
        if self._root in self._durable_folders:
            return (folder,)
        return [self._root, *(self._root / name for name in _entries(self._root))]

    def _sync_names(self, folders: Sequence[pathlib.Path]) -> None:
        for parent in dict.fromkeys(folder.parent for folder in folders):
            _sync_folder(parent)
        self._durable_folders.update(folders)


def sync_filesystem(descriptor: int) -> None:
    """Sync the whole filesystem of a descriptor. Errors of earlier write-backs are raised too."""
    if _syncfs(descriptor) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _entries(folder: pathlib.Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _sync_folder(folder: pathlib.Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some filesystems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
