"""Values as a person reads them in a table: numbers and booleans as they are, everything else as text.

The one idea: no value passes through Python's own types of time, which lack year 10000, infinity and nanoseconds, so
every value can be shown. Moments are shown in UTC, whatever the time zone of their column.
"""

import pyarrow as pa

from artifact_pipelines.tabular.arrow_types import is_string

Cell = bool | int | float | str | None
ITEMS_SHOWN = 20
_DAY_S = 24 * 60 * 60
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def format_cell(value: pa.Scalar) -> Cell:
    """Return a value as it is shown; a long list by its first items."""
    kind, types = value.type, pa.types
    if not value.is_valid:
        return None
    if isinstance(kind, pa.BaseExtensionType) or types.is_dictionary(kind):
        return format_cell(value.value)
    if types.is_nested(kind):
        return _format_nested(value)
    if types.is_temporal(kind):
        return _format_time(value)
    if is_string(kind):
        return str(value.as_buffer(), "utf-8", errors="replace")  # Arrow does not check that it is UTF-8
    plain = value.as_py()
    return plain if isinstance(plain, bool | int | float) else str(plain)


def _format_nested(value: pa.Scalar) -> str:
    kind = value.type
    if pa.types.is_struct(kind):  # by position, since two fields may have one name
        return f"{{{', '.join(f'{field.name}: {_format_inner(value[i])}' for i, field in enumerate(kind))}}}"
    items = [
        _format_entry(item) if pa.types.is_map(kind) else _format_inner(item) for item in value.values[:ITEMS_SHOWN]
    ]
    shown = ", ".join([*items, "…"] if len(value.values) > ITEMS_SHOWN else items)
    return f"{{{shown}}}" if pa.types.is_map(kind) else f"[{shown}]"


def _format_entry(value: pa.Scalar) -> str:
    return f"{_format_inner(value[0])}: {_format_inner(value[1])}"


def _format_inner(value: pa.Scalar) -> str:
    shown = format_cell(value)
    return "null" if shown is None else str(shown)


def _format_time(value: pa.Scalar) -> str:
    kind = value.type
    if pa.types.is_duration(kind):
        return _format_duration(value.value, kind.unit)
    if not pa.types.is_timestamp(kind):
        return _as_text(value)
    return _as_text(value.cast(pa.timestamp(kind.unit))) + ("+00:00" if kind.tz else "")  # the zone may be unknown


def _format_duration(count: int, unit: str) -> str:
    days, rest = divmod(count, _DAY_S * _PER_SECOND[unit])
    time = _as_text(pa.scalar(rest * (_PER_SECOND["ns"] // _PER_SECOND[unit]), pa.time64("ns")))
    return f"{days} days {time}" if days else time


def _as_text(value: pa.Scalar) -> str:
    """Return a time in Arrow's format, without trailing zeros."""
    text: str = value.cast(pa.string()).as_py()
    return text.rstrip("0").rstrip(".") if "." in text else text
