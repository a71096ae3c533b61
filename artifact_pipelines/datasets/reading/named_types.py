"""Column types by name: DuckDB's names in a YAML file, and Arrow's in the catalog."""

import dataclasses
import re
from collections.abc import Mapping

import duckdb

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.datasets.reading.column_types import (
    TEXT,
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    Time,
    Timestamp,
)
from artifact_pipelines.datasets.reading.spelling import PLAIN, Spelling

_EXPECTED = (
    "VARCHAR, BOOLEAN, TINYINT to BIGINT, UTINYINT to UBIGINT, DECIMAL(10,2) with at most 38 digits, FLOAT, DOUBLE, "
    "DATE, TIME, TIMESTAMP, TIMESTAMP_NS or TIMESTAMPTZ"
)
_UNCHECKED = ("json",)  # for DuckDB another name of VARCHAR
_INTEGERS = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}
_SIMPLE: Mapping[str, ColumnType] = {
    "varchar": TEXT,
    "boolean": Boolean(),
    "float": Float(32),
    "double": Float(64),
    "date": Date(),
    "time": Time(),
    "timestamp": Timestamp(),
    "timestamp_ns": Timestamp("ns"),
    "timestamp with time zone": Timestamp(zone="UTC", any_offset=True),
}
_ARROW_TIMESTAMP = re.compile(r"timestamp\[(us|ns)(?:, tz=(UTC|[+-]\d\d:\d\d))?\]")
_ARROW_DECIMAL = re.compile(r"decimal128\((\d+), (\d+)\)")
_ARROW_NUMBER = re.compile(r"(u?)int(8|16|32|64)")
_ARROW_SIMPLE: Mapping[str, ColumnType] = {
    "bool": Boolean(),
    "date32[day]": Date(),
    "float": Float(32),
    "double": Float(64),
    "time64[ns]": Time(),
    "string": TEXT,
    "large_string": TEXT,
    "string_view": TEXT,
}


def declared_type(name: str, spelling: Spelling = PLAIN) -> ColumnType:
    """Return the column type with a name of DuckDB's.

    Raises:
        InvalidArgumentError: DuckDB does not know it, or text has no rule for it.
    """
    try:
        found = duckdb.sqltype(name)
    except duckdb.Error as error:
        raise InvalidArgumentError("column type", name, _EXPECTED) from error
    if ("(" in name and found.id != "decimal") or name.strip().lower() in _UNCHECKED:
        raise InvalidArgumentError("column type", name, f"{_EXPECTED}; its texts are not checked as {name}")
    if found.id == "decimal":
        precision, scale = (int(str(size)) for _, size in found.children)
        return Decimal(precision, scale, spelling)
    is_signed = found.id in _INTEGERS
    if bits := _INTEGERS.get(found.id) or _INTEGERS.get(found.id.removeprefix("u")):
        return Integer(bits, is_signed, spelling)
    if found.id not in _SIMPLE:
        raise InvalidArgumentError("column type", name, _EXPECTED)
    return _spelled(_SIMPLE[found.id], spelling)


def type_of_arrow(name: str, spelling: Spelling = PLAIN) -> ColumnType | None:
    """Return the column type with a name of Arrow's; None: texts have no rule for it."""
    if match := _ARROW_NUMBER.fullmatch(name):
        return Integer(int(match[2]), not match[1], spelling)
    if match := _ARROW_DECIMAL.fullmatch(name):
        return Decimal(int(match[1]), int(match[2]), spelling)
    if match := _ARROW_TIMESTAMP.fullmatch(name):
        return Timestamp(match[1], match[2], spelling=spelling)
    return _spelled(_ARROW_SIMPLE[name], spelling) if name in _ARROW_SIMPLE else None


def _spelled(kind: ColumnType, spelling: Spelling) -> ColumnType:
    return dataclasses.replace(kind, spelling=spelling) if hasattr(kind, "spelling") else kind  # type: ignore[type-var]
