"""Handlers for values that are not tables: bytes, text, files and JSON values."""

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any, BinaryIO

from artifact_pipelines.core.exceptions import InvalidArgumentError, UnsupportedTypeError
from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.io_manager.interfaces import Artifact, ReadRequest
from artifact_pipelines.io_manager.local_copies import lasting_path, stored_path
from artifact_pipelines.storage.description import describe

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".xz": "xz", ".zip": "zip"}
_PREVIEW_CHARACTERS = 500
_PIECE_BYTES = 1 << 20


class BytesHandler:
    """`bytes`, stored as they are. Reading holds the whole file in memory: a stream or a path does not."""

    writes = ("builtins.bytes", "builtins.bytearray")
    reads = ("builtins.bytes",)
    file_types = ()

    def describe(self, value: bytes) -> FileDescription:
        return FileDescription("bin", "application/octet-stream")

    def write(self, value: bytes, sink: BinaryIO) -> None:
        sink.write(value)

    def read(self, artifact: Artifact, request: ReadRequest) -> bytes:
        with artifact.open() as stream:
            return stream.read()

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        return {}


class TextHandler:
    """`str`, stored as UTF-8."""

    writes = ("builtins.str",)
    reads = ("builtins.str",)
    file_types = ("txt", "csv", "tsv", "json", "ndjson", "html", "svg", "md")

    def describe(self, value: str) -> FileDescription:
        return FileDescription("txt", "text/plain")

    def write(self, value: str, sink: BinaryIO) -> None:
        try:
            sink.write(value.encode())
        except UnicodeEncodeError as error:
            raise InvalidArgumentError("text", value, f"text that UTF-8 can encode ({error.reason})") from error

    def read(self, artifact: Artifact, request: ReadRequest) -> str:
        with artifact.open() as stream:
            return stream.read().decode()

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
        suffix = value.suffix.lower()
        compression = _COMPRESSIONS.get(suffix)
        plain = pathlib.Path(value.stem).suffix.lower() if compression else suffix
        return describe(_type_name(plain), compression_type=compression)

    def write(self, value: pathlib.Path, sink: BinaryIO) -> None:
        with value.open("rb") as stream:
            shutil.copyfileobj(stream, sink, _PIECE_BYTES)

    def read(self, artifact: Artifact, request: ReadRequest) -> pathlib.Path:
        path = stored_path(artifact)
        if path is None:
            return lasting_path(artifact)  # to copy is to read, which verifies
        if artifact.verify_reads:  # nobody knows who reads it, when and how
            with artifact.open() as stream:
                while stream.read(_PIECE_BYTES):
                    pass
        return path

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        return {}


class ArtifactHandler:
    """`Artifact`: what the catalog knows of a file and ways to reach its bytes; reading it moves none."""

    writes = ()
    reads = ("artifact_pipelines.Artifact",)
    file_types = ()

    def describe(self, value: object) -> FileDescription:
        raise UnsupportedTypeError("store", "Artifact", ["its bytes, as a stream or a path"])

    def write(self, value: object, sink: BinaryIO) -> None:
        raise UnsupportedTypeError("store", "Artifact", ["its bytes, as a stream or a path"])

    def read(self, artifact: Artifact, request: ReadRequest) -> Artifact:
        return artifact

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        return {}


class JsonHandler:
    """JSON values, dataclasses and pydantic models, stored as JSON with sorted keys: equal values, equal bytes."""

    writes = (
        "builtins.dict",
        "builtins.list",
        "builtins.tuple",
        "builtins.bool",
        "builtins.int",
        "builtins.float",
        "builtins.NoneType",
        "dataclass",
        "pydantic.BaseModel",
    )
    reads = ("builtins.dict", "builtins.list", "builtins.bool", "builtins.int", "builtins.float", "builtins.NoneType")
    file_types = ("json",)

    def describe(self, value: object) -> FileDescription:
        return FileDescription("json", "application/json")

    def write(self, value: object, sink: BinaryIO) -> None:
        try:
            encoder = json.JSONEncoder(
                ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), default=_plain
            )
            for piece in encoder.iterencode(value):
                sink.write(piece.encode())
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError("value", value, f"a value that JSON can hold ({error})") from error

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        with artifact.open() as stream:
            return json.load(stream)

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        if artifact.info.size_bytes > 1 << 16:
            return {}
        return {"preview": self.read(artifact, ReadRequest("builtins.dict"))}


def _type_name(suffix: str) -> str:
    name = suffix.removeprefix(".")
    return name if name.isascii() and name.isalnum() and len(name) <= 32 else "bin"


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON")
