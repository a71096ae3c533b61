"""Refuse an annotated type of output that no handler can store, before anything is computed.

One idea: an annotation is refused only if no value that fits it could be stored. A class counts as storable if a class
below it is; an abstract class always does.
"""

import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Sequence
from typing import Any

from artifact_pipelines.handlers.annotations import is_open, list_types, type_names, type_title
from artifact_pipelines.handlers.containers import needs_file
from artifact_pipelines.handlers.exceptions import NestedContainerError
from artifact_pipelines.handlers.plain_handlers import STREAM, is_stream
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

_CONTAINERS = (dict, list, tuple, set, frozenset, collections.abc.Mapping, collections.abc.Sequence)
_DICTS = (dict, collections.abc.Mapping)
_ANY_OF = (typing.Union, types.UnionType)
_PLAIN = (str, int, float, bytes)


def check_output_type(annotation: Any, handlers: TypeHandlers, where: str, is_by_partition: bool = False) -> None:
    """Refuse an annotation if its values, or the elements of its values, have a type that cannot be stored.

    Args:
        annotation: Type of an output.
        handlers: Store the values.
        where: Names the output in the error.
        is_by_partition: True if a dict may have a value for each partition of a run.

    Raises:
        UnsupportedTypeError: No value of this type can be stored.
        NestedContainerError: Its tables or arrays lie too deep.
    """
    written = handlers.written_types
    unstorable = _find_unstorable(annotation, {name for names in written for name in names})
    if unstorable is not None:
        raise UnsupportedTypeError("store", type_title(unstorable), list_types(written), f"annotated as {where}")
    if is_by_partition and typing.get_origin(annotation) in _DICTS:
        annotation = typing.get_args(annotation)[-1]
    nested = _find_nested(annotation, handlers, 0)
    if nested is not None:
        raise NestedContainerError([where], f"{type_title(nested)} inside of {type_title(annotation)}")


def _find_nested(annotation: Any, handlers: TypeHandlers, level: int) -> type | None:
    """Return a type that needs a file of its own, deeper than the elements of one container."""
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _find_nested(members[0], handlers, level)
    if origin in _ANY_OF:
        each = [_find_nested(member, handlers, level) for member in members if member is not types.NoneType]
        return each[0] if all(each) else None
    kind = origin or annotation
    if not isinstance(kind, type) or is_open(kind):
        return None
    if level > 1 and needs_file(handlers.writer_of(kind)):
        return kind
    inner = [(member, level + 1) for member in members] if kind in _CONTAINERS else [(one, 2) for one in _fields(kind)]
    return next((found for one, deeper in inner if (found := _find_nested(one, handlers, deeper))), None)


def _fields(kind: type) -> Sequence[Any]:
    """Return the types of the fields of a dataclass."""
    if not dataclasses.is_dataclass(kind):
        return ()
    try:
        hints = typing.get_type_hints(kind)
    except (NameError, TypeError):  # it names a type that is not known here
        return ()
    return [hints[field.name] for field in dataclasses.fields(kind) if field.name in hints]


def _find_unstorable(annotation: Any, written: set[str]) -> type | None:
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _find_unstorable(members[0], written)
    if origin in _ANY_OF:
        found = [_find_unstorable(member, written) for member in members if member is not types.NoneType]
        return found[0] if all(found) else None
    kind = origin or annotation
    if not isinstance(kind, type) or is_open(kind):
        return None
    if not _may_be_stored(kind, written):
        return kind
    if kind not in _CONTAINERS:
        return None
    elements = (_find_unstorable(member, written) for member in members)
    return next((element for element in elements if element is not None and not _is_known_to_pydantic(element)), None)


def _may_be_stored(kind: type, written: set[str]) -> bool:
    if inspect.isabstract(kind) or getattr(kind, "_is_protocol", False):
        return True
    below = [plain for plain in _PLAIN if issubclass(plain, kind)]  # such as of `numbers.Number`
    return bool(below) or _is_written(kind, written)


def _is_written(kind: type, written: set[str]) -> bool:
    """True if a handler stores values of a class or of a class below it."""
    subclasses: list[type] = type.__subclasses__(kind)
    return not written.isdisjoint([*type_names(kind), *([STREAM] if is_stream(kind) else [])]) or any(
        _is_written(one, written) for one in subclasses
    )


def _is_known_to_pydantic(kind: type) -> bool:
    """True if pydantic may write values of a class inside a JSON value."""
    import pydantic

    try:
        pydantic.TypeAdapter(kind)
    except pydantic.errors.PydanticSchemaGenerationError:
        return False
    return True
