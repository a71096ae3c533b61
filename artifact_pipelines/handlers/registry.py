"""Which handler writes a value, and which one reads a stored file as the type that was asked for.

Types are compared by name, so nothing is imported to find out.
"""

import dataclasses
import importlib.util
import sys
import types
import typing
from collections.abc import Sequence
from typing import Any, cast

from artifact_pipelines.core.exceptions import InvalidArgumentError, UsageError
from artifact_pipelines.core.types import FileInfo
from artifact_pipelines.handlers.annotations import is_open
from artifact_pipelines.handlers.exceptions import WrongFileTypeError
from artifact_pipelines.handlers.interfaces import IReader, IStreamHandler, ITypeHandler, ReadRequest
from artifact_pipelines.handlers.json_handler import JsonHandler
from artifact_pipelines.handlers.pandas_handler import PandasHandler
from artifact_pipelines.handlers.plain_handlers import (
    STREAM,
    ArtifactHandler,
    BytesHandler,
    PathHandler,
    StreamHandler,
    TextHandler,
)
from artifact_pipelines.handlers.table_handlers import ArrowHandler, DuckDBHandler, PolarsHandler
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

BUILT_IN: Sequence[IReader] = (
    PolarsHandler(),
    ArrowHandler(),
    DuckDBHandler(),
    PandasHandler(),
    BytesHandler(),
    TextHandler(),
    PathHandler(),
    JsonHandler(),
    StreamHandler(),
    ArtifactHandler(),
)
_WITHOUT_ANNOTATION = {"parquet": "polars.DataFrame", "json": "builtins.dict", "txt": "builtins.str"}
# Left out where people are told what there is: another name in the same group says enough.
_UNTOLD = {
    *("builtins.bytearray", "builtins.memoryview", "collections.Mapping", "collections.Sequence"),
    *("typing.IO", "io.IOBase", "io.RawIOBase", "io.BufferedIOBase", "_io.BufferedReader", "_io.BytesIO"),
}
_READ_ONCE = ("pyarrow.RecordBatchReader",)  # whoever asks for nothing does not ask for that
WRITTEN_AS = "written_as"
"""Key in a materialization's metadata: what `TypeHandlers.type_of` said of the value."""

_METHODS = ("describe", "write", "read", "facts")
_STREAM_METHODS = ("describe", "open", "read", "facts")
_registered: list[ITypeHandler] = []


def register_type_handler(handler: ITypeHandler) -> None:
    """Make a type of your own storable, for every IO manager and `Store` of this process.

    Call it where the module of your type or your definitions is imported: each process of a run imports these. The
    newest handler comes first, the built-in ones last; one of the same class again, as when a module is loaded anew,
    takes the place of the earlier one. What each member must do, `ITypeHandler` says.

        class PolygonHandler:
            writes = reads = ("shapely.Polygon",)
            file_types = ("wkb",)

            def describe(self, value):
                return FileDescription("wkb", "application/wkb")

            def write(self, value, sink):
                sink.write(shapely.to_wkb(value))

            def read(self, artifact, request):
                with artifact.open() as stream:
                    return shapely.from_wkb(stream.read())

            def facts(self, artifact):
                return {}

        register_type_handler(PolygonHandler())

    Raises:
        InvalidArgumentError: It is not of the form of `ITypeHandler`.
    """
    _check_handler(handler)
    name = _class_name(handler)
    _registered[:] = [handler, *(other for other in _registered if _class_name(other) != name)]


class TypeHandlers:
    """The handlers in use: these first, then the registered ones, then the built-in ones."""

    def __init__(self, own: Sequence[ITypeHandler] = ()) -> None:
        for handler in own:
            _check_handler(handler)
        self._own = tuple(own)

    @property
    def _handlers(self) -> Sequence[IReader]:
        return (*self._own, *_registered, *BUILT_IN)

    def for_value(self, value: object) -> ITypeHandler | IStreamHandler:
        """Return the handler that writes a value.

        Raises:
            UnsupportedTypeError: There is none.
        """
        return self._writer(value)[0]

    def type_of(self, value: object) -> str | None:
        """Return the name of the type that a value is loaded as where nobody says; None: as its file suggests.

        Raises:
            UnsupportedTypeError: No handler writes it.
        """
        handler, name = self._writer(value)
        return name if name in handler.reads and name not in _READ_ONCE else None

    def _writer(self, value: object) -> tuple[ITypeHandler | IStreamHandler, str]:
        is_stream = hasattr(value, "read") or hasattr(value, "readinto")
        for name in (*type_names(type(value)), *([STREAM] if is_stream else [])):
            for handler in self._handlers:
                if name in handler.writes:
                    return cast("ITypeHandler | IStreamHandler", handler), name
        raise UnsupportedTypeError("store", _title(type(value)), _groups([h.writes for h in self._handlers]))

    def read(
        self,
        artifact: Artifact,
        annotation: Any = None,
        columns: Sequence[str] | None = None,
        written_as: str | None = None,
    ) -> Any:
        """Return a stored file as the type that an annotation asks for; without one, as what was stored.

        Args:
            artifact: The stored file.
            annotation: What is asked for.
            columns: Of a table, the columns that are wanted.
            written_as: What `type_of` said of the value; where that is not known or not installed here, a file of
                this type suggests what it is.

        Raises:
            InvalidArgumentError: `columns` are not names of columns.
            UnsupportedTypeError: No handler gives this type.
            WrongFileTypeError: None gives it from a file of this type.
        """
        columns = _checked_columns(columns)
        can_be = written_as is not None and self._can_read(written_as, artifact.info)
        wanted = _members(written_as if is_open(annotation) and can_be else annotation, artifact.info)
        readers = [found for kind in wanted for found in self._readers(kind)]
        for handler, name in readers:
            if _reads_file(handler, _stored_type(artifact.info)):
                given = [kind for kind in wanted if any(other is handler for other, _ in self._readers(kind))]
                return handler.read(artifact, ReadRequest(name, _union(given), columns))
        raise self._refused([kind for kind in wanted if kind is not types.NoneType] or wanted, artifact.info)

    def _can_read(self, type_name: str, info: FileInfo) -> bool:
        can_be = any(_reads_file(handler, _stored_type(info)) for handler, _ in self._readers(type_name))
        return can_be and _is_installed(type_name)

    def _refused(self, wanted: Sequence[Any], info: FileInfo) -> UsageError:
        title = " | ".join(map(_title, wanted))
        readers = [found for kind in wanted for found in self._readers(kind)]
        if not readers:
            return UnsupportedTypeError("load", title, _groups([handler.reads for handler in self._handlers]))
        stored = _stored_type(info)
        readable = dict.fromkeys(kind for handler, _ in readers for kind in handler.file_types)
        fitting = _groups([handler.reads for handler in self._handlers if _reads_file(handler, stored)])
        return WrongFileTypeError(info.file_id, stored, title, [*readable], fitting)

    def _readers(self, wanted: Any) -> Sequence[tuple[IReader, str]]:
        names = [wanted] if isinstance(wanted, str) else type_names(wanted)
        return [(handler, name) for name in names for handler in self._handlers if name in handler.reads]


def type_names(kind: Any) -> Sequence[str]:
    """Return a class and its bases, nearest first, as `package.Name` and as `package.module.Name`.

    `dataclass` comes last for dataclasses.
    """
    kind = typing.get_origin(kind) or kind
    if not isinstance(kind, type):
        return ()
    names: list[str] = []
    for base in kind.__mro__:
        short = f"{base.__module__.split('.')[0]}.{base.__qualname__}"
        names += dict.fromkeys([short, f"{base.__module__}.{base.__qualname__}"])
    return [*names, "dataclass"] if dataclasses.is_dataclass(kind) else names


def _members(annotation: Any, info: FileInfo) -> Sequence[Any]:
    """Return the types that an annotation allows, in its order; where it says nothing, what the file suggests."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0], info)
    if origin in (typing.Union, types.UnionType):
        return [member for kind in typing.get_args(annotation) for member in _members(kind, info)]
    if is_open(annotation):
        return [_WITHOUT_ANNOTATION.get(_stored_type(info), "builtins.bytes")]
    return [annotation]


def _union(kinds: Sequence[Any]) -> Any:
    return kinds[0] if len(kinds) == 1 else typing.Union[tuple(kinds)]  # noqa: UP007 - of as many as there are


def _stored_type(info: FileInfo) -> str:
    return info.file_type if info.compression_type is None else f"{info.file_type}.{info.compression_type}"


def _reads_file(handler: IReader, file_type: str) -> bool:
    return not handler.file_types or file_type in handler.file_types


def _checked_columns(columns: Any) -> Sequence[str] | None:
    if columns is None:
        return None
    if not isinstance(columns, list | tuple) or not all(isinstance(column, str) for column in columns):
        raise InvalidArgumentError("columns", columns, "a list of column names")
    return tuple(columns)


def _check_handler(handler: object) -> None:
    expected = "an object of the form of ITypeHandler"
    if isinstance(handler, type):
        raise InvalidArgumentError("handler", handler, f"{expected}, not its class: write {handler.__name__}()")
    for name in ("writes", "reads", "file_types"):
        listed = getattr(handler, name, None)
        if not isinstance(listed, list | tuple) or not all(isinstance(item, str) for item in listed):
            raise InvalidArgumentError("handler", handler, f"{expected}; `{name}` must be a tuple of texts")
    methods = _METHODS if not hasattr(handler, "open") or hasattr(handler, "write") else _STREAM_METHODS
    lacking = [name for name in methods if not callable(getattr(handler, name, None))]
    if lacking:
        raise InvalidArgumentError("handler", handler, f"{expected}; it has no method {', '.join(lacking)}")


def _class_name(handler: object) -> tuple[str, str]:
    return type(handler).__module__, type(handler).__qualname__


def _title(kind: Any) -> str:
    return f"{kind.__module__.split('.')[0]}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)


def _groups(names_of_each: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return what people are told of the types of handlers: a text for each, without what is not installed."""
    told = [[name for name in names if name not in _UNTOLD and _is_installed(name)] for names in names_of_each]
    return list(dict.fromkeys(_group(names) for names in told if names))


def _group(names: Sequence[str]) -> str:
    """Return names as one text; a package is named once."""
    told, before = [], "builtins"
    for name in names:
        package, _, short = name.rpartition(".")
        told.append(short if package in (before, "builtins") else name)
        before = package
    told = ["None" if name == "NoneType" else name for name in told]
    return f"{', '.join(told[:-1])} or {told[-1]}" if len(told) > 1 else told[0]


def _is_installed(type_name: str) -> bool:
    package, has_package, _ = type_name.partition(".")
    return not has_package or package in sys.modules or importlib.util.find_spec(package) is not None
