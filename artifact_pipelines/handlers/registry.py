"""Choose the handler that stores a value, or that reads a stored file as the annotated type.

Types are compared by name, so choosing imports no library.
"""

import types
import typing
from collections.abc import Sequence
from typing import Any, cast

from artifact_pipelines.core.exceptions import InvalidArgumentError, UsageError
from artifact_pipelines.core.types import FileInfo
from artifact_pipelines.handlers.annotations import is_installed, is_open, list_types, type_names, type_title
from artifact_pipelines.handlers.exceptions import WrongFileTypeError
from artifact_pipelines.handlers.interfaces import (
    IReader,
    IStreamHandler,
    ITypeHandler,
    ReadRequest,
    is_stream_handler,
)
from artifact_pipelines.handlers.json_handler import JsonHandler
from artifact_pipelines.handlers.numpy_handler import NumpyHandler
from artifact_pipelines.handlers.pandas_handler import PandasHandler
from artifact_pipelines.handlers.plain_handlers import (
    STREAM,
    ArtifactHandler,
    BytesHandler,
    PathHandler,
    StreamHandler,
    TextHandler,
    is_stream,
)
from artifact_pipelines.handlers.series_handlers import PandasSeriesHandler, PolarsSeriesHandler
from artifact_pipelines.handlers.table_handlers import ArrowHandler, DuckDBHandler, PolarsHandler
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

BUILT_IN: Sequence[IReader] = (
    PolarsHandler(),
    ArrowHandler(),
    DuckDBHandler(),
    PandasHandler(),
    PolarsSeriesHandler(),
    PandasSeriesHandler(),
    NumpyHandler(),
    BytesHandler(),
    TextHandler(),
    PathHandler(),
    JsonHandler(),
    StreamHandler(),
    ArtifactHandler(),
)
WRITTEN_AS = "written_as"
"""Key in a materialization's metadata: the name of the type that loads it without an annotation."""

FILE_NAME = "file_name"
"""Key in a materialization's metadata: the name of the file that the asset returned."""

_DEFAULT_TYPES = {"parquet": "polars.DataFrame", "json": "builtins.dict", "txt": "builtins.str", "npy": "numpy.ndarray"}
_NONE = "builtins.NoneType"
_READ_ONCE = ("pyarrow.RecordBatchReader",)  # a poor default: it can be read only once
_registered: list[ITypeHandler] = []


def register_type_handler(handler: ITypeHandler) -> None:
    """Make your own type storable, for every IO manager and `Store` of this process.

    Call it in a module that every process of a run imports, such as the module of your type or of your definitions.
    The newest handler comes first, the built-in ones last. A handler of the same class as an earlier one, such as after
    a module is reloaded, replaces it. `ITypeHandler` documents each member.

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
        InvalidArgumentError: It lacks a member of `ITypeHandler`.
    """
    _check_handler(handler)
    _registered[:] = [handler, *(other for other in _registered if not _is_same_class(other, handler))]


def unregister_type_handler(handler: ITypeHandler) -> None:
    """Undo `register_type_handler`; a handler that is not registered is no error."""
    _registered[:] = [other for other in _registered if other is not handler]


class TypeHandlers:
    """The handlers in use: its own, then the registered ones, then the built-in ones."""

    def __init__(self, own: Sequence[ITypeHandler] = ()) -> None:
        for handler in own:
            _check_handler(handler)
        self._own = tuple(own)

    @property
    def _handlers(self) -> Sequence[IReader]:
        return (*self._own, *_registered, *BUILT_IN)

    @property
    def written_types(self) -> Sequence[Sequence[str]]:
        """The names of the types that each handler stores."""
        return [handler.writes for handler in self._handlers]

    def find_writer(self, value: object) -> tuple[ITypeHandler | IStreamHandler, str | None]:
        """Return the handler that stores a value, and the name of the type that loads it without an annotation.

        The name is None if the default of the file type loads it.

        Raises:
            UnsupportedTypeError: No handler stores it.
        """
        found = self._find_writer(type(value), is_stream(value))
        if found is None:
            raise UnsupportedTypeError("store", type_title(type(value)), list_types(self.written_types))
        handler, name = found
        is_default = name in handler.reads and name not in _READ_ONCE
        return cast("ITypeHandler | IStreamHandler", handler), name if is_default else None

    def writer_of(self, kind: type) -> IReader | None:
        """Return the handler that stores the values of a class; None: there is none."""
        found = self._find_writer(kind, is_stream(kind))
        return None if found is None else found[0]

    def _find_writer(self, kind: type, may_be_stream: bool) -> tuple[IReader, str] | None:
        *names, any_object = type_names(kind)
        named = (*names, *([STREAM] if may_be_stream else []), any_object)
        return next(((handler, name) for name in named for handler in self._handlers if name in handler.writes), None)

    def read(
        self,
        artifact: Artifact,
        annotation: Any = None,
        columns: Sequence[str] | None = None,
        written_as: str | None = None,
        file_name: str | None = None,
    ) -> Any:
        """Return a stored file as the annotated type; without an annotation, as the type that was stored.

        Args:
            artifact: The stored file.
            annotation: The type to return. Of a union, the member that the stored type's handler returns wins, else the
                first that fits the file: `str | None` returns None for None, not the text of its file.
            columns: Columns to read of a table; None: all.
            written_as: The name that `find_writer` returned when it was stored. If unknown or not installed here, the
                type of the file decides.
            file_name: Name of the file that was returned; a path to read gets it.

        Raises:
            InvalidArgumentError: `columns` are not names of columns.
            UnsupportedTypeError: No handler returns this type.
            WrongFileTypeError: No handler returns this type from a file of this type.
        """
        columns = _check_names(columns)
        info = artifact.info
        members = _union_members(annotation)
        kinds = self._by_stored_type(members, written_as, info)
        for kind in kinds:
            for handler, name in self._fitting(kind, info):
                same = [other for other in kinds if any(found is handler for found, _ in self._readers(other))]
                return handler.read(artifact, ReadRequest(name, _make_union(same), columns, file_name))
        raise self._refusal([kind for kind in kinds if kind is not types.NoneType] or kinds, info)

    def _by_stored_type(self, members: Sequence[Any], written_as: str | None, info: FileInfo) -> Sequence[Any]:
        """Return the types that an annotation allows, those of the stored type's handler first."""
        is_known = written_as is not None and is_installed(written_as)
        stored = self._fitting(written_as, info) if is_known else ()
        if any(map(is_open, members)):
            return [written_as if stored else _DEFAULT_TYPES.get(_stored_type(info), "builtins.bytes")]
        if written_as == _NONE and types.NoneType in members:
            return [types.NoneType]
        handlers = [handler for handler, _ in stored]
        first = [
            kind
            for kind in members
            if kind is not types.NoneType and any(found in handlers for found, _ in self._fitting(kind, info)[:1])
        ]
        return [*first, *(kind for kind in members if kind not in first)]

    def _refusal(self, kinds: Sequence[Any], info: FileInfo) -> UsageError:
        title = " | ".join(map(type_title, kinds))
        readers = [found for kind in kinds for found in self._readers(kind)]
        if not readers:
            return UnsupportedTypeError("load", title, list_types([handler.reads for handler in self._handlers]))
        stored = _stored_type(info)
        readable = dict.fromkeys(kind for handler, _ in readers for kind in handler.file_types)
        fitting = list_types([handler.reads for handler in self._handlers if _reads_file(handler, stored)])
        return WrongFileTypeError(info.file_id, stored, title, [*readable], fitting)

    def _readers(self, kind: Any) -> Sequence[tuple[IReader, str]]:
        """Return the handlers that return a type, with the name that they know it by."""
        names = [kind] if isinstance(kind, str) else type_names(kind)
        return [(handler, name) for name in names for handler in self._handlers if name in handler.reads]

    def _fitting(self, kind: Any, info: FileInfo) -> Sequence[tuple[IReader, str]]:
        return [found for found in self._readers(kind) if _reads_file(found[0], _stored_type(info))]


def _union_members(annotation: Any) -> Sequence[Any]:
    """Return the types that an annotation allows, in order."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _union_members(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [member for kind in typing.get_args(annotation) for member in _union_members(kind)]
    return [annotation]


def _make_union(kinds: Sequence[Any]) -> Any:
    return kinds[0] if len(kinds) == 1 else typing.Union[tuple(kinds)]  # noqa: UP007 - the number of types varies


def _stored_type(info: FileInfo) -> str:
    return info.file_type if info.compression_type is None else f"{info.file_type}.{info.compression_type}"


def _reads_file(handler: IReader, file_type: str) -> bool:
    return not handler.file_types or file_type in handler.file_types


def _check_names(columns: Any) -> Sequence[str] | None:
    if columns is None:
        return None
    if not isinstance(columns, list | tuple) or not all(isinstance(column, str) for column in columns):
        raise InvalidArgumentError("columns", columns, "a list of column names")
    return tuple(columns)


def _check_handler(handler: object) -> None:
    expected = "an object with the members of ITypeHandler"
    if isinstance(handler, type):
        raise InvalidArgumentError("handler", handler, f"{expected}, not its class: write {handler.__name__}()")
    for name in ("writes", "reads", "file_types"):
        listed = getattr(handler, name, None)
        if not isinstance(listed, list | tuple) or not all(isinstance(item, str) for item in listed):
            raise InvalidArgumentError("handler", handler, f"{expected}; `{name}` must be a tuple of texts")
    storing = "open" if is_stream_handler(handler) else "write"
    lacking = [name for name in ("describe", storing, "read", "facts") if not callable(getattr(handler, name, None))]
    if lacking:
        raise InvalidArgumentError("handler", handler, f"{expected}; it has no method {', '.join(lacking)}")


def _is_same_class(one: object, other: object) -> bool:
    """True if two objects have classes of one name; a reloaded module has new classes of the same names."""
    return (type(one).__module__, type(one).__qualname__) == (type(other).__module__, type(other).__qualname__)
