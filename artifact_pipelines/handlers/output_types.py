"""Refuse an annotated type of output that no handler can store, before anything is computed.

One idea: an annotation is refused only if no value that fits it could be stored. A class counts as storable if a class
below it is; an abstract class always does.
"""

import collections.abc
import inspect
import types
import typing
from collections.abc import Sequence
from typing import Any

from artifact_pipelines.handlers.annotations import is_open, list_types, type_names, type_title
from artifact_pipelines.handlers.plain_handlers import STREAM
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

_CONTAINERS = (dict, list, tuple, set, frozenset, collections.abc.Mapping, collections.abc.Sequence)
_ANY_OF = (typing.Union, types.UnionType)
_PLAIN = (str, int, float, bytes)


def check_output_type(annotation: Any, written: Sequence[Sequence[str]], where: str) -> None:
    """Refuse an annotation if its values, or the elements of its values, have a type that cannot be stored.

    Args:
        annotation: Type of an output.
        written: The types that each handler stores.
        where: Names the output in the error.

    Raises:
        UnsupportedTypeError: No value of this type can be stored.
    """
    unstorable = _find_unstorable(annotation, {name for names in written for name in names})
    if unstorable is not None:
        raise UnsupportedTypeError("store", type_title(unstorable), list_types(written), where)


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
    is_stream = hasattr(kind, "read") or hasattr(kind, "readinto")
    subclasses: list[type] = type.__subclasses__(kind)
    return not written.isdisjoint([*type_names(kind), *([STREAM] if is_stream else [])]) or any(
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
