"""The meaning of annotations: the type of a value, the form of many partitions, and conversion to a subclass."""

import collections.abc
import dataclasses
import enum
import types
import typing
from typing import Any, TypeVar

from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

Value = TypeVar("Value")
_UNIONS = (typing.Union, types.UnionType)


class Form(enum.Enum):
    """The form in which an input receives the values of partitions."""

    BY_KEY = "mapping of partition key to value"
    IN_ORDER = "iterator of values"
    PAIRS_IN_ORDER = "iterator of pairs of partition key and value"


@dataclasses.dataclass(frozen=True, slots=True)
class PartitionsAnnotation:
    """An annotation for any number of partitions: their form, and the type of each value."""

    form: Form
    value: Any


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


def partitions_annotation(annotation: Any) -> PartitionsAnnotation | None:
    """Return the form of partitions that an annotation asks for; None if it is the type of one value."""
    wanted = without_none(annotation)
    origin, arguments = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
    if origin in (dict, collections.abc.Mapping) and len(arguments) == 2 and arguments[0] in (str, Any):
        return PartitionsAnnotation(Form.BY_KEY, arguments[1])
    if origin in (collections.abc.Iterator, collections.abc.Iterable):
        [value] = arguments or [None]
        if typing.get_origin(value) is tuple and len(typing.get_args(value)) == 2:
            return PartitionsAnnotation(Form.PAIRS_IN_ORDER, typing.get_args(value)[1])
        return PartitionsAnnotation(Form.IN_ORDER, value)
    return None


def convert_to_subclass(value: Value, artifact: Artifact, request: ReadRequest) -> Value:
    """Return a value as the subclass `Wanted` of its type that is annotated, made by `Wanted(value)`; else unchanged.

    Raises:
        UnsupportedTypeError: The subclass cannot be made in this way.
        ContentMismatchError: The subclass refuses this value.
    """
    wanted = request.annotation
    if not isinstance(wanted, type) or isinstance(value, wanted):
        return value
    name, base = wanted.__qualname__, type(value).__qualname__
    try:
        made: Value = wanted(value)
    except TypeError:  # its message may show the value
        raise UnsupportedTypeError("load", name, [base, f"a class that is made by {name}({base})"]) from None
    except ValueError as error:
        problem = f"{name}({base}) refuses it ({type(error).__name__})"
        remedy = f"Annotate {base} to see the value."
        raise ContentMismatchError(artifact.info.file_id, name, problem, remedy) from None  # its message may show it
    return made
