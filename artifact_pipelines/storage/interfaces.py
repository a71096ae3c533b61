"""The promises of a storage backend. A class that keeps them can hold the bytes of a catalog.

Its test is a subclass of `StorageBackendContract` (`artifact_pipelines_tests/contracts/`).
"""

import dataclasses
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from artifact_pipelines.core.types import FileId, Leftover, StoragePath
from artifact_pipelines.storage.staging import StagedFile, StagingFile


class IStorageBackend(Protocol):
    """Bytes under paths. It decides nothing: the catalog settles beforehand which path may be written or deleted.

    At every moment and after every crash, a path is either absent or holds complete bytes. Many threads and processes
    may call every method at once. Every method raises a `BackendError` when the medium fails.
    """

    def stage(self) -> StagingFile:
        """Return a new sink for the bytes of one file. They are visible under no path."""
        ...

    def write_stream(self, content: StagedFile, path: StoragePath) -> None:
        """Put staged bytes under a path, replacing those that lie there. When it returns, they are durable.

        When it raises, the path is unchanged, or holds the complete bytes.
        """
        ...

    def write_streams(self, contents: Sequence[tuple[StagedFile, StoragePath]]) -> None:
        """Do as `write_stream` does for each, faster where the medium allows. All paths are different.

        When it returns, all are durable. When it raises, each path is unchanged, or holds the complete bytes.
        """
        ...

    def read_stream(self, path: StoragePath) -> io.BufferedReader:
        """Return a seekable stream of the bytes under a path.

        Raises:
            FileNotFoundError: The path is absent; the caller knows which file that is.
        """
        ...

    def delete_file(self, path: StoragePath) -> None:
        """Remove the bytes under a path. An absent path is no error."""
        ...

    def exists(self, path: StoragePath) -> bool:
        """True if bytes lie under a path."""
        ...

    def size_bytes(self, path: StoragePath) -> int | None:
        """Return the number of bytes under a path; None if it is absent."""
        ...

    def uri(self, path: StoragePath) -> str:
        """Return the URI of a path, for engines that read in place. It holds no credentials."""
        ...

    def list_files(self) -> Iterator[StoragePath]:
        """Yield every path that holds bytes, in no order, and skip names that are not well-formed paths."""
        ...

    def clear_leftovers(self, is_leased: Callable[[FileId], bool], dry_run: bool = False) -> Sequence[Leftover]:
        """Remove and return the leftovers of dead writers, such as staging files. Those of living writers stay.

        Args:
            is_leased: True for a file with an unexpired lease: its writer may be alive.
            dry_run: Return them without removing them.

        Raises:
            UnsupportedRequestError: The medium cannot list them.
        """
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class S3Credentials:
    """Keys that are valid now, and for some minutes more."""

    access_key_id: str = dataclasses.field(repr=False)
    secret_access_key: str = dataclasses.field(repr=False)
    session_token: str | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class S3Access:
    """How another engine reaches an S3 server.

    Attributes:
        endpoint_url: `http://…` or `https://…`; buckets are in the path, not in the host name.
        region: Such as `eu-central-1`.
        credentials: Returns the current ones, from any thread. Temporary ones are renewed, so nothing keeps them in a
            text that a plan, a log or a file could show.
    """

    endpoint_url: str
    region: str
    credentials: Callable[[], S3Credentials] = dataclasses.field(repr=False)


@runtime_checkable
class IReadInPlace(Protocol):
    """An optional capability of a backend: other engines read the `uri` of a path themselves, over the network."""

    def s3_access(self, path: StoragePath, size_bytes: int) -> S3Access | None:
        """Return how they reach the server; None if it answers them in a way that they refuse."""
        ...
