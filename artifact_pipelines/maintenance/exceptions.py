"""Errors of maintenance: backups, stores and clean-ups that do not fit together."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import IntegrityError, NotFoundError, UsageError, listed


def _older_backups(file_ids: Sequence[int]) -> str:
    return f"Name another backup: --file-id N. Older ones that were found: {listed(file_ids)}."


@dataclasses.dataclass(eq=False)
class NoBackupError(NotFoundError):
    """No file in the store is a backup of a catalog, or the one that was named is not there."""

    where: str
    file_id: int | None = None
    unreadable: Sequence[int] = ()

    def __str__(self) -> str:
        unreadable = f" One may be among the files that cannot be read (check the disk): {listed(self.unreadable)}."
        rest = unreadable if self.unreadable else ""
        if self.file_id is not None:
            return f"File {self.file_id} is not in the store {self.where}. Leave out --file-id to take the newest backup there.{rest}"
        return (
            f"The store {self.where} holds no backup of a catalog. Check ARTIFACT_STORAGE_URL; without a backup, "
            f"`artifact-pipelines catalog rebuild` makes a catalog of the files alone.{rest}"
        )


@dataclasses.dataclass(eq=False)
class DamagedBackupError(IntegrityError):
    """A backup of a catalog does not have the hash in its key."""

    file_id: int
    uri: str
    expected: str
    found: str
    older: Sequence[int] = ()

    def __str__(self) -> str:
        return (
            f"Backup {self.file_id} at {self.uri} is damaged: expected {self.expected}, found {self.found}. "
            f"Nothing was restored. {_older_backups(self.older)}"
        )


@dataclasses.dataclass(eq=False)
class ForeignStoreError(IntegrityError):
    """A key of the store and the catalog's row of the same file ID have different content hashes."""

    key: str
    where: str
    expected_hash: str

    def __str__(self) -> str:
        return (
            f"{self.where} holds {self.key}, but in this catalog the file of that ID has content hash "
            f"{self.expected_hash}: this is the catalog of another store, or an old backup of it. Nothing was deleted. "
            "Check ARTIFACT_CATALOG_URL and ARTIFACT_STORAGE_URL, or bring the right catalog back with "
            "`artifact-pipelines catalog restore`."
        )


@dataclasses.dataclass(eq=False)
class NoCommonFileError(IntegrityError):
    """A store none of whose files is in the catalog, and a catalog none of whose files is in the store."""

    where: str
    stored_files: int
    known_files: int

    def __str__(self) -> str:
        return (
            f"{self.where} holds {self.stored_files} files, the catalog knows {self.known_files}, and none of them is "
            "the same: this is the catalog of another store. Nothing was deleted. Check ARTIFACT_CATALOG_URL and "
            "ARTIFACT_STORAGE_URL."
        )


@dataclasses.dataclass(eq=False)
class UnreadableBackupError(IntegrityError):
    """A file is no backup of a catalog, or an incomplete one."""

    uri: str
    problem: str
    older: Sequence[int] = ()

    def __str__(self) -> str:
        return f"{self.uri} cannot be restored: {self.problem}. Nothing was restored. {_older_backups(self.older)}"


@dataclasses.dataclass(eq=False)
class TooMuchToDeleteError(UsageError):
    """A clean-up would delete more of the store than anyone expects."""

    what: str
    files: int
    of_files: int
    size_bytes: int
    of_bytes: int
    allowed: str

    def __str__(self) -> str:
        return (
            f"{self.files:,} of {self.of_files:,} files ({self.size_bytes:,} of {self.of_bytes:,} bytes) would go as "
            f"{self.what}: more than the share of {self.allowed} that may go at once. Nothing of them was deleted. Look at "
            "them with `artifact-pipelines gc --dry-run`; if they may go, allow a larger share with `--max-share`."
        )


@dataclasses.dataclass(eq=False)
class OutdatedBackupError(UsageError):
    """A backup was made with another schema than the one of this version of the package."""

    uri: str
    found: str
    expected: str

    def __str__(self) -> str:
        return (
            f"The backup {self.uri} was made at schema revision {self.found}, this version of artifact_pipelines restores {self.expected}. "
            "Nothing was restored. Install the version that made it and run `artifact-pipelines catalog restore` with that, on an empty catalog; "
            "then install this version again, if it is the newer one, and run `artifact-pipelines db upgrade`."
        )
