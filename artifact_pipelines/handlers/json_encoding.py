"""Encode values as JSON: equal values as equal bytes, records by their own class, sets in order.

The one idea: one walk turns a value into dicts, lists and plain values, and refuses a value that JSON cannot hold with
the path to it. The message shows names and types only: the values may be confidential.
"""

import dataclasses
import datetime
import decimal
import enum
import itertools
import json
import math
import pathlib
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from artifact_pipelines.handlers.exceptions import UnstorableValueError

MOST_LEVELS = 200
"""Deepest nesting that is stored: pydantic reads no more levels, and Python not many more."""

_NAME_CHARACTERS = 50
_TOO_LARGE = 10**4300  # Python reads and writes no more digits
_ASTERISKS = "is a secret and would be stored as asterisks: exclude it, or give it a field_serializer"
_CONTAINERS = (dict, list, tuple, set, frozenset)
_AS_TEXT = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, pathlib.PurePath, uuid.UUID)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def encode_json(value: object) -> str:
    """Return a value as JSON text, the same for equal values in every process.

    Raises:
        UnstorableValueError: JSON cannot hold it.
    """
    try:
        plain = _to_plain(value, value, 0)
    except RecursionError:
        raise _refusal(value, f"has more than {MOST_LEVELS} levels, or contains itself") from None
    return _ENCODER.encode(plain)  # one call in C; the text is rarely larger than the value itself


def _to_plain(value: Any, source: Any, level: int) -> Any:
    """Return a value as dicts, lists, texts and numbers.

    Args:
        value: The value, or pydantic's dump of it.
        source: The value itself, to find the sets, subclasses and secrets behind a dump.
        level: Number of containers around it.
    """
    if source is not value and getattr(type(source), "__pydantic_root_model__", False):
        return _to_plain(value, source.root, level)
    if isinstance(value, str):
        problem = None if value.isascii() or _is_utf8(value) else "has a character that UTF-8 cannot encode"
    elif isinstance(value, float):
        problem = None if math.isfinite(value) else "is NaN or infinite"
    elif isinstance(value, int):
        problem = None if -_TOO_LARGE < value < _TOO_LARGE else "has too many digits"
    elif value is None:
        return None
    elif isinstance(value, _CONTAINERS):
        if level == MOST_LEVELS:
            raise RecursionError
        return _container_to_plain(value, source, level + 1)
    else:
        return _to_plain(_represent(value), value, level)
    if source is not value and _is_secret(source) and {*str(value).strip("b'")} == {"*"}:
        problem = _ASTERISKS
    if problem:
        raise _refusal(source, problem)
    return value


def _container_to_plain(value: Any, source: Any, level: int) -> dict[Any, Any] | list[Any]:
    if isinstance(value, dict):
        whole, sources = (value, value.values()) if value is source else _find_sources(value, source)
        items = _items_to_plain(whole, whole.values(), sources, level)
        _check_keys(whole)
        return dict(zip(whole, items, strict=True))
    is_same = value is source or (isinstance(source, Collection) and len(source) == len(value))
    items = _items_to_plain(range(len(value)), value, source if is_same else value, level)
    return sorted(items, key=_ENCODER.encode) if is_same and isinstance(source, set | frozenset) else items


def _find_sources(plain: dict[Any, Any], source: Any) -> tuple[dict[Any, Any], Iterable[Any]]:
    """Return the whole dump of a mapping or record, and the values behind it."""
    if isinstance(source, Mapping) and len(source) == len(plain):
        return plain, source.values()
    whole = _dump_dataclass(source) if _lacks_fields(plain, source) else plain
    return whole, [_field(source, key) for key in whole]


def _items_to_plain(
    names: Iterable[object], items: Iterable[object], sources: Iterable[object], level: int
) -> list[Any]:
    done: list[Any] = []
    try:
        for item, source in zip(items, sources, strict=True):
            done.append(_to_plain(item, source, level))
    except UnstorableValueError as error:
        name = next(itertools.islice(names, len(done), None))
        raise dataclasses.replace(error, path=[_shown_name(name), *error.path]) from None
    return done


def _represent(value: object) -> Any:
    """Return the JSON value, dict or list that represents a value which JSON does not know."""
    import pydantic

    if pydantic.dataclasses.is_pydantic_dataclass(type(value)):
        return _dump_dataclass(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, pydantic.BaseModel):
        return _dump(value, value.model_dump)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, _AS_TEXT):
        return pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")
    raise _refusal(value, _ASTERISKS if _is_secret(value) else "is not JSON")


def _dump_dataclass(value: object) -> Any:
    """Return pydantic's dump of a dataclass by its own class, without its excluded fields."""
    import pydantic

    adapter = pydantic.TypeAdapter(type(value))
    return _dump(value, lambda **options: adapter.dump_python(value, **options))


def _dump(value: object, dump: Callable[..., Any]) -> Any:
    try:  # each model by its own class, not the one that a field declares: that would drop a subclass's fields
        return dump(mode="json", round_trip=True, warnings="error", polymorphic_serialization=True)
    except (TypeError, ValueError):  # its message may show the value
        problem = "holds a value that it does not declare, or itself, or its serializer fails"
        raise _refusal(value, f"{problem}: try model_dump(mode='json')") from None


def _lacks_fields(plain: Mapping[str, Any], value: Any) -> bool:
    """True if pydantic may have dumped a dataclass as its base class, without the subclass's fields."""
    kinds = [kind for kind in type(value).__mro__ if dataclasses.is_dataclass(kind)]
    fields = [{field.name for field in dataclasses.fields(kind)} for kind in kinds]
    return bool(fields) and fields[0] != plain.keys() and plain.keys() in fields[1:]


def _field(value: Any, key: str) -> Any:
    """Return the field of a record that pydantic dumps under a key: its name or its alias."""
    fields: Mapping[str, Any] = getattr(type(value), "__pydantic_fields__", {})
    named = (name for name, field in fields.items() if field.serialization_alias == key)
    return getattr(value, next(named, key), None)


def _check_keys(value: Mapping[Any, Any]) -> None:
    if {*map(type, value)} == {str} and all(map(str.isascii, value)):
        return
    try:
        _ENCODER.encode(dict.fromkeys(value)).encode()
    except (TypeError, ValueError):
        raise _refusal(value, "has keys that JSON cannot hold, or keys of several types") from None


def _is_secret(value: object) -> bool:
    import pydantic

    return isinstance(value, pydantic.SecretStr | pydantic.SecretBytes | pydantic.Secret)


def _is_utf8(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def _refusal(value: object, problem: str) -> UnstorableValueError:
    return UnstorableValueError("JSON", [], type(value).__qualname__, problem)


def _shown_name(name: object) -> str:
    """Return the name of an element as text that can be shown and stored: a key may be any object."""
    if isinstance(name, str):
        return name[:_NAME_CHARACTERS].encode(errors="backslashreplace").decode()
    return str(name) if isinstance(name, int) and name.bit_length() <= 64 else f"<{type(name).__qualname__}>"
