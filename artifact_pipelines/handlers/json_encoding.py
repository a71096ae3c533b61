"""Encode values as JSON: each value of Python with its type, and each dict in its own order.

Equal dicts may have other orders, so a value has a second, canonical text: the same with all keys sorted.

The one idea: the C encoder of `json` does the work, and asks for the form of each value that it does not know. It
would write a tuple as a list and a number as a text key, so a value with one of these, with NaN, or with something
that JSON cannot hold is walked through first: that puts in the tags (`json_tags`), or refuses the value with the path.
"""

import dataclasses
import enum
import itertools
import json
import math
import operator
import types
from collections.abc import Iterable, Mapping
from typing import Any

from artifact_pipelines.handlers.annotations import type_title
from artifact_pipelines.handlers.exceptions import UnstorableValueError
from artifact_pipelines.handlers.json_records import check_open, encode_record, is_record
from artifact_pipelines.handlers.json_refusals import (
    MOST_LEVELS,
    check_level,
    problem_of_leaf,
    refusal,
    within,
)
from artifact_pipelines.handlers.json_tags import (
    MARK,
    escape,
    has_mark,
    numpy_to_python,
    tag,
    tag_scalar,
    without_value,
)

_SIMPLE = {bool, types.NoneType}
_WITHOUT_FIELDS = {*_SIMPLE, dict, list, str, int, float}
_TAGGED_DICT = f'{{"{MARK}dict":'
_WORD = 1 << 63
_NOT_JSON = "is not JSON: turn it into text, numbers, lists or dicts"
_WITH_HANDLER = "or return it alone, or as an element of one dict, list or tuple, with a handler for its type"


def encode_json(value: object) -> tuple[str, str]:
    """Return a value as JSON text, and its canonical text, the same for equal values in every process.

    Raises:
        UnstorableValueError: JSON cannot hold it.
    """
    try:
        text = _ENCODER.encode(value)  # the text is rarely larger than the value itself
        is_direct, is_sorted = _look_through(value)
        if (text.isascii() or text.encode()) and is_direct:
            return text, text if is_sorted else _canonical(value, text)
    except (TypeError, ValueError, RecursionError, UnstorableValueError):
        pass  # the walk finds the place
    try:
        plain = _encode(value, 0)
        text = _ENCODER.encode(plain)
        return text, _canonical(plain, text)
    except RecursionError:
        raise refusal(value, f"has more than {MOST_LEVELS} levels, or contains itself") from None


def _canonical(value: object, text: str) -> str:
    """Return the canonical text of a value that the C encoder encodes as `text`."""
    canonical = _SORTING_ENCODER.encode(value)
    if _TAGGED_DICT not in text:
        return canonical
    return _SORTING_ENCODER.encode(json.loads(canonical, object_hook=_sort_tagged))


def _sort_tagged(found: dict[str, Any]) -> dict[str, Any]:
    """Return a dict whose keys are no text, in its tagged form, with sorted keys: a hook of `json.loads`."""
    pairs = found.get(f"{MARK}dict")
    return found if pairs is None or len(found) > 1 else tag("dict", sorted(pairs, key=lambda pair: _order(pair[0])))


def _look_through(value: object) -> tuple[bool, bool]:
    """Look through a value without cycles, level by level, which is fast.

    Returns:
        True if the C encoder gives it its own form; and true if that is the canonical one, for all keys are in order.
    """
    level, is_sorted = [value], True
    for _ in range(MOST_LEVELS + 1):
        kinds = set(map(type, level))
        if any(issubclass(kind, tuple) for kind in kinds):
            return False, False
        dicts, lists = _of_kind(dict, level, kinds), _of_kind(list, level, kinds)
        shapes = set(map(tuple, dicts))  # records have few
        if not all(isinstance(key, str) and not key.startswith(MARK) for key in itertools.chain.from_iterable(shapes)):
            return False, False
        is_sorted = is_sorted and kinds <= _WITHOUT_FIELDS and all(map(_is_sorted, shapes))
        level = [*itertools.chain.from_iterable(map(dict.values, dicts)), *itertools.chain.from_iterable(lists)]
        if not level:
            return True, is_sorted
    return False, False


def _is_sorted(keys: tuple[str, ...]) -> bool:
    return all(map(operator.le, keys, itertools.islice(keys, 1, None)))  # ends at the first that is not


def _of_kind(wanted: type, items: list[Any], kinds: set[type]) -> list[Any]:
    fitting = {kind for kind in kinds if issubclass(kind, wanted)}
    return items if fitting == kinds else [item for item in items if type(item) in fitting] if fitting else []


def _encode(value: Any, level: int = 0) -> Any:
    """Return a value as dicts, lists, texts and numbers.

    Args:
        value: The value.
        level: Number of containers around it.
    """
    if isinstance(value, str | int):
        problem = problem_of_leaf(value)
        if problem:
            raise refusal(value, problem)
        return value
    if isinstance(value, float):
        return _encode_float(value)
    if value is None or without_value(value):
        return None
    if isinstance(value, list | dict | tuple | set | frozenset):
        check_level(level)
        return _encode_container(value, level + 1)
    return _encode_other(value, level)


def _encode_items(names: Iterable[object], items: Iterable[Any], level: int) -> list[Any]:
    done: list[Any] = []
    try:
        for item in items:
            kind = type(item)  # most items are plain: seen here, without another call
            if (kind is str and item.isascii()) or kind in _SIMPLE or (kind is int and -_WORD < item < _WORD):
                done.append(item)
            else:
                done.append(_encode(item, level))
    except UnstorableValueError as error:
        raise within(error, names, len(done)) from None
    return done


def _encode_container(value: Any, level: int) -> Any:
    if isinstance(value, dict):
        return _encode_dict(value, level)
    items = _encode_items(itertools.count(), value, level)
    if isinstance(value, list):
        return items
    if isinstance(value, tuple):
        return tag("tuple", items)
    ordered = sorted(items, key=_order)  # equal sets may have other orders
    if not all(map(_is_hashable, ordered)):  # records: an annotation brings the set back
        return ordered
    return tag("set" if isinstance(value, set) else "frozenset", ordered)


def _encode_dict(value: Mapping[Any, Any], level: int) -> dict[str, Any]:
    items = _encode_items(value, value.values(), level)
    if _has_plain_keys(value):
        return dict(zip(value, items, strict=True))
    pairs = list(zip(_encode_keys(value, level), items, strict=True))
    if all(isinstance(key, str) for key, _ in pairs):
        return escape(dict(pairs))
    return tag("dict", [list(pair) for pair in pairs])


def _has_plain_keys(value: Mapping[Any, Any]) -> bool:
    """True if all keys are ASCII, and the dict does not look like a tag."""
    return {*map(type, value)} <= {str} and "".join(value).isascii() and (len(value) != 1 or not has_mark(value))


def _encode_keys(value: Mapping[Any, Any], level: int) -> list[Any]:
    try:
        keys = [key if type(key) is str and key.isascii() else _encode(key, level) for key in value]
    except UnstorableValueError:
        raise refusal(value, "has a key that cannot be stored") from None
    if {*map(type, value)} <= {str}:
        return keys
    if not all(map(_is_hashable, keys)):
        raise refusal(value, "has a key that is a record, or contains one")
    if len({*map(_ENCODER.encode, keys)}) < len(keys):
        raise refusal(value, "has keys that are stored alike, such as a text and an Enum of that text")
    return keys


def _encode_float(value: float) -> Any:
    return value if math.isfinite(value) else tag("float", float.__repr__(value))


def _encode_other(value: Any, level: int) -> Any:
    tagged = tag_scalar(value)
    if tagged is not None:
        return tagged
    plain = numpy_to_python(value)
    if plain is not value:
        return _encode(plain, level)
    if is_record(value):
        return encode_record(value, level, _encode_float, _order)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _encode({field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, level)
    if isinstance(value, enum.Enum):
        return _encode(value.value, level)
    check_open(value)
    kind = type(value)
    if kind.__module__ == "builtins":
        raise refusal(value, _NOT_JSON)
    raise UnstorableValueError("JSON", [], type_title(kind), f"{_NOT_JSON}, {_WITH_HANDLER}", needs_handler=True)


def _order(plain: object) -> tuple[int, int, str]:
    """Return the sort key of an encoded element of a set, or key of a dict: integers by size, then all else by text."""
    is_number = isinstance(plain, int) and not isinstance(plain, bool)
    return (0, plain, "") if is_number else (1, 0, _SORTING_ENCODER.encode(plain))  # type: ignore[return-value]


_ENCODER, _SORTING_ENCODER = (
    json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=is_sorted, separators=(",", ":"), default=_encode)
    for is_sorted in (False, True)
)


def _is_hashable(plain: object) -> bool:
    """True if an encoded value comes back as a value that a set can contain."""
    if isinstance(plain, list):
        return False
    if not isinstance(plain, dict):
        return True
    name, content = next(iter(plain.items()), ("", ()))
    if name in (f"{MARK}tuple", f"{MARK}frozenset"):
        return all(map(_is_hashable, content))
    return len(plain) == 1 and name.startswith(MARK) and not name.startswith((f"{MARK}{MARK}", f"{MARK}bytearray"))
