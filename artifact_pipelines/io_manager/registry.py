"""Chooses the handler for a value or an annotation, by the names of its types: nothing is imported to compare."""

import dataclasses
import typing
from collections.abc import Sequence
from typing import Any

from artifact_pipelines.core.exceptions import UnsupportedTypeError, WrongFileTypeError
from artifact_pipelines.core.types import FileInfo
from artifact_pipelines.io_manager.annotations import is_open, without_none
from artifact_pipelines.io_manager.interfaces import Artifact, ITypeHandler, ReadRequest
from artifact_pipelines.io_manager.plain_handlers import (
    ArtifactHandler,
    BytesHandler,
    JsonHandler,
    PathHandler,
    TextHandler,
)
from artifact_pipelines.io_manager.table_handlers import ArrowHandler, DuckDBHandler, PolarsHandler

BUILT_IN: Sequence[ITypeHandler] = (
    PolarsHandler(),
    ArrowHandler(),
    DuckDBHandler(),
    BytesHandler(),
    TextHandler(),
    PathHandler(),
    JsonHandler(),
    ArtifactHandler(),
)
_WITHOUT_ANNOTATION = {"parquet": "polars.DataFrame", "json": "builtins.dict", "txt": "builtins.str"}


class TypeHandlers:
    """The handlers in use, the user's own before the built-in ones."""

    def __init__(self, own: Sequence[ITypeHandler] = ()) -> None:
        self._handlers = (*own, *BUILT_IN)

    def for_value(self, value: object) -> ITypeHandler:
        """Return the handler that writes a value.

        Raises:
            UnsupportedTypeError: There is none.
        """
        for name in type_names(type(value)):
            for handler in self._handlers:
                if name in handler.writes:
                    return handler
        supported = [name for handler in self._handlers for name in handler.writes]
        raise UnsupportedTypeError("store", _title(type(value)), _short(supported))

    def read(self, artifact: Artifact, annotation: Any = None, columns: Sequence[str] | None = None) -> Any:
        """Return a stored file as the type that an annotation asks for; without one, as its file type suggests.

        Raises:
            UnsupportedTypeError: No handler gives this type.
            WrongFileTypeError: None gives it from a file of this type.
        """
        wanted = _wanted_type(annotation, artifact.info)
        names = [wanted] if isinstance(wanted, str) else type_names(wanted)
        readers = [(handler, name) for name in names for handler in self._handlers if name in handler.reads]
        for handler, name in readers:
            if not handler.file_types or artifact.info.file_type in handler.file_types:
                return handler.read(artifact, ReadRequest(name, wanted, columns))
        if not readers:
            supported = [name for handler in self._handlers for name in handler.reads]
            raise UnsupportedTypeError("load", _title(wanted), _short(supported))
        readable = [kind for handler, _ in readers for kind in handler.file_types]
        raise WrongFileTypeError(artifact.info.file_id, artifact.info.file_type, _title(wanted), readable)


def type_names(kind: Any) -> Sequence[str]:
    """Return a class and its bases as `package.Name`, nearest first; `dataclass` comes last for dataclasses."""
    kind = typing.get_origin(kind) or kind
    if not isinstance(kind, type):
        return ()
    names = [f"{base.__module__.split('.')[0]}.{base.__qualname__}" for base in kind.__mro__]
    return [*names, "dataclass"] if dataclasses.is_dataclass(kind) else names


def _wanted_type(annotation: Any, info: FileInfo) -> Any:
    annotation = without_none(annotation)
    if is_open(annotation):
        plain = info.compression_type is None
        return _WITHOUT_ANNOTATION.get(info.file_type, "builtins.bytes") if plain else "builtins.bytes"
    return annotation


def _title(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)


def _short(names: Sequence[str]) -> Sequence[str]:
    return [name.removeprefix("builtins.") for name in dict.fromkeys(names)]
