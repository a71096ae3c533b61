"""Why JSON cannot hold a value: where in it, and of what type. What is there is never told: it may be a password."""

import dataclasses
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from artifact_pipelines.handlers.exceptions import UnstorableValueError
from artifact_pipelines.handlers.json_encoding import ENCODER, MOST_LEVELS, is_secret, plain_model, plain_of

if TYPE_CHECKING:
    import pydantic

_NAME_CHARACTERS = 50
_NOT_JSON = (TypeError, ValueError, RecursionError)


def problem_of(value: object) -> UnstorableValueError:
    """Return what keeps JSON from holding a value: the first of its innermost parts that does."""
    place: list[str] = []
    holders: list[object] = []
    part = value
    while True:
        holders.append(part)
        found = _bad_part(part)
        if found is None:
            return UnstorableValueError("JSON", place, type(part).__qualname__, _reason(part))
        name, part = found
        place.append(_text(name))
        if any(part is holder for holder in holders):
            return UnstorableValueError("JSON", place, type(part).__qualname__, "holds itself")


def too_deep(value: object) -> UnstorableValueError:
    """Return what is to be said of a value with more levels than are stored."""
    return UnstorableValueError("JSON", (), type(value).__qualname__, f"has more than {MOST_LEVELS} levels")


def _bad_part(value: object) -> tuple[object, object] | None:
    """Return the first part of a value that JSON cannot hold, after its name; None: it is the value itself."""
    import pydantic

    if isinstance(value, pydantic.BaseModel) and not isinstance(value, pydantic.RootModel):
        name = _bad_field(value)
        if name is not None:
            return name, getattr(value, name)
    return next(((name, part) for name, part in _parts(value) if _is_bad(part)), None)


def _bad_field(model: "pydantic.BaseModel") -> str | None:
    """Return the first field that a model cannot write; None: it can write each, or none whatever is in them."""
    names = [*type(model).__pydantic_fields__, *(model.model_extra or ())]
    return None if _is_unwritable(model, ()) else next((name for name in names if _is_unwritable(model, [name])), None)


def _is_unwritable(model: "pydantic.BaseModel", fields: Iterable[str]) -> bool:
    try:
        plain_model(model, set(fields))
    except _NOT_JSON:
        return True
    return False


def _parts(value: object) -> Iterable[tuple[object, object]]:
    import pydantic

    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list | tuple | set | frozenset):
        return enumerate(value)
    if isinstance(value, pydantic.RootModel):
        return [("root", value.root)]
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    try:
        plain = None if isinstance(value, str | int | float) else plain_of(value)
    except _NOT_JSON:
        return ()
    return _parts(plain) if isinstance(plain, dict | list) else ()


def _is_bad(part: object) -> bool:
    try:
        ENCODER.encode(part).encode()
    except _NOT_JSON:
        return True
    return False


def _reason(part: object) -> str:
    import pydantic

    if is_secret(part):
        return "is a secret and would be stored as asterisks: exclude it, or say in a field_serializer what is stored"
    if isinstance(part, pydantic.BaseModel) or not _is_bad(part):
        return "is not what its model declares, or fails in a serializer of it: see what model_dump(mode='json') says"
    if isinstance(part, float):
        return "is NaN or infinite"
    if isinstance(part, int):
        return f"has more than {sys.get_int_max_str_digits():,} digits"
    if isinstance(part, str):
        return "has a character that UTF-8 cannot encode"
    if isinstance(part, dict):
        kinds = ", ".join(sorted({type(key).__qualname__ for key in part}))
        return f"has keys of type {kinds}, which JSON cannot hold, or not in an order"
    return "is nothing that JSON has"


def _text(name: object) -> str:
    """Return the name of a part as text that can be shown and stored: a key may be anything."""
    if isinstance(name, str):
        return name[:_NAME_CHARACTERS].encode(errors="backslashreplace").decode()
    return str(name) if isinstance(name, int) and name.bit_length() <= 64 else f"<{type(name).__qualname__}>"
