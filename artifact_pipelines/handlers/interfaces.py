"""What a type handler promises. Handlers turn values into bytes and back; nothing else knows how a value is laid out.

Standard library and core only: handlers name the types they serve as text, so no library is imported before a value of
it turns up.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol

from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.storage.artifact import Artifact


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


class IReader(Protocol):
    """Reads files of some formats back as values.

    Attributes:
        reads: Types it can give back, as `package.Name` or `package.module.Name` (`polars.DataFrame`,
            `builtins.bytes`). Subclasses count: `ReadRequest.annotation` says which one is wanted.
        file_types: File types it can read, `csv.gzip` where one is compressed; empty: every one.
        writes: Types it stores, named like those of `reads`; subclasses count. None unless it is an `ITypeHandler` or
            an `IStreamHandler`.
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

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        """Return the file's content as the type that is requested."""
        ...


class _IStoringHandler(IReader, Protocol):
    def describe(self, value: Any) -> FileDescription:
        """Return the description of the file that a value becomes."""
        ...

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        """Return facts of a stored file that cost no extra scan: `row_count`, `columns`, `preview`, or nothing."""
        ...


class ITypeHandler(_IStoringHandler, Protocol):
    """Writes values of some types as files of one format, and reads them back: its members are above, and `write`."""

    def write(self, value: Any, sink: BinaryIO) -> str | None:
        """Write a value in pieces. Equal values give the same bytes, in every process and with any thread count.

        `sink` is write-only and not seekable.

        Returns:
            A hash of the value that does not depend on how it is encoded; None: the bytes are what identifies it.
        """
        ...


class IStreamHandler(_IStoringHandler, Protocol):
    """Stores values that are bytes already, such as files, and reads them back."""

    def open(self, value: Any) -> AbstractContextManager[BinaryIO]:
        """Return a `with` block of a stream of the value's bytes, stored from its position to its end."""
        ...
