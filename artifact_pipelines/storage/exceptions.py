"""Errors of storage: bytes that cannot be stored, read or trusted."""

import dataclasses

from artifact_pipelines.core.exceptions import BackendError, IntegrityError, SourceError, UsageError


@dataclasses.dataclass(eq=False)
class MissingBytesError(IntegrityError):
    """The catalog knows a file whose bytes are not in the store."""

    file_id: int
    uri: str

    def __str__(self) -> str:
        return (
            f"File {self.file_id} is in the catalog but its bytes are missing at {self.uri}. "
            "Check that the store is the one this catalog belongs to; creating the same content again heals it."
        )


@dataclasses.dataclass(eq=False)
class DamagedBytesError(IntegrityError):
    """A stored file does not have the size or hash recorded in the catalog."""

    file_id: int
    uri: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"File {self.file_id} at {self.uri} is damaged: expected {self.expected}, found {self.found}. "
            "Keep the damaged file as evidence, then restore it from a backup or create the same content again."
        )


@dataclasses.dataclass(eq=False)
class CatalogOlderThanStoreError(IntegrityError):
    """The store holds a file with an ID that the catalog has not given yet: the catalog is older than the store."""

    key: str
    where: str
    highest_file_id: int

    def __str__(self) -> str:
        return (
            f"{self.where} holds {self.key}, but the highest file ID that this catalog ever gave is "
            f"{self.highest_file_id}: the catalog is older than this store, or a new one in its place. Nothing was "
            "stored. If ARTIFACT_CATALOG_URL names the catalog of another store, correct it. If the catalog is lost, "
            "bring back its newest backup with `artifact-pipelines catalog restore`, or register the files in the "
            "store with `artifact-pipelines catalog rebuild`."
        )


@dataclasses.dataclass(eq=False)
class SourceUnreadableError(SourceError):
    """A file exists but cannot be read."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} cannot be read: {self.reason}. Give the pipeline's user read permission, or drop the file again."


@dataclasses.dataclass(eq=False)
class SourceVanishedError(SourceError):
    """A file did not exist, or disappeared while it was read."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} is gone, or never existed. Check the path. Leave files in a landing zone until they are ingested."


@dataclasses.dataclass(eq=False)
class SourceChangedError(SourceError):
    """A file changed while it was read."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} changed while it was read. Nothing was stored. A landing zone picks it up again once it no longer changes; write files elsewhere and move them in when they are complete."


@dataclasses.dataclass(eq=False)
class SourceStreamError(SourceError):
    """A stream raised while it was read."""

    reason: str
    offset_bytes: int

    def __str__(self) -> str:
        return f"The content stream failed after {self.offset_bytes:,} bytes: {self.reason}. Nothing was stored. Fix the source and create the file again."


@dataclasses.dataclass(eq=False)
class StorageFullError(BackendError):
    """No space is left where files are stored."""

    where: str

    def __str__(self) -> str:
        return f"No space is left in {self.where}. Nothing was stored. Free space there, or move the store (ARTIFACT_STORAGE_URL), and run again."


@dataclasses.dataclass(eq=False)
class UnwritableTargetError(BackendError):
    """A stored file cannot be copied to where the caller wants it."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where} cannot be written: {self.reason}. The stored file is intact. Free space there, correct its permissions, or name another place, and run again."


@dataclasses.dataclass(eq=False)
class StorageUnavailableError(BackendError):
    """The store failed."""

    where: str
    reason: str
    remedy: str = "Check the disk and its permissions, and run again."

    def __str__(self) -> str:
        return f"Storage failed at {self.where}: {self.reason}. Nothing new was stored. {self.remedy}"


@dataclasses.dataclass(eq=False)
class UnsupportedRequestError(UsageError):
    """The server of the store does not know a request."""

    where: str
    request: str
    answer: str

    def __str__(self) -> str:
        return f"The server of {self.where} does not support {self.request} (it answered {self.answer}). Nothing new was stored. Update the server, or use another one."
