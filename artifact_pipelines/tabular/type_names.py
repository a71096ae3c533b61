"""Names of types for people: those of DuckDB, in which a dataset's YAML file declares its columns."""

import re

_NAMES = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "string_view": "VARCHAR",
    "binary": "BLOB",
    "binary_view": "BLOB",
    "date32[day]": "DATE",
    "time64[us]": "TIME",
    "time64[ns]": "TIME",
    "timestamp[s]": "TIMESTAMP_S",
    "timestamp[ms]": "TIMESTAMP_MS",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[ns]": "TIMESTAMP_NS",
}
_MOMENT = re.compile(r"timestamp\[\w+, tz=(.+)\]")
_DECIMAL = re.compile(r"decimal\d+\((\d+), (\d+)\)")
_LIST = re.compile(r"list<\w+: (.+?)(?: not null)?>")
_CATEGORY = re.compile(r"dictionary<values=(\w+), .*>")


def type_name(arrow_name: str) -> str:
    """Return DuckDB's name of a type that Arrow names so; Arrow's, where DuckDB has none of a few words."""
    name = arrow_name.replace("large_", "")
    if match := _MOMENT.fullmatch(name):
        return "TIMESTAMPTZ" if match[1] == "UTC" else f"TIMESTAMPTZ ({match[1]})"
    if match := _DECIMAL.fullmatch(name):
        return f"DECIMAL({match[1]}, {match[2]})"
    if match := _LIST.fullmatch(name):
        return f"{type_name(match[1])}[]"
    if match := _CATEGORY.fullmatch(name):
        return type_name(match[1])
    return _NAMES.get(name, name)
