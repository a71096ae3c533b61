"""What a type handler promises. Handlers turn values into bytes and back; nothing else knows how a value is laid out.

Standard library and core only: handlers name the types they serve as text, so no library is imported before a value of
it turns up.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, Protocol

from rich.filesize import decimal

from artifact_pipelines.core.s3_access import S3Access
from artifact_pipelines.core.types import FileDescription, FileInfo

_PIECE_BYTES = 1 << 20


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
        s3_access: Callable[[], S3Access | None] = lambda: None,
    ) -> None:
        self.info = info
        self.verify_reads = verify_reads
        self._uri = uri
        self._open_stream = open_stream
        self._s3_access = s3_access

    def __repr__(self) -> str:
        info = self.info
        kind = ".".join(filter(None, (info.file_type, info.compression_type)))
        digest = f"{info.hash_algorithm} {info.content_hash[:12]}..."
        return f"Artifact(file {info.file_id}, {kind}, {decimal(info.size_bytes)}, {digest})"

    def uri(self) -> str:
        """Return where its bytes lie (`file:///…` or `s3://…`), checked to be there, for engines that read in place."""
        return self._uri()

    def s3_access(self) -> S3Access | None:
        """Return how an engine reaches a `uri` of S3 by itself; None where the store is not on S3."""
        return self._s3_access()

    def open(self, verify: bool | None = None) -> BinaryIO:
        """Return a stream of its bytes; close it after use.

        Args:
            verify: Whether a read from start to end checks the hash, and raises `DamagedBytesError` at the end; None:
                as `verify_reads` says.
        """
        return self._open_stream(self.verify_reads if verify is None else verify)

    def verify(self) -> None:
        """Read all of it where reads are verified, for what reads it by its path, or only here and there.

        Raises:
            IntegrityError: It is missing or damaged.
        """
        if self.verify_reads:
            piece = bytearray(_PIECE_BYTES)
            with self.open() as stream:
                while stream.readinto(piece):  # type: ignore[attr-defined]  # it is a BufferedReader
                    pass


@dataclasses.dataclass(frozen=True, slots=True)
class ReadRequest:
    """What a stored file is to become.

    Attributes:
        type_name: The one of the handler's `reads` that was asked for.
        annotation: The annotation itself, such as a class of the user's; of a union, what the handler reads of it.
        columns: Names of the columns to read of a table; None: all.
    """

    type_name: str
    annotation: Any = None
    columns: Sequence[str] | None = None


class ITypeHandler(Protocol):
    """Writes values of some types as files of one format, and reads them back.

    Attributes:
        writes: Types it writes, as `package.Name` or `package.module.Name` (`polars.DataFrame`, `builtins.bytes`).
            Subclasses count.
        reads: Types it can give back. Subclasses count: `ReadRequest.annotation` says which one is wanted.
        file_types: File types it can read, `csv.gzip` where one is compressed; empty: every one.
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

    def write(self, value: Any, sink: BinaryIO) -> str | None:
        """Write a value in pieces. Equal values give the same bytes, in every process and with any thread count.

        `sink` is write-only and not seekable.

        Returns:
            A hash of the value that does not depend on how it is encoded; None: the bytes are what identifies it.
        """
        ...

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        """Return the file's content as the type that is requested."""
        ...

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        """Return what can be told of a stored file at no extra scan: `row_count`, `columns`, `preview`, or nothing."""
        ...
