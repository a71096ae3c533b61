"""What annotations say: which type is meant, and in what form many partitions are to come. No Dagster here."""

import collections.abc
import dataclasses
import enum
import types
import typing
from typing import Any

_UNIONS = (typing.Union, types.UnionType)


class Form(enum.Enum):
    """How the values of partitions are handed over."""

    BY_KEY = "mapping of partition key to value"
    IN_ORDER = "iterator of values"
    PAIRS_IN_ORDER = "iterator of pairs of partition key and value"


@dataclasses.dataclass(frozen=True, slots=True)
class PartitionsAnnotation:
    """An annotation that asks for partitions, however many there are: a form, and the type of each value."""

    form: Form
    value: Any


def is_open(annotation: Any) -> bool:
    """Tell whether an annotation leaves open what is wanted."""
    return annotation in (None, Any, object)


def allows_none(annotation: Any) -> bool:
    """Tell whether an annotation says that there may be nothing: `Optional[T]`."""
    return typing.get_origin(annotation) in _UNIONS and types.NoneType in typing.get_args(annotation)


def without_none(annotation: Any) -> Any:
    """Return `T` for `Optional[T]`; None for a union of several types, which leaves open which is wanted."""
    if typing.get_origin(annotation) not in _UNIONS:
        return annotation
    given = [kind for kind in typing.get_args(annotation) if kind is not types.NoneType]
    return given[0] if len(given) == 1 else None


def partitions_annotation(annotation: Any) -> PartitionsAnnotation | None:
    """Return what an annotation says of partitions; None when it is the type of one value."""
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
