"""Encode values as JSON: equal values as equal bytes, records by their own class, sets in order.

A value that JSON cannot hold is refused with the path to its first such element. The message shows names and types
only: the values may be confidential.
"""

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from artifact_pipelines.handlers.exceptions import UnstorableValueError

if TYPE_CHECKING:
    import pydantic

MOST_LEVELS = 200
"""Deepest nesting that is stored: pydantic reads no more levels, and Python not many more."""

_AS_BRACES = bytes.maketrans(b"[]", b"{}")
_OTHERS = bytes(set(range(256)) - set(b'[]{}"'))
_PIECE_CHARACTERS = 1 << 20
_NAME_CHARACTERS = 50
_AS_TEXT = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, pathlib.PurePath, uuid.UUID)
_NOT_JSON = (TypeError, ValueError, RecursionError)
_REASONS = (
    (float, "is NaN or infinite"),
    (int, "has too many digits"),
    (str, "has a character that UTF-8 cannot encode"),
    (dict, "has keys that JSON cannot hold, or keys of several types"),
)


def encode_json(value: object) -> str:
    """Return a value as JSON text, the same for equal values in every process.

    Raises:
        UnstorableValueError: JSON cannot hold it.
    """
    try:
        text = _ENCODER.encode(value)  # one call in C; the text is rarely larger than the value itself
    except RecursionError:
        raise _too_deep(value) from None
    except (TypeError, ValueError):  # its message, above all pydantic's, may show the value
        raise explain_refusal(value) from None
    if _is_too_deep(text):
        raise _too_deep(value)
    return text


def explain_refusal(value: object) -> UnstorableValueError:
    """Return the error for a value that JSON cannot hold, with the path to the first element that it cannot hold."""
    path: list[str] = []
    element = value
    while len(path) < MOST_LEVELS:
        found = next(((name, inner) for name, inner in _elements(element) if not _is_storable(inner)), None)
        if found is None:
            return UnstorableValueError("JSON", path, type(element).__qualname__, _reason(element))
        name, element = found
        path.append(_shown_name(name))
    return _too_deep(value)


def _to_plain(value: object) -> object:
    """Return the plain value that represents a value which JSON does not know; the encoder calls this.

    Raises:
        TypeError: Nothing represents it.
        ValueError: A pydantic model holds a value that it does not declare.
    """
    import pydantic

    if isinstance(value, set | frozenset):
        return sorted(value, key=_ENCODER.encode)
    if pydantic.dataclasses.is_pydantic_dataclass(type(value)):
        return _normalize(_dump_dataclass(value), value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _check_no_secret(item, item) for name, item in fields.items()}
    if isinstance(value, pydantic.BaseModel):
        return _dump_model(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, _AS_TEXT):
        return pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON")


def _dump_model(model: "pydantic.BaseModel", include: set[str] | None = None) -> Any:
    """Return the plain value of a model, or of some of its fields."""
    # Each model by its own class, not the one that a field declares: that would drop a subclass's fields.
    plain = model.model_dump(
        mode="json", round_trip=True, warnings="error", polymorphic_serialization=True, include=include
    )
    return _normalize(plain, model)


def _dump_dataclass(value: object) -> Any:
    """Return pydantic's dump of a dataclass by its own class, without its excluded fields."""
    import pydantic

    adapter = pydantic.TypeAdapter(type(value))
    return adapter.dump_python(value, mode="json", round_trip=True, warnings="error", polymorphic_serialization=True)


def _normalize(plain: Any, value: Any) -> Any:
    """Return pydantic's dump of a value with sets in order and dataclasses in full."""
    import pydantic

    if isinstance(value, pydantic.RootModel):
        return _normalize(plain, value.root)
    if isinstance(plain, list) and isinstance(value, Collection) and len(plain) == len(value):
        items = [_normalize(item, source) for item, source in zip(plain, value, strict=True)]
        return sorted(items, key=_ENCODER.encode) if isinstance(value, set | frozenset) else items
    if isinstance(plain, dict) and isinstance(value, Mapping) and len(plain) == len(value):
        pairs = zip(plain.items(), value.values(), strict=True)
        return {key: _normalize(item, source) for (key, item), source in pairs}
    if isinstance(plain, dict):
        whole = _dump_dataclass(value) if _lacks_fields(plain, value) else plain
        return {key: _normalize(item, _field(value, key)) for key, item in whole.items()}
    return _check_no_secret(plain, value)


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


def _check_no_secret(plain: Any, value: object) -> Any:
    if _is_secret(value) and {*str(plain).strip("b'")} == {"*"}:
        raise TypeError("a secret would be stored as asterisks")
    return plain


def _is_secret(value: object) -> bool:
    """True if pydantic dumps a value as asterisks."""
    import pydantic

    return isinstance(value, pydantic.SecretStr | pydantic.SecretBytes | pydantic.Secret)


def _is_too_deep(text: str) -> bool:
    """True if a JSON text has more than `MOST_LEVELS` levels. Takes time in proportion to its length and levels."""
    if text.count("[") + text.count("{") <= MOST_LEVELS:
        return False
    unescaped = text.replace("\\\\", "").replace('\\"', "")
    pieces = (unescaped[begin : begin + _PIECE_CHARACTERS] for begin in range(0, len(unescaped), _PIECE_CHARACTERS))
    marks = b"".join(piece.encode(errors="replace").translate(_AS_BRACES, _OTHERS) for piece in pieces)
    braces = re.sub(rb'"[^"]*"', b"", marks.replace(b'""', b""))
    for _ in range(MOST_LEVELS):
        braces = braces.replace(b"{}", b"")  # removes the innermost levels
    return bool(braces)


def _too_deep(value: object) -> UnstorableValueError:
    problem = f"has more than {MOST_LEVELS} levels, or contains itself"
    return UnstorableValueError("JSON", (), type(value).__qualname__, problem)


def _elements(value: object) -> Iterable[tuple[object, object]]:
    """Return the elements of a value with their names; only those fields of a model that it cannot dump."""
    import pydantic

    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list | tuple | set | frozenset):
        return enumerate(value)
    if isinstance(value, pydantic.RootModel):
        return [("root", value.root)]
    if isinstance(value, pydantic.BaseModel):
        return ((name, item) for name, item in value if not _can_dump(value, name))
    if dataclasses.is_dataclass(value):
        return ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    return ()


def _can_dump(model: "pydantic.BaseModel", field: str) -> bool:
    try:
        return _is_storable(_dump_model(model, {field}))
    except _NOT_JSON:
        return False


def _is_storable(value: object) -> bool:
    try:
        _ENCODER.encode(value).encode()
    except _NOT_JSON:
        return False
    return True


def _reason(value: object) -> str:
    import pydantic

    if _is_secret(value):
        return "is a secret and would be stored as asterisks: exclude it, or give it a field_serializer"
    if isinstance(value, pydantic.BaseModel):
        return "holds a value that it does not declare, or its serializer fails: try model_dump(mode='json')"
    return next((reason for kind, reason in _REASONS if isinstance(value, kind)), "is not JSON")


def _shown_name(name: object) -> str:
    """Return the name of an element as text that can be shown and stored: a key may be any object."""
    if isinstance(name, str):
        return name[:_NAME_CHARACTERS].encode(errors="backslashreplace").decode()
    return str(name) if isinstance(name, int) and name.bit_length() <= 64 else f"<{type(name).__qualname__}>"


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), default=_to_plain
)
