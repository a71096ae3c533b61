"""What a type handler promises. Handlers turn values into bytes and back; nothing else knows how a value is laid out.

Standard library and core only: handlers name the types they serve as text, so no library is imported before a value of
it turns up.
"""

import dataclasses
from collections.abc import Mapping, Sequence
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
