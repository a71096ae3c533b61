"""Values of a profile as people read them."""

import decimal
import re
from typing import Any

import pyarrow as pa

from artifact_pipelines.tabular.arrow_types import is_string
from artifact_pipelines.tabular.footer import format_cell

SHOWN_CHARACTERS = 200
"""Characters shown of a longer text."""

_YEAR_BEYOND_9999 = re.compile(r"[0-9]{5,}-")


def shown_value(value: Any, kind: pa.DataType) -> str | None:
    """Return a value, as a summary holds it, as people read it."""
    types = pa.types
    if value is None or types.is_null(kind):
        return None
    if isinstance(value, bytes):
        text = value.decode(errors="replace") if is_string(kind) else str(value)[2:-1]
        return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    if types.is_boolean(kind):
        return "true" if value else "false"
    if types.is_decimal(kind):
        return str(decimal.Decimal(value).scaleb(-kind.scale, decimal.Context(prec=40)))
    if types.is_temporal(kind):
        return _shown_time(value, kind)
    return str(value)


def _shown_time(value: int, kind: pa.DataType) -> str:
    """Return a time; a year beyond 9999 has a sign, as in ISO 8601, and DuckDB's infinities have their names."""
    bits = kind.bit_width
    if abs(value) == 2 ** (bits - 1) - 1:
        return "infinity" if value > 0 else "-infinity"
    shown = str(format_cell(pa.array([value], f"int{bits}").view(kind)[0]))
    return f"+{shown}" if _YEAR_BEYOND_9999.match(shown) else shown


def shown_kept(value: pa.Scalar, kind: pa.DataType) -> str | None:
    """Return a kept value of a column, whose values have this type, as people read it."""
    if pa.types.is_decimal(kind):
        return str(value.as_py())
    if pa.types.is_temporal(value.type):
        value = value.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    return shown_value(value.as_py(), kind)
