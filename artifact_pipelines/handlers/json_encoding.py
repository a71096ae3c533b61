"""How values are written as JSON: equal values as equal bytes, records by what they are, sets in order."""

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import re
import uuid
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pydantic

MOST_LEVELS = 200
"""How deep what is stored may be nested: pydantic reads no more levels, and Python not many more."""

_AS_BRACES = bytes.maketrans(b"[]", b"{}")
_OTHERS = bytes(set(range(256)) - set(b'[]{}"'))
_PIECE_CHARACTERS = 1 << 20
_AS_TEXT = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, pathlib.PurePath, uuid.UUID)


def plain_of(value: object) -> object:
    """Return what stands for a value that JSON does not know: the same for equal values, wherever it is asked.

    Raises:
        TypeError: Nothing does.
        ValueError: A pydantic model holds what it does not declare.
    """
    import pydantic

    if isinstance(value, set | frozenset):
        return sorted(value, key=ENCODER.encode)
    if pydantic.dataclasses.is_pydantic_dataclass(type(value)):
        return _ordered(_dumped(value), value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _open(item, item) for name, item in fields.items()}
    if isinstance(value, pydantic.BaseModel):
        return plain_model(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, _AS_TEXT):
        return pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON")


def plain_model(model: "pydantic.BaseModel", include: set[str] | None = None) -> Any:
    """Return what stands for a model, or for some of its fields."""
    # Each model by its own class, not by the one that a field declares: that would drop what a subclass adds.
    plain = model.model_dump(
        mode="json", round_trip=True, warnings="error", polymorphic_serialization=True, include=include
    )
    return _ordered(plain, model)


def _ordered(plain: Any, value: Any) -> Any:
    """Return what pydantic made of a value, with what came from a set in an order that equal sets have."""
    import pydantic

    if isinstance(value, pydantic.RootModel):
        return _ordered(plain, value.root)
    if isinstance(plain, list) and isinstance(value, Collection) and len(plain) == len(value):
        items = [_ordered(item, made_of) for item, made_of in zip(plain, value, strict=True)]
        return sorted(items, key=ENCODER.encode) if isinstance(value, set | frozenset) else items
    if isinstance(plain, dict) and isinstance(value, Mapping) and len(plain) == len(value):
        pairs = zip(plain.items(), value.values(), strict=True)
        return {key: _ordered(item, made_of) for (key, item), made_of in pairs}
    if isinstance(plain, dict):
        whole = _dumped(value) if _is_cut(plain, value) else plain
        return {key: _ordered(item, _field(value, key)) for key, item in whole.items()}
    return _open(plain, value)


def _is_cut(plain: Mapping[str, Any], value: Any) -> bool:
    """Tell whether pydantic may have written a dataclass as its base, without the fields that it adds to that."""
    kinds = [kind for kind in type(value).__mro__ if dataclasses.is_dataclass(kind)]
    fields = [{field.name for field in dataclasses.fields(kind)} for kind in kinds]
    return bool(fields) and fields[0] != plain.keys() and plain.keys() in fields[1:]


def _dumped(value: object) -> Any:
    """Return what pydantic makes of a dataclass by its own class, without the fields that are excluded there."""
    import pydantic

    adapter = pydantic.TypeAdapter(type(value))
    return adapter.dump_python(value, mode="json", round_trip=True, warnings="error", polymorphic_serialization=True)


def _field(value: Any, key: str) -> Any:
    """Return the field of a record that pydantic writes under a key: its name, or its alias."""
    fields: Mapping[str, Any] = getattr(type(value), "__pydantic_fields__", {})
    named = (name for name, field in fields.items() if field.serialization_alias == key)
    return getattr(value, next(named, key), None)


def _open(plain: Any, value: object) -> Any:
    """Return what stands for a value, if it is no secret that would come back as asterisks."""
    if is_secret(value) and {*str(plain).strip("b'")} == {"*"}:
        raise TypeError("a secret would be stored as asterisks")
    return plain


def is_secret(value: object) -> bool:
    """Tell whether pydantic writes a value as asterisks."""
    import pydantic

    return isinstance(value, pydantic.SecretStr | pydantic.SecretBytes | pydantic.Secret)


def is_deep(text: str) -> bool:
    """Tell whether a JSON text has more than `MOST_LEVELS` levels, in time in proportion to the text and its levels."""
    if text.count("[") + text.count("{") <= MOST_LEVELS:
        return False
    unescaped = text.replace("\\\\", "").replace('\\"', "")
    pieces = (unescaped[begin : begin + _PIECE_CHARACTERS] for begin in range(0, len(unescaped), _PIECE_CHARACTERS))
    marks = b"".join(piece.encode().translate(_AS_BRACES, _OTHERS) for piece in pieces)
    braces = re.sub(rb'"[^"]*"', b"", marks.replace(b'""', b""))
    for _ in range(MOST_LEVELS):
        braces = braces.replace(b"{}", b"")  # the innermost level of each part goes
    return bool(braces)


ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), default=plain_of)
