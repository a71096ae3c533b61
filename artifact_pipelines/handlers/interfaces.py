"""The promises of a type handler, which turns values into bytes and back. Nothing else knows the layout of a value.

Handlers name the types that they serve as text, so no library is imported before one of its values appears.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol, TypeGuard

from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.storage.artifact import Artifact


@dataclasses.dataclass(frozen=True, slots=True)
class ReadRequest:
    """The value that a stored file is to become.

    Attributes:
        type_name: The requested one of the handler's `reads`.
        annotation: The annotation itself, such as a user's class; for a union, the members that the handler reads.
        columns: Names of the columns to read of a table; None: all.
        file_name: Name of the file that was returned, if one was; safe to use in a folder.
    """

    type_name: str
    annotation: Any = None
    columns: Sequence[str] | None = None
    file_name: str | None = None


class IReader(Protocol):
    """Reads files of some formats back as values.

    Attributes:
        reads: Types it returns, as `package.Name` or `package.module.Name` (`polars.DataFrame`, `builtins.bytes`).
            Subclasses count: `ReadRequest.annotation` is the requested one.
        file_types: File types it reads, such as `csv` or, compressed, `csv.gzip`; empty: all.
        writes: Types it stores, named in the same way; subclasses count. Empty unless it is an `ITypeHandler` or an
            `IStreamHandler`.
    """

    @property
    def writes(self) -> Sequence[str]:
        """See above."""

    @property
    def reads(self) -> Sequence[str]:
        """See above."""

    @property
    def file_types(self) -> Sequence[str]:
        """See above."""

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        """Return the file's content as the requested type."""


class _IStoringHandler(IReader, Protocol):
    def describe(self, value: Any) -> FileDescription:
        """Return the description of the file that a value becomes."""

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        """Return facts of a stored file that need no extra scan: `row_count`, `columns`, `preview`, or nothing."""


class ITypeHandler(_IStoringHandler, Protocol):
    """Writes values of some types as files of one format, and reads them back. See also the members of its bases."""

    def write(self, value: Any, sink: BinaryIO) -> str | None:
        """Write a value in pieces to `sink`, which is write-only and not seekable.

        Equal values must become equal bytes, in every process and with any thread count, or have one hash.

        Returns:
            A hash of the value that does not depend on its encoding; None: its bytes identify it.
        """


class IStreamHandler(_IStoringHandler, Protocol):
    """Stores values that already are bytes, such as files, and reads them back. See also the members of its bases.

    It has `open`, and no `write`.
    """

    def open(self, value: Any) -> AbstractContextManager[BinaryIO]:
        """Return a context manager of a stream, to be stored from its current position to its end."""


def is_stream_handler(handler: object) -> TypeGuard[IStreamHandler]:
    """True if a handler stores values that already are bytes: it has `open`, and no `write`."""
    return hasattr(handler, "open") and not hasattr(handler, "write")
