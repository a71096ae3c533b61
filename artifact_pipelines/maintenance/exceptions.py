"""Errors of maintenance: missing or damaged backups, catalogs of other stores, clean-ups that are too large."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import BackendError, IntegrityError, NotFoundError, UsageError, listed
from artifact_pipelines.core.wording import counted


def _older_backups(file_ids: Sequence[int]) -> str:
    return f"Name another backup: --file-id N. Older backups: {listed(file_ids)}."


@dataclasses.dataclass(eq=False)
class NoBackupError(NotFoundError):
    """The store holds no backup of a catalog, or not the one that was named."""

    where: str
    file_id: int | None = None
    unreadable: Sequence[int] = ()

    def __str__(self) -> str:
        unreadable = f" Unreadable files, among which a backup may be (check the disk): {listed(self.unreadable)}."
        rest = unreadable if self.unreadable else ""
        if self.file_id is not None:
            return f"File {self.file_id} is not in the store {self.where}. Leave out --file-id to restore the newest backup.{rest}"
        return (
            f"The store {self.where} holds no backup of a catalog. Check ARTIFACT_STORAGE_URL; without a backup, "
            f"`artifact-pipelines catalog rebuild` creates a catalog from the files alone.{rest}"
        )


@dataclasses.dataclass(eq=False)
class DamagedBackupError(IntegrityError):
    """The content of a backup does not have the hash in its key."""

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
    """Store and catalog have different contents under one file ID, or both have files and none in common."""

    where: str
    stored: str
    known: str

    def __str__(self) -> str:
        return (
            f"{self.where} holds {self.stored}, but the catalog knows {self.known}: it belongs to another store, or is "
            "an old backup. Nothing was deleted. Check ARTIFACT_CATALOG_URL and ARTIFACT_STORAGE_URL, or restore the "
            "right catalog: `artifact-pipelines catalog restore`."
        )


@dataclasses.dataclass(eq=False)
class UnreadableBackupError(IntegrityError):
    """A file is not a backup of a catalog, or an incomplete one."""

    uri: str
    problem: str
    older: Sequence[int] = ()

    def __str__(self) -> str:
        return f"{self.uri} cannot be restored: {self.problem}. Nothing was restored. {_older_backups(self.older)}"


@dataclasses.dataclass(eq=False)
class TooMuchToDeleteError(UsageError):
    """A clean-up would delete an unexpectedly large share of the store."""

    what: str
    files: int
    of_files: int
    size_bytes: int
    of_bytes: int
    allowed: str

    def __str__(self) -> str:
        return (
            f"{self.files:,} of {counted(self.of_files, 'file')} ({self.size_bytes:,} of {self.of_bytes:,} bytes) would be deleted "
            f"as {self.what}: more than the allowed share of {self.allowed}. None of them was deleted. List them: "
            "`artifact-pipelines gc --dry-run`. If they may be deleted, allow a larger share with `--max-share`."
        )


@dataclasses.dataclass(eq=False)
class OutdatedBackupError(UsageError):
    """A backup was made with another schema than this version of the package uses."""

    uri: str
    found: str
    expected: str

    def __str__(self) -> str:
        return (
            f"The backup {self.uri} has schema revision {self.found}; this version of artifact_pipelines restores {self.expected}. "
            "Nothing was restored. Install the version that made it and run `artifact-pipelines catalog restore` on an empty catalog. "
            "If the present version is the newer one, install it again and run `artifact-pipelines db upgrade`."
        )


@dataclasses.dataclass(eq=False)
class HeldVersionsError(UsageError):
    """Versions to remove are pinned or tagged."""

    versions: Sequence[str]
    remedies: Sequence[str]

    def __str__(self) -> str:
        return f"Pinned or tagged, so nothing was released: {listed(self.versions)}. First run: {'; '.join(self.remedies)}."


@dataclasses.dataclass(eq=False)
class AlertNotSentError(BackendError):
    """Nobody took the message that a run failed."""

    host: str
    run_id: str
    reason: str

    def __str__(self) -> str:
        return (
            f"The alert about run {self.run_id} was not sent: {self.host} did not take it ({self.reason}). Check "
            "ARTIFACT_ALERT_URL, and that this machine reaches the host."
        )
