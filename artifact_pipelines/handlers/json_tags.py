"""The tagged form of values that JSON has no word for: `{"!date": "2013-01-01"}`.

The one idea: an object with one key that begins with `!` is a tag, named like the type of Python. A dict of that form
gets one more `!`, so it comes back as itself. Reading builds values of the types below only, and runs no code.
"""

import base64
import datetime
import decimal
import pathlib
import re
import sys
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from typing import Any

from artifact_pipelines.handlers.json_refusals import refusal

MARK = "!"

_DURATION = re.compile(r"(-?)P(\d{1,9})DT(\d{1,5})(?:\.(\d{6}))?S", re.ASCII)
_MOMENT = re.compile(r"([^\[\]]*)(?:\[([^\[\]=]+)\])?(\[fold=1\])?")
_FINE_UNITS = ("ns", "ps", "fs", "as")
_TOO_FINE = "is finer than a microsecond, and Python's types are not: round it"
_READ_ERRORS = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
"""Errors of types that are made from a text; the base of `ZoneInfoNotFoundError` is LookupError."""

_OUT_OF_RANGE = "is out of the range of Python's type"
Moment = datetime.datetime | datetime.time


def tag(name: str, content: object) -> dict[str, Any]:
    """Return the tagged form of a value."""
    return {MARK + name: content}


def escape(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a dict with text as keys, in a form that is not read as a tag."""
    return {MARK + key: item for key, item in plain.items()} if has_mark(plain) else plain


def tag_scalar(value: object) -> dict[str, Any] | None:
    """Return the tagged form of a value without elements; None if its type has none.

    A subclass is stored as the type that it is derived from.

    Raises:
        UnstorableValueError: That type cannot hold it.
    """
    for kind in type(value).__mro__:
        if kind in _WRITERS:
            try:
                return tag(kind.__name__, _WRITERS[kind](value))
            except (OverflowError, ValueError):  # its message may show the value
                raise refusal(value, _OUT_OF_RANGE) from None
    return None


def untag(found: dict[str, Any]) -> Any:
    """Return the value that an object of a stored file stands for: a hook of `json.loads`.

    Raises:
        ValueError: The tag is unknown, or its content does not fit it; the text does not show the content.
    """
    if not has_mark(found):
        return found
    [(key, content)] = found.items()
    name = key.removeprefix(MARK)
    if name.startswith(MARK):
        return {name: content}
    if name not in _READERS:
        raise ValueError(f"the tag {key!r:.50} is unknown")
    try:
        return _READERS[name](content)
    except _READ_ERRORS:
        raise ValueError(f"an element with the tag {key!r} is none") from None


def untag_to_json(found: dict[str, Any]) -> Any:
    """Return the JSON that pydantic reads for an object of a stored file: a hook of `json.loads`."""
    if not has_mark(found):
        return found
    [(key, content)] = found.items()
    if key.startswith(MARK + MARK):
        return {key.removeprefix(MARK): content}
    if key == f"{MARK}dict" and not any(isinstance(name, list | dict) for name, _ in content):
        return dict(content)
    return float(content) if key == f"{MARK}float" else content


def without_value(value: object) -> bool:
    """True if it is the missing value of pandas or numpy."""
    name = type(value).__name__
    if name in ("NaTType", "NAType"):
        return type(value).__module__.startswith("pandas.")
    return name in ("datetime64", "timedelta64") and str(value) == "NaT"


def numpy_to_python(value: Any) -> Any:
    """Return the value of Python of a numpy scalar; the value itself, if it is something else.

    Raises:
        UnstorableValueError: Python has no such value.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.generic):
        return value
    found = value.item()
    if value.dtype.kind in "mM" and isinstance(found, int):
        unit = numpy.datetime_data(value.dtype)[0]
        coarse = value.astype(f"{value.dtype.kind}8[us]") if unit in _FINE_UNITS else None
        if coarse is None or coarse != value:
            raise refusal(value, _TOO_FINE if coarse is not None else _OUT_OF_RANGE)
        found = coarse.item()
    if value.dtype.kind in "OV" or isinstance(found, numpy.generic):
        raise refusal(value, "is no number, text or time of Python")
    return found


def has_mark(found: Mapping[str, Any]) -> bool:
    """True if a dict with text as keys has the form of a tag."""
    return len(found) == 1 and next(iter(found)).startswith(MARK)


def _write_datetime(value: datetime.datetime) -> str:
    if getattr(value, "nanosecond", 0):  # pandas
        raise refusal(value, _TOO_FINE)
    fields = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
    return _write_moment(datetime.datetime(*fields, tzinfo=value.tzinfo, fold=value.fold))


def _write_moment(value: Moment) -> str:
    """Return ISO 8601 with the zone in brackets (RFC 9557); other zones are written as their offset."""
    zone = _find_zone(value)
    if zone is None and value.tzinfo is not None and value.utcoffset() is None:
        raise refusal(value, "has a time zone without a name, whose offset depends on the day")
    return value.isoformat() + (f"[{zone}]" if zone else "") + ("[fold=1]" if value.fold else "")


def _find_zone(value: Moment) -> str | None:
    """Return the name of a time zone, if a zone of that name gives the value the same offset."""
    name = getattr(value.tzinfo, "key", None) or getattr(value.tzinfo, "zone", None)  # zoneinfo, pytz
    try:
        is_same = name is not None and value.replace(tzinfo=zoneinfo.ZoneInfo(name)).utcoffset() == value.utcoffset()
    except _READ_ERRORS:
        return None
    return name if is_same else None


def _read_moment(kind: type[Moment], content: str) -> Any:
    found = _MOMENT.fullmatch(content)
    if found is None:
        raise ValueError
    iso, zone, fold = found.groups()
    value = kind.fromisoformat(iso).replace(fold=1 if fold else 0)
    return value.replace(tzinfo=zoneinfo.ZoneInfo(zone)) if zone else value


def _write_timedelta(value: datetime.timedelta) -> str:
    if getattr(value, "nanoseconds", 0):  # pandas
        raise refusal(value, _TOO_FINE)
    plain = datetime.timedelta(value.days, value.seconds, value.microseconds)
    size = abs(plain)
    fraction = f".{size.microseconds:06}" if size.microseconds else ""
    return f"{'-' if plain != size else ''}P{size.days}DT{size.seconds}{fraction}S"


def _read_timedelta(content: str) -> datetime.timedelta:
    found = _DURATION.fullmatch(content)
    if found is None:
        raise ValueError
    sign, days, seconds, microseconds = found.groups()
    size = datetime.timedelta(int(days), int(seconds), int(microseconds or 0))
    return -size if sign else size


def _items(content: object) -> list[Any]:
    if not isinstance(content, list):
        raise TypeError
    return content


_WRITERS: Mapping[type, Callable[[Any], object]] = {
    datetime.datetime: _write_datetime,
    datetime.date: lambda value: datetime.date(value.year, value.month, value.day).isoformat(),
    datetime.time: _write_moment,
    datetime.timedelta: _write_timedelta,
    decimal.Decimal: decimal.Decimal.__str__,
    uuid.UUID: str,
    complex: lambda value: complex.__repr__(value).strip("()"),
    bytes: lambda value: base64.b64encode(value).decode(),
    bytearray: lambda value: base64.b64encode(value).decode(),
    range: lambda value: [value.start, value.stop, value.step],
    pathlib.Path: str,
    pathlib.PurePosixPath: str,
    pathlib.PureWindowsPath: str,
}
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "float": float,
    "datetime": lambda content: _read_moment(datetime.datetime, content),
    "date": datetime.date.fromisoformat,
    "time": lambda content: _read_moment(datetime.time, content),
    "timedelta": _read_timedelta,
    "Decimal": decimal.Decimal,
    "UUID": uuid.UUID,
    "complex": complex,
    "bytes": lambda content: base64.b64decode(content, validate=True),
    "bytearray": lambda content: bytearray(base64.b64decode(content, validate=True)),
    "range": lambda content: range(*content),
    "Path": pathlib.Path,
    "PurePosixPath": pathlib.PurePosixPath,
    "PureWindowsPath": pathlib.PureWindowsPath,
    "tuple": lambda content: tuple(_items(content)),
    "set": lambda content: set(_items(content)),
    "frozenset": lambda content: frozenset(_items(content)),
    "dict": lambda content: dict(_items(content)),
}
