"""Write values with their handlers and read them back, with a plain folder in place of a store."""

import datetime
import io
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

from artifact_pipelines.core.types import FileDescription, FileId, FileInfo, FileState, StoragePath
from artifact_pipelines.handlers.containers import Container, split_container
from artifact_pipelines.handlers.interfaces import ITypeHandler, is_stream_handler
from artifact_pipelines.handlers.registry import WRITTEN_AS, TypeHandlers
from artifact_pipelines.storage.artifact import Artifact

_NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def write_value(value: Any, sink: BinaryIO) -> str | None:
    """Write the bytes of a value; return its logical hash, if it has one."""
    handler = TypeHandlers().find_writer(value)[0]
    if not is_stream_handler(handler):
        return cast("ITypeHandler", handler).write(value, sink)
    with handler.open(value) as stream:
        shutil.copyfileobj(stream, sink)
    return None


def written(value: Any) -> tuple[FileDescription, bytes]:
    """Return the description and the bytes of a value."""
    description, sink = TypeHandlers().find_writer(value)[0].describe(value), io.BytesIO()
    write_value(value, sink)
    return description, sink.getvalue()


def keep(folder: pathlib.Path, data: bytes, file_type: str, compression_type: str | None = None) -> Artifact:
    """Return an artifact of these bytes, kept in a folder."""
    file_id = len(list(folder.iterdir())) + 1
    path = folder / str(file_id)
    path.write_bytes(data)
    info = FileInfo(
        file_id=FileId(file_id),
        content_hash="0" * 64,
        hash_algorithm="blake3",
        size_bytes=len(data),
        file_type=file_type,
        mime_type=None,
        compression_type=compression_type,
        storage_path=StoragePath("0" * 64, FileId(file_id)),
        state=FileState.STORED,
        reference_count=1,
        metadata={},
        created_at=_NOW,
        stored_at=_NOW,
        verified_at=None,
    )
    return Artifact(info, path.as_uri, lambda verify: path.open("rb"))


def stored(folder: pathlib.Path, value: Any) -> Artifact:
    """Return an artifact of a value, kept in a folder."""
    description, data = written(value)
    return keep(folder, data, description.file_type)


def stored_value(folder: pathlib.Path, value: Any) -> tuple[list[Artifact], Mapping[str, Any]]:
    """Return the artifacts of a value, several for a container, and the metadata that a materialization of it has."""
    handlers = TypeHandlers()
    split = split_container(value, handlers)
    if split is None:
        written_as = handlers.find_writer(value)[1]
        return [stored(folder, value)], {WRITTEN_AS: written_as} if written_as else {}
    kind, members = split
    form = Container(kind, tuple(members), tuple(handlers.find_writer(member)[1] for member in members.values()))
    return [stored(folder, member) for member in members.values()], form.to_metadata()


def round_trip(folder: pathlib.Path, value: Any, annotation: Any) -> Any:
    """Return a value as it is read back with an annotation."""
    return TypeHandlers().read(stored(folder, value), annotation)
