"""What a storage backend promises. Whoever keeps these promises can hold the bytes of a catalog."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from artifact_pipelines.core.types import FileId, Leftover, StoragePath
from artifact_pipelines.storage.s3_access import S3Access
from artifact_pipelines.storage.staging import StagedFile, StagingFile


class IStorageBackend(Protocol):
    """Bytes under keys. It decides nothing: what may be written or deleted is settled in the catalog beforehand.

    A path is either absent or holds complete bytes, at every moment and after every crash. All methods may be called
    from many threads and processes at once. A `BackendError` is what any of them raises when the medium fails.
    """

    def stage(self) -> StagingFile:
        """Return a new sink for bytes on their way in. Nothing of it is visible under any path."""
        ...

    def write_stream(self, content: StagedFile, path: StoragePath) -> None:
        """Put staged bytes under a path, replacing what lies there. When it returns, they are durable.

        When it raises, the path is as it was, or holds the complete bytes.
        """
        ...

    def write_streams(self, contents: Sequence[tuple[StagedFile, StoragePath]]) -> None:
        """Do as `write_stream` does for each, all paths being different, and faster where the medium allows.

        When it returns, all are durable. When it raises, each path is as it was, or holds the complete bytes.
        """
        ...

    def read_stream(self, path: StoragePath) -> io.BufferedReader:
        """Return a seekable stream of the bytes under a path.

        Raises:
            FileNotFoundError: There are none; the caller knows which file that is.
        """
        ...

    def delete_file(self, path: StoragePath) -> None:
        """Remove what lies under a path; nothing there is no error."""
        ...

    def exists(self, path: StoragePath) -> bool:
        """Tell whether bytes lie under a path."""
        ...

    def size_bytes(self, path: StoragePath) -> int | None:
        """Return how many bytes lie under a path, or None."""
        ...

    def uri(self, path: StoragePath) -> str:
        """Return the URI of a path, for engines that read in place. It holds no credentials."""
        ...

    def list_files(self) -> Iterator[StoragePath]:
        """Yield every path that holds bytes, in no order. What is not well-formed is not ours, and left out."""
        ...

    def clear_leftovers(self, is_leased: Callable[[FileId], bool], dry_run: bool = False) -> Sequence[Leftover]:
        """Remove what writers that are gone left besides files, and return what it was; of living ones nothing.

        Args:
            is_leased: Tells whether an unexpired lease on a file exists: then its writer may be alive.
            dry_run: Only return it.
        """
        ...


@runtime_checkable
class IReadInPlace(Protocol):
    """A capability of a backend: engines other than ours read the `uri` of a path themselves, over the network."""

    def s3_access(self) -> S3Access:
        """Return how they reach the server."""
        ...
