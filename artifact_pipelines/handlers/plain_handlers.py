"""Handlers for values whose bytes are stored as they are: bytes, text, files and streams."""

import io
import pathlib
import typing
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, BinaryIO

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.handlers.annotations import convert_to_subclass
from artifact_pipelines.handlers.exceptions import ContentMismatchError, UnstorableValueError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.file_types import describe_by_name
from artifact_pipelines.storage.local_copies import lasting_path, stored_path
from artifact_pipelines.storage.source_file import SourceFile
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

STREAM = "stream"
"""Stands for any value that can be read as a stream, in what a handler `writes`."""

_PREVIEW_CHARACTERS = 500
_PIECE_BYTES = 1 << 20


class BytesHandler:
    """`bytes`, stored as they are. Reading holds the whole file in memory: a stream or a path does not."""

    writes = ("builtins.bytes", "builtins.bytearray", "builtins.memoryview")
    reads = ("builtins.bytes", "builtins.bytearray", "builtins.memoryview")
    file_types = ()

    def describe(self, value: bytes | bytearray | memoryview) -> FileDescription:
        return FileDescription("bin", "application/octet-stream")

    def write(self, value: bytes | bytearray | memoryview, sink: BinaryIO) -> None:
        if isinstance(value, memoryview):  # of any layout, and counted in items, not bytes
            value = value.cast("B") if value.c_contiguous and value.nbytes else value.tobytes()
        sink.write(value)

    def read(self, artifact: Artifact, request: ReadRequest) -> bytes | bytearray | memoryview:
        with artifact.open() as stream:
            data = stream.read()
        if request.type_name == "builtins.memoryview":
            return memoryview(data)
        found = bytearray(data) if request.type_name == "builtins.bytearray" else data
        return convert_to_subclass(found, artifact, request)

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        return {}


class TextHandler:
    """`str`, stored as UTF-8."""

    writes = ("builtins.str",)
    reads = ("builtins.str",)
    file_types = (
        *(
            "txt",
            "csv",
            "tsv",
            "json",
            "ndjson",
            "jsonl",
            "geojson",
            "yaml",
            "yml",
            "toml",
            "ini",
            "xml",
            "html",
            "svg",
        ),
        *("md", "rst", "tex", "log", "sql", "py"),
    )

    def describe(self, value: str) -> FileDescription:
        return FileDescription("txt", "text/plain")

    def write(self, value: str, sink: BinaryIO) -> None:
        try:
            sink.write(value.encode())
        except UnicodeEncodeError as error:
            problem = f"has a character that UTF-8 cannot encode, at {error.start:,} ({error.reason})"
            raise UnstorableValueError("UTF-8", (), "str", problem) from None  # the error below shows the character

    def read(self, artifact: Artifact, request: ReadRequest) -> str:
        with artifact.open() as stream:
            data = stream.read()
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            problem = f"it is not UTF-8 ({error.reason} at byte {error.start:,})"
            remedy = "Annotate bytes or pathlib.Path, and decode it as what it is."
            raise ContentMismatchError(artifact.info.file_id, "str", problem, remedy) from error
        return convert_to_subclass(text, artifact, request)

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        with artifact.open() as stream:
            return {"preview": stream.read(4 * _PREVIEW_CHARACTERS).decode(errors="replace")[:_PREVIEW_CHARACTERS]}


class PathHandler:
    """`pathlib.Path`: the file it names is stored as it is; read back it is the path of a read-only file.

    That is the stored file itself on local disk, elsewhere a copy that goes when the process ends.
    """

    writes = ("pathlib.Path",)
    reads = ("pathlib.Path",)
    file_types = ()

    def describe(self, value: pathlib.Path) -> FileDescription:
        return describe_by_name(value.name)

    def open(self, value: pathlib.Path) -> SourceFile:
        return SourceFile(value)

    def read(self, artifact: Artifact, request: ReadRequest) -> pathlib.Path:
        path = stored_path(artifact)
        if path is None:
            return lasting_path(artifact)  # to copy is to read, which verifies
        artifact.verify()  # nobody knows who reads it, when and how
        return path

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        return {}


class StreamHandler:
    """Binary streams, stored from where they stand to their end, and closed.

    Anything with `read` or `readinto` that gives bytes. Read back, it is a stream that is verified when it is read from
    start to end; close it after use.
    """

    writes = (STREAM,)
    reads = (
        *("typing.BinaryIO", "typing.IO", "io.IOBase", "io.RawIOBase", "io.BufferedIOBase"),
        *("_io.BufferedReader", "_io.BytesIO"),
    )
    file_types = ()

    def describe(self, value: Any) -> FileDescription:
        if isinstance(value, io.TextIOBase):
            raise InvalidArgumentError(
                "stream", type(value), "a binary one: open the file with mode 'rb', or return a str"
            )
        if getattr(value, "closed", False):
            raise InvalidArgumentError(
                "stream", type(value), "an open one: return it without closing it, which is done for you"
            )
        name = getattr(value, "name", None)
        return describe_by_name(pathlib.PurePath(name).name if isinstance(name, str) else "")

    def open(self, value: Any) -> AbstractContextManager[BinaryIO]:
        return closing(value) if hasattr(value, "close") else nullcontext(value)

    def read(self, artifact: Artifact, request: ReadRequest) -> BinaryIO:
        wanted = request.annotation
        if isinstance(wanted, type) and f"{wanted.__module__}.{wanted.__qualname__}" not in self.reads:
            supported = ["typing.BinaryIO", "io.BytesIO"]
            raise UnsupportedTypeError("load", wanted.__qualname__, supported)  # a class that we cannot make one of
        if str in typing.get_args(wanted):
            raise UnsupportedTypeError(
                "load", "a text stream", ["typing.BinaryIO, and io.TextIOWrapper around it", "str"]
            )
        if request.type_name == "_io.BytesIO":
            with artifact.open() as stream:
                return io.BytesIO(stream.read())
        return _ArtifactStream(typing.cast("io.RawIOBase", artifact.open()), _PIECE_BYTES)

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        return {}


class _ArtifactStream(io.BufferedReader, typing.BinaryIO):  # what Dagster looks for
    """A stream that is of the type `typing.BinaryIO`, which other streams are in name only."""


class ArtifactHandler:
    """`Artifact`: what the catalog knows of a file and ways to reach its bytes; reading it moves none."""

    writes = ()
    reads = ("artifact_pipelines.Artifact",)
    file_types = ()

    def read(self, artifact: Artifact, request: ReadRequest) -> Artifact:
        return artifact
