"""Values as people read them in a table: numbers and booleans as they are, everything else as text.

One idea: no value goes by way of Python's own types of time, which have no year 10000, no infinity and no nanoseconds.
So there is no value that cannot be told. Moments are told in UTC, whatever zone their column is shown in.
"""

import pyarrow as pa

Cell = bool | int | float | str | None
ITEMS_SHOWN = 20
_DAY_S = 24 * 60 * 60
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def cell(value: pa.Scalar) -> Cell:
    """Return what a value reads as; of a list its first items."""
    kind, types = value.type, pa.types
    if not value.is_valid:
        return None
    if isinstance(kind, pa.BaseExtensionType) or types.is_dictionary(kind):
        return cell(value.value)
    if types.is_nested(kind):
        return _nested(value)
    if types.is_temporal(kind):
        return _time(value)
    if is_text(kind):
        return str(value.as_buffer(), "utf-8", errors="replace")  # Arrow does not look whether it is UTF-8
    told = value.as_py()
    return told if isinstance(told, bool | int | float) else str(told)


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is that of texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _nested(value: pa.Scalar) -> str:
    kind = value.type
    if pa.types.is_struct(kind):  # by position, for two fields may have one name
        return f"{{{', '.join(f'{field.name}: {_inside(value[i])}' for i, field in enumerate(kind))}}}"
    items = [_entry(item) if pa.types.is_map(kind) else _inside(item) for item in value.values[:ITEMS_SHOWN]]
    shown = ", ".join([*items, "…"] if len(value.values) > ITEMS_SHOWN else items)
    return f"{{{shown}}}" if pa.types.is_map(kind) else f"[{shown}]"


def _entry(value: pa.Scalar) -> str:
    return f"{_inside(value[0])}: {_inside(value[1])}"


def _inside(value: pa.Scalar) -> str:
    told = cell(value)
    return "null" if told is None else str(told)


def _time(value: pa.Scalar) -> str:
    kind = value.type
    if pa.types.is_duration(kind):
        return _duration(value.value, kind.unit)
    if not pa.types.is_timestamp(kind):
        return _text(value)
    return _text(value.cast(pa.timestamp(kind.unit))) + ("+00:00" if kind.tz else "")  # needs to know no zone


def _duration(count: int, unit: str) -> str:
    days, rest = divmod(count, _DAY_S * _PER_SECOND[unit])
    time = _text(pa.scalar(rest * (_PER_SECOND["ns"] // _PER_SECOND[unit]), pa.time64("ns")))
    return f"{days} days {time}" if days else time


def _text(value: pa.Scalar) -> str:
    """Return a time as Arrow says it, with no more digits than it takes."""
    text: str = value.cast(pa.string()).as_py()
    return text.rstrip("0").rstrip(".") if "." in text else text
