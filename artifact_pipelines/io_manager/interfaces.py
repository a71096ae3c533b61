"""What a type handler promises. Handlers turn values into bytes and back; nothing else knows how a value is laid out.

Standard library and core only: handlers name the types they serve as text, so no library is imported before a value of
it turns up.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, Protocol

from artifact_pipelines.core.types import FileDescription, FileInfo


class Artifact:
    """A stored file: what the catalog knows of it, and its bytes on request.

    Attributes:
        info: What the catalog knows of it.
        verify_reads: Whether reading all of it checks its hash.
    """

    def __init__(
        self,
        info: FileInfo,
        uri: Callable[[], str],
        open_stream: Callable[[bool], BinaryIO],
        verify_reads: bool = True,
    ) -> None:
        self.info = info
        self.verify_reads = verify_reads
        self._uri = uri
        self._open_stream = open_stream

    def uri(self) -> str:
        """Return where its bytes lie (`file:///…` or `s3://…`), checked to be there, for engines that read in place."""
        return self._uri()

    def open(self, verify: bool | None = None) -> BinaryIO:
        """Return a stream of its bytes; close it after use.

        Args:
            verify: Whether a read from start to end checks the hash, and raises `DamagedBytesError` at the end; None:
                as `verify_reads` says.
        """
        return self._open_stream(self.verify_reads if verify is None else verify)


class ITypeHandler(Protocol):
    """Writes values of some types as files of one format, and reads them back.

    Attributes:
        writes: Types it writes, as `package.Name` (`polars.DataFrame`, `builtins.bytes`). Subclasses count.
        reads: Types it can give back.
        file_types: File types it can read; empty: every one.
    """

    @property
    def writes(self) -> Sequence[str]:
        """See above."""
        ...

    @property
    def reads(self) -> Sequence[str]:
        """See above."""
        ...

    @property
    def file_types(self) -> Sequence[str]:
        """See above."""
        ...

    def describe(self, value: Any) -> FileDescription:
        """Say what kind of file a value becomes."""
        ...

    def write(self, value: Any, sink: BinaryIO) -> None:
        """Write a value in pieces. Equal values give the same bytes, in every process and with any thread count.

        `sink` is write-only and not seekable.
        """
        ...

    def read(self, artifact: Artifact, type_name: str) -> Any:
        """Return the file's content as the type named, one of `reads`."""
        ...

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        """Return what can be told of a stored file at no extra scan: `row_count`, `columns`, `preview`, or nothing."""
        ...
