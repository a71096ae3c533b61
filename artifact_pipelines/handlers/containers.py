"""Values of several files: a dict, list or tuple with elements that JSON cannot hold, such as tables and arrays.

The one idea: each element is a member, stored by its own handler as a file of its own, in order. The kind of container,
the names of the members and the types that load them are kept as the materialization's metadata, not in a file.
"""

import collections.abc
import dataclasses
import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from artifact_pipelines.core.types import CONTAINER
from artifact_pipelines.handlers.annotations import is_open, type_title
from artifact_pipelines.handlers.exceptions import ContainerAnnotationError, NestedContainerError, UnstorableValueError
from artifact_pipelines.handlers.json_encoding import encode_json
from artifact_pipelines.handlers.json_handler import JsonHandler
from artifact_pipelines.handlers.json_tags import untag
from artifact_pipelines.handlers.plain_handlers import BytesHandler, PathHandler, TextHandler
from artifact_pipelines.handlers.registry import FILE_NAME, WRITTEN_AS, TypeHandlers
from artifact_pipelines.handlers.validation import check_table
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

_IN_JSON = (JsonHandler, TextHandler, BytesHandler, PathHandler)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_LISTS = (list, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Collection)
DICT_KINDS = ("dict", "keyed_dict")
"""Kinds of containers whose order is not content."""

_MOST_SEARCHED = 20
_NAME_CHARACTERS = 50


@dataclasses.dataclass(frozen=True, slots=True)
class Container:
    """The form of a value of several files.

    Attributes:
        kind: `dict`, `list` or `tuple`; `keyed_dict`: a dict with other keys than texts.
        names: Names of the members, in the order of their files; of a list or tuple, their positions; of a
            `keyed_dict`, the JSON of the keys.
        written_as: For each member, what `TypeHandlers.find_writer` returned.
        file_names: By member, the name of the file that was returned, where it is one.
    """

    kind: str
    names: tuple[str, ...]
    written_as: tuple[str | None, ...]
    file_names: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> "Container | None":
        """Return the form in a materialization's metadata; None for a value of one file."""
        if CONTAINER not in metadata:
            return None
        names, written_as = zip(*metadata[CONTAINER]["members"], strict=True)
        return cls(metadata[CONTAINER]["kind"], names, written_as, metadata[CONTAINER].get("file_names", {}))

    def to_metadata(self) -> Mapping[str, Any]:
        """Return the form as metadata of a materialization."""
        members = [list(member) for member in zip(self.names, self.written_as, strict=True)]
        file_names = {"file_names": dict(self.file_names)} if self.file_names else {}
        return {CONTAINER: {"kind": self.kind, "members": members, **file_names}}


def split_container(value: object, handlers: TypeHandlers) -> tuple[str, Mapping[str, Any]] | None:
    """Return the kind of a container and its members by name; None if the value becomes one file.

    A container of values that JSON holds is one file, and so is one that a user's handler stores.

    Raises:
        UnstorableValueError: It needs several files, and JSON cannot hold its keys.
    """
    if not isinstance(value, dict | list | tuple) or not isinstance(handlers.find_writer(value)[0], JsonHandler):
        return None
    elements = value.values() if isinstance(value, dict) else value
    if not any(_needs_file(one, handlers) for one in {type(one): one for one in elements}.values()):
        return None
    if not isinstance(value, dict):
        return "tuple" if isinstance(value, tuple) else "list", {str(at): one for at, one in enumerate(value)}
    if all(isinstance(name, str) for name in value):
        return "dict", value
    encode_json(dict.fromkeys(value))  # refuses what is no key
    return "keyed_dict", {encode_json(name)[1]: one for name, one in value.items()}


@contextmanager
def nested_refused(value: object, handlers: TypeHandlers) -> Iterator[None]:
    """Turn the refusal of a value into one that names the table or array deep inside it, if that is the reason.

    Only a refused value is searched: a walk through every value would cost as much as storing it.

    Raises:
        NestedContainerError: It contains such an element.
    """
    try:
        yield
    except UnstorableValueError as error:
        found = _find_nested(value, handlers, ())
        raise (NestedContainerError(*found) if found else error) from None


def read_value(
    handlers: TypeHandlers,
    artifacts: Sequence[Artifact],
    metadata: Mapping[str, Any],
    annotation: Any = None,
    columns: Sequence[str] | None = None,
) -> Any:
    """Return the value of a materialization as the annotated type; without an annotation, as what was stored.

    Args:
        handlers: Read each file, and raise as `TypeHandlers.read` does.
        artifacts: Files of the materialization, in order.
        metadata: Metadata of the materialization.
        annotation: Type of the value; for a container, `dict[str, T]`, `list[T]` or `tuple[T, ...]` of the members'.
        columns: Columns to read of each table; None: all.

    Raises:
        ContainerAnnotationError: The value is a container of members, and the annotation asks for something else.
    """
    container = Container.of(metadata)
    if container is None:
        return handlers.read(artifacts[0], annotation, columns, metadata.get(WRITTEN_AS), metadata.get(FILE_NAME))
    form = _form(container, annotation)
    if form is None:
        file_ids = [artifact.info.file_id for artifact in artifacts]
        raise ContainerAnnotationError(file_ids, container.kind, container.names, type_title(annotation))
    make, wanted = form
    values = []
    for artifact, kind, name, written_as in zip(artifacts, wanted, container.names, container.written_as, strict=True):
        values.append(handlers.read(artifact, kind, columns, written_as, container.file_names.get(name)))
        check_table(values[-1], kind)
    return make(values)


def holds_dict(metadata: Mapping[str, Any]) -> bool:
    """True if the value of a materialization with this metadata is a dict, of one file or of several."""
    container = Container.of(metadata)
    return metadata.get(WRITTEN_AS) == "builtins.dict" if container is None else container.kind in DICT_KINDS


def needs_file(handler: object | None) -> bool:
    """True for a handler whose values JSON does not hold; without a handler (None), JSON may hold them even so."""
    return handler is not None and not isinstance(handler, _IN_JSON)


def _needs_file(value: object, handlers: TypeHandlers) -> bool:
    try:
        return needs_file(handlers.find_writer(value)[0])
    except UnsupportedTypeError:
        return False


def _find_nested(value: object, handlers: TypeHandlers, path: tuple[str, ...]) -> tuple[Sequence[str], str] | None:
    """Return path and type of the first element that needs a file of its own."""
    if not isinstance(value, dict | list | tuple) or len(path) > _MOST_SEARCHED:
        return None
    for name, element in value.items() if isinstance(value, dict) else enumerate(value):
        inner = (*path, str(name)[:_NAME_CHARACTERS])
        if _needs_file(element, handlers):
            return inner, type_title(type(element))
        if found := _find_nested(element, handlers, inner):
            return found
    return None


_Form = tuple[Callable[[Sequence[Any]], Any], Sequence[Any]]
"""Makes a container of the members' values; and the type of each member."""


def _form(container: Container, annotation: Any) -> _Form | None:
    """Return the form that an annotation asks for; None if the container does not fit it."""
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin is typing.Annotated:
        return _form(container, arguments[0])
    if origin in (typing.Union, types.UnionType):
        forms = (_form(container, kind) for kind in arguments if kind is not types.NoneType)
        return next((form for form in forms if form), None)
    if container.kind in DICT_KINDS:
        keys = container.names if container.kind == "dict" else [_key_of(name) for name in container.names]
        return _form_of_dict(keys, annotation, origin, arguments)
    return _form_of_sequence(len(container.names), container.kind, annotation, origin, arguments)


def _key_of(name: str) -> Any:
    return json.loads(name, object_hook=untag)


def _form_of_dict(names: Sequence[Any], annotation: Any, origin: Any, arguments: Sequence[Any]) -> _Form | None:
    def make(values: Sequence[Any]) -> dict[Any, Any]:
        return dict(zip(names, values, strict=True))

    if is_open(annotation) or (origin in _DICTS and not arguments):
        return make, [None] * len(names)
    is_by_name = origin in _DICTS and all(_is_of(name, arguments[0]) for name in names)
    return (make, [arguments[1]] * len(names)) if is_by_name else None


def _is_of(key: object, annotation: Any) -> bool:
    kind = typing.get_origin(annotation) or annotation
    if kind in (typing.Union, types.UnionType):
        return any(_is_of(key, member) for member in typing.get_args(annotation))
    return is_open(kind) or (isinstance(kind, type) and isinstance(key, kind))


def _form_of_sequence(count: int, kind: str, annotation: Any, origin: Any, arguments: Sequence[Any]) -> _Form | None:
    if is_open(annotation):
        return tuple if kind == "tuple" else list, [None] * count
    if origin in _LISTS:
        return list, list(arguments or [None]) * count
    if not (isinstance(origin, type) and issubclass(origin, tuple)):
        return None
    if hasattr(origin, "_fields"):
        arguments = list(typing.get_type_hints(origin).values()) or [None] * len(origin._fields)
        return (lambda values: origin(*values), arguments) if len(arguments) == count else None
    if len(arguments) == 2 and arguments[1] is ...:
        return tuple, [arguments[0]] * count
    wanted = arguments or [None] * count
    return (tuple, wanted) if len(wanted) == count else None
