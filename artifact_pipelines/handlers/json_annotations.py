"""Make the value of an annotation from a stored one, with pydantic; the result must equal the stored value.

pydantic knows no scalars of numpy and pandas, and no subclass of `str` and the like. Where an annotation names one, at
any depth, it is made from the value that it is stored as.
"""

import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import numbers
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

from artifact_pipelines.handlers.annotations import InexactError
from artifact_pipelines.handlers.json_tags import without_value
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

if TYPE_CHECKING:
    import pydantic

_BASES = (
    *(str, bytes, bytearray, int, float, complex, decimal.Decimal, uuid.UUID, dict, list, tuple, set, frozenset),
    *(datetime.date, datetime.time, datetime.timedelta),
)
_TIMES = (datetime.date, datetime.time, datetime.timedelta)


class IValidator(Protocol):
    """Makes values of an annotation, as pydantic's `TypeAdapter` does, and raises its `ValidationError`."""

    def validate_python(self, value: Any, /, *, strict: bool | None, by_alias: bool, by_name: bool) -> Any:
        """Return a value of Python as the annotation."""

    def validate_json(self, data: bytes, /, *, strict: bool | None, by_alias: bool, by_name: bool) -> Any:
        """Return JSON as the annotation."""


def make_validator(annotation: Any) -> IValidator | None:
    """Return what makes values of an annotation; None for a class of which pydantic knows nothing.

    Raises:
        UnsupportedTypeError: Something inside of it cannot be loaded.
    """
    import pydantic

    try:
        return pydantic.TypeAdapter(annotation)
    except pydantic.errors.PydanticSchemaGenerationError as error:
        is_class = isinstance(annotation, type) and not dataclasses.is_dataclass(annotation)
        if is_class and not hasattr(annotation, "_fields") and annotation is not collections.defaultdict:
            return None
        return _make_with_derived(annotation, error)
    except pydantic.errors.PydanticUserError as error:
        raise _refusal(annotation, error) from error


def make_derived(kind: type, value: Any) -> Any:
    """Return a value as a class that is derived from its type, such as `pandas.Timestamp` from a datetime.

    Raises:
        InexactError: It is not stored as this type, or is rounded.
    """
    if isinstance(value, kind):
        return value
    is_numpy = any(base.__module__ == "numpy" for base in kind.__mro__)
    if not is_numpy and value is not None and not isinstance(value, tuple(set(_BASES) & {*kind.__mro__})):
        raise InexactError(f"no {kind.__qualname__} is stored as {type(value).__qualname__}")
    made: Any = kind(value)
    if value is None and not without_value(made):
        raise InexactError(f"no {kind.__qualname__} is stored as None")
    if is_numpy and made.item() != value and value == value:  # NaN is not itself
        raise InexactError("a number of this type is rounded")
    return made


def find_difference(made: Any, stored: Any) -> str | None:
    """Return where a value differs from the stored one that it was made from, such as by rounding; None: nowhere.

    Models of pydantic and classes of users decide themselves.
    """
    if made is stored or _is_equal(made, stored):
        return None
    if isinstance(made, list | tuple) and isinstance(stored, list | tuple):
        return _find_in(range(len(made)), made, stored)
    if isinstance(stored, dict):
        return _find_in_dict(made, stored)
    if isinstance(made, enum.Enum):
        return find_difference(made.value, stored)
    if isinstance(made, set | frozenset) and isinstance(stored, list | tuple):
        return None if len(made) == len(stored) else ""
    return "" if _is_misread(made, stored) else None


def _is_equal(made: Any, stored: Any) -> bool:
    try:
        return bool(made == stored)
    except (ArithmeticError, TypeError, ValueError):  # signalling NaN, arrays
        return False


def _find_in_dict(made: Any, stored: dict[str, Any]) -> str | None:
    """Do as `find_difference` for a stored dict, of which a dataclass may be made."""
    if isinstance(made, dict):
        # A key of JSON is always text; one that is not was stored with a tag.
        keys = [name for name in zip(made, stored, strict=False) if not isinstance(name[1], str)]
        inner = _find_in(made, made.values(), stored.values())
        return _find_in(stored, *zip(*keys, strict=True)) if inner is None and keys else inner
    if not dataclasses.is_dataclass(made) or hasattr(made, "__pydantic_validator__"):
        return None
    if getattr(made, "__dict__", None) == stored:
        return None
    names = [field.name for field in dataclasses.fields(made) if field.name in stored]
    return _find_in(names, [getattr(made, name) for name in names], [stored[name] for name in names])


def _find_in(names: Iterable[Any], made: Iterable[Any], stored: Iterable[Any]) -> str | None:
    for name, one, other in zip(names, made, stored, strict=False):
        if (inner := find_difference(one, other)) is not None:
            return ".".join(filter(None, (str(name), inner)))
    return None


def _is_misread(made: Any, stored: Any) -> bool:
    """True if two values that are not equal are not the same in two types either."""
    if isinstance(made, decimal.Decimal) and isinstance(stored, str | float):  # as its text says
        return isinstance(stored, float) and float(made) != stored and stored == stored
    if isinstance(made, numbers.Number):
        return not (made != made and stored != stored)
    if isinstance(stored, numbers.Number):
        return isinstance(made, _TIMES)
    return isinstance(stored, datetime.datetime) and stored.tzinfo is not None and type(made) is datetime.date


def _make_with_derived(annotation: Any, error: "pydantic.errors.PydanticUserError") -> IValidator:
    """Return what makes values of an annotation that names derived classes inside."""
    import pydantic
    import pydantic_core

    try:
        config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        # In a list, for pydantic takes no configuration beside a class.
        found: Any = pydantic.TypeAdapter(list[annotation], config=config).core_schema
        inner = {**found, "schema": found["schema"]["items_schema"]} if "schema" in found else found["items_schema"]
        return pydantic_core.SchemaValidator(_replace_derived(inner))
    except (LookupError, pydantic.errors.PydanticUserError):
        raise _refusal(annotation, error) from error


def _replace_derived(schema: Any) -> Any:
    """Return pydantic's schema with classes that it does not know made by `make_derived`.

    Raises:
        LookupError: One of them is not derived from a type that JSON holds.
    """
    from pydantic_core import core_schema

    if isinstance(schema, list):
        return [_replace_derived(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") != "is-instance":
        return {name: _replace_derived(item) for name, item in schema.items()}
    kind: type = schema["cls"]
    if not issubclass(kind, _BASES) and all(base.__module__ != "numpy" for base in kind.__mro__):
        raise LookupError
    return core_schema.no_info_plain_validator_function(functools.partial(make_derived, kind))


def _refusal(annotation: Any, error: "pydantic.errors.PydanticUserError") -> UnsupportedTypeError:
    supported = ["dict, list and tuple of supported types", "dataclasses", "pydantic models"]
    reason = (error.message or "").partition(". ")[0].rstrip(".")  # the rest is advice for users of pydantic
    title = annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
    return UnsupportedTypeError("load", title, supported, reason)
