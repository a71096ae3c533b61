"""The meaning of annotations: names of types, unions with None, and conversion to a subclass.

Types are compared by name, so handlers serve types of libraries that may not be installed, without importing them.
"""

import dataclasses
import importlib.util
import sys
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

Value = TypeVar("Value")
_UNIONS = (typing.Union, types.UnionType)
# Not listed in messages: another name of the same handler is enough.
_UNLISTED = {
    *("builtins.bytearray", "builtins.memoryview", "collections.Mapping", "collections.Sequence", "collections.Set"),
    *("pandas.NAType", "pandas.ArrowTable", "pathlib.PurePath"),
    *("typing.IO", "io.IOBase", "io.RawIOBase", "io.BufferedIOBase", "_io.BufferedReader", "_io.BytesIO"),
}


def is_open(annotation: Any) -> bool:
    """True if an annotation does not name a type."""
    return annotation in (None, Any, object)


def allows_none(annotation: Any) -> bool:
    """True if an annotation is a union with None, such as `Optional[T]`."""
    return typing.get_origin(annotation) in _UNIONS and types.NoneType in typing.get_args(annotation)


def without_none(annotation: Any) -> Any:
    """Return `T` for `Optional[T]`; None for a union of several types, which does not name one."""
    if typing.get_origin(annotation) not in _UNIONS:
        return annotation
    given = [kind for kind in typing.get_args(annotation) if kind is not types.NoneType]
    return given[0] if len(given) == 1 else None


def type_names(kind: Any) -> Sequence[str]:
    """Return the names of a class and its bases, nearest first, as `package.Name` and as `package.module.Name`.

    The last one is `builtins.object`; before it comes `dataclass` for dataclasses.
    """
    kind = typing.get_origin(kind) or kind
    if not isinstance(kind, type):
        return ()
    names: list[str] = []
    for base in kind.__mro__[:-1]:
        names += dict.fromkeys([type_title(base), f"{base.__module__}.{base.__qualname__}"])
    return [*names, *(["dataclass"] if dataclasses.is_dataclass(kind) else []), "builtins.object"]


def type_title(kind: Any) -> str:
    """Return the name of a class as `package.Name`; of any other annotation its text."""
    return f"{kind.__module__.split('.')[0]}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)


def is_installed(type_name: str) -> bool:
    """True if the package of a type is installed."""
    package, has_package, _ = type_name.partition(".")
    return not has_package or package in sys.modules or importlib.util.find_spec(package) is not None


def list_types(names_by_handler: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return the types of handlers for a message: one text for each handler, without types not installed."""
    listed = [[name for name in names if name not in _UNLISTED and is_installed(name)] for names in names_by_handler]
    return list(dict.fromkeys(_join(names) for names in listed if names))


def _join(names: Sequence[str]) -> str:
    shown = ["None" if name == "builtins.NoneType" else name.removeprefix("builtins.") for name in names]
    return f"{', '.join(shown[:-1])} or {shown[-1]}" if len(shown) > 1 else shown[0]


class InexactError(ValueError):
    """A value cannot become one of another type exactly; the text does not show it."""


def convert_to_subclass(
    value: Value, artifact: Artifact, request: ReadRequest, make: Callable[[type, Any], Any] = lambda kind, it: kind(it)
) -> Value:
    """Return a value as the annotated subclass `Wanted` of its type, made by `Wanted(value)`; else unchanged."""
    wanted = request.annotation
    if not isinstance(wanted, type) or isinstance(value, wanted):
        return value
    name, base = wanted.__qualname__, type(value).__qualname__
    try:
        made: Value = make(wanted, value)
    except TypeError:  # its message may show the value
        raise UnsupportedTypeError("load", name, [base, f"a class that is made by {name}({base})"]) from None
    except InexactError as error:
        remedy = f"Annotate {base}."
        raise ContentMismatchError(artifact.info.file_id, name, str(error), remedy) from None
    except (OverflowError, ValueError) as error:
        problem = f"{name}({base}) refuses it ({type(error).__name__})"
        remedy = f"Annotate {base} to see the value."
        raise ContentMismatchError(artifact.info.file_id, name, problem, remedy) from None  # its message may show it
    return made
