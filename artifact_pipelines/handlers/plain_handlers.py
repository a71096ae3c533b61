"""Handlers for values whose bytes are stored unchanged: bytes, text, files and streams."""

import dataclasses
import inspect
import io
import os
import pathlib
import typing
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, BinaryIO, ClassVar

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.handlers.annotations import convert_to_subclass
from artifact_pipelines.handlers.exceptions import ContentMismatchError, UnstorablePathError, UnstorableValueError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.exceptions import SourceVanishedError
from artifact_pipelines.storage.file_types import describe_by_name, name_by_type, safe_file_name
from artifact_pipelines.storage.local_paths import named_path, stored_path
from artifact_pipelines.storage.source_file import SourceFile
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

STREAM = "stream"
"""The name, in a handler's `writes`, of any value that can be read as a stream."""

_PREVIEW_CHARACTERS = 500
_PIECE_BYTES = 1 << 20


def is_stream(value: object) -> bool:
    """True if a value, or those of a class, can be read as a stream. That of a ZipFile, say, needs an argument."""
    if hasattr(value, "readinto"):
        return True
    read = getattr(value, "read", None)
    try:
        parameters = list(inspect.signature(read).parameters.values()) if callable(read) else None
    except (TypeError, ValueError):  # written in C, without a signature
        return True
    if parameters is None:
        return False
    own = parameters[1:] if isinstance(value, type) else parameters
    return all(one.default is not one.empty or one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in own)


class _OpaqueHandler:
    """Files of any type, of which nothing is known."""

    file_types: ClassVar[Sequence[str]] = ()

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        return {}


class BytesHandler(_OpaqueHandler):
    """`bytes`, stored unchanged. Reading holds the whole file in memory, unlike a stream or a path."""

    writes = reads = ("builtins.bytes", "builtins.bytearray", "builtins.memoryview")

    def describe(self, value: bytes | bytearray | memoryview) -> FileDescription:
        return FileDescription("bin", "application/octet-stream")

    def write(self, value: bytes | bytearray | memoryview, sink: BinaryIO) -> None:
        if isinstance(value, memoryview):  # it may have any layout, and its length counts items
            value = value.cast("B") if value.c_contiguous and value.nbytes else value.tobytes()
        sink.write(value)

    def read(self, artifact: Artifact, request: ReadRequest) -> bytes | bytearray | memoryview:
        with artifact.open() as stream:
            data = stream.read()
        if request.type_name == "builtins.memoryview":
            return memoryview(data)
        found = bytearray(data) if request.type_name == "builtins.bytearray" else data
        return convert_to_subclass(found, artifact, request)


class TextHandler:
    """`str`, stored as UTF-8."""

    writes = reads = ("builtins.str",)
    file_types = tuple(
        "txt csv tsv json ndjson jsonl geojson yaml yml toml ini xml html svg md rst tex log sql py".split()  # noqa: SIM905
    )

    def describe(self, value: str) -> FileDescription:
        return FileDescription("txt", "text/plain")

    def write(self, value: str, sink: BinaryIO) -> None:
        try:
            sink.write(value.encode())
        except UnicodeEncodeError as error:
            problem = f"has a character that UTF-8 cannot encode, at {error.start:,} ({error.reason})"
            raise UnstorableValueError("UTF-8", (), "str", problem) from None  # the original error shows the character

    def read(self, artifact: Artifact, request: ReadRequest) -> str:
        with artifact.open() as stream:
            data = stream.read()
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            problem = f"it is not UTF-8 ({error.reason} at byte {error.start:,})"
            remedy = "Annotate bytes or pathlib.Path, and decode it yourself."
            raise ContentMismatchError(artifact.info.file_id, "str", problem, remedy) from error
        return convert_to_subclass(text, artifact, request)

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        with artifact.open() as stream:
            return {"preview": stream.read(4 * _PREVIEW_CHARACTERS).decode(errors="replace")[:_PREVIEW_CHARACTERS]}


class PathHandler(_OpaqueHandler):
    """`pathlib.Path`: the file that it names is stored unchanged; on reading, the path of a read-only file.

    That is a link with the name of the returned file, or else with the extensions of its type, to the stored file on
    local disk or to a copy of it. Link and copy are removed when the process ends.
    """

    writes = reads = ("pathlib.Path",)

    def describe(self, value: pathlib.Path) -> FileDescription:
        return _named(value.name)

    def open(self, value: pathlib.Path) -> SourceFile:
        if os.path.isdir(value):  # noqa: PTH112 - it never raises
            problem = "it is a folder, and a returned path stands for the one file that it names"
            raise UnstorablePathError(str(value), problem, "Return a file, such as Path(shutil.make_archive(...))")
        try:
            return SourceFile(value)
        except SourceVanishedError:
            remedy = "Write the file before you return its path"
            raise UnstorablePathError(str(value), "there is no such file", remedy) from None

    def read(self, artifact: Artifact, request: ReadRequest) -> pathlib.Path:
        if stored_path(artifact):
            artifact.verify()  # later reads by path are not verified; copying verifies
        info = artifact.info
        by_type = name_by_type("file", info.file_type, info.compression_type)  # readers of a path look at its suffix
        return named_path(artifact, safe_file_name(request.file_name or "") or by_type)


class StreamHandler(_OpaqueHandler):
    """Binary streams, stored from their current position to their end, and closed.

    Any object with `read` or `readinto` that returns bytes. On reading, a stream that is verified when it is read from
    start to end; close it after use.
    """

    writes = (STREAM,)
    reads = (
        *("typing.BinaryIO", "typing.IO", "io.IOBase", "io.RawIOBase", "io.BufferedIOBase"),
        *("_io.BufferedReader", "_io.BytesIO"),
    )

    def describe(self, value: Any) -> FileDescription:
        if isinstance(value, io.TextIOBase):
            raise InvalidArgumentError("stream", type(value), "binary: open the file with mode 'rb', or return a str")
        if getattr(value, "closed", False):
            expected = "open: return it without closing it; it is closed after it is stored"
            raise InvalidArgumentError("stream", type(value), expected)
        name = getattr(value, "name", None)
        return _named(pathlib.PurePath(name).name if isinstance(name, str) else "")

    def open(self, value: Any) -> AbstractContextManager[BinaryIO]:
        return closing(value) if hasattr(value, "close") else nullcontext(value)

    def read(self, artifact: Artifact, request: ReadRequest) -> BinaryIO:
        wanted = request.annotation
        if isinstance(wanted, type) and f"{wanted.__module__}.{wanted.__qualname__}" not in self.reads:
            raise UnsupportedTypeError("load", wanted.__qualname__, ["typing.BinaryIO", "io.BytesIO"])
        if str in typing.get_args(wanted):
            supported = ["typing.BinaryIO, and io.TextIOWrapper around it", "str"]
            raise UnsupportedTypeError("load", "a text stream", supported)
        if request.type_name == "_io.BytesIO":
            with artifact.open() as stream:
                return io.BytesIO(stream.read())
        return _ArtifactStream(typing.cast("io.RawIOBase", artifact.open()), _PIECE_BYTES)


class _ArtifactStream(io.BufferedReader, typing.BinaryIO):
    """A stream that is an instance of `typing.BinaryIO`: Dagster checks that."""


class ArtifactHandler(_OpaqueHandler):
    """`Artifact`: a handle on the stored file, with its catalog facts; reading it moves no bytes."""

    writes = ()
    reads = ("artifact_pipelines.Artifact",)

    def read(self, artifact: Artifact, request: ReadRequest) -> Artifact:
        return artifact


def _named(name: str) -> FileDescription:
    """Return the description of a file that has a name; the name stays with the materialization."""
    return dataclasses.replace(describe_by_name(name), file_name=safe_file_name(name))
