"""What a schema tells pandas beyond its columns: the index, labels that are no text, dtypes of pandas' own, `attrs`.

One idea: two frames that pandas loads differently are of different content, and a plain one is of the same content as
the table of anyone else. pandas is not asked, so the answer is the same without it, and with any version of it: what a
version calls text, and how it names itself, does not count.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

CATEGORIES_KEY = b"artifact_pipelines.categories"
"""Key in a schema's metadata: of columns and levels of the index the categories, and whether they are in an order."""

_MOST_LEVELS = 100
_TOO_DEEP = f"JSON of more than {_MOST_LEVELS} levels"
_TEXT = ("unicode", "string", "empty")
# What pandas makes of an Arrow type by itself. Not durations in seconds, which the hash takes for milliseconds.
_OF_NUMPY = re.compile(r"(u?int|float)\d+|bool|object|str|bytes|datetime64\b.*|timedelta64\[[mun]s\]")


def told_to_pandas(schema: pa.Schema) -> Mapping[str, Any]:
    """Return what makes pandas load a table otherwise than by its columns alone: nothing, for a plain frame.

    Metadata that are not as pandas writes them tell nothing.
    """
    try:
        metadata = _parsed(schema, b"pandas")
        told = {} if metadata is None else {**_told(metadata), **_told_of_categories(named_categories(schema))}
        json.dumps(told, sort_keys=True)  # what is hashed
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}
    return told


def named_categories(schema: pa.Schema) -> Mapping[str, Mapping[str, Any]]:
    """Return by column the `categories` that a schema names, and whether they are `ordered`.

    Where one of them is not as they are written here, all say nothing.
    """
    try:
        named = _parsed(schema, CATEGORIES_KEY)
    except ValueError:
        return {}
    return named if isinstance(named, dict) and all(map(_are_categories, named.values())) else {}


def _are_categories(kept: Any) -> bool:
    if not isinstance(kept, dict) or not isinstance(kept.get("ordered"), bool):
        return False
    values = kept.get("categories")
    if not isinstance(values, list) or not all(isinstance(value, str | int | float) for value in values):
        return False
    return len({*values}) == len(values) and not any(value != value for value in values)  # NaN is no category


def _parsed(schema: pa.Schema, key: bytes) -> Any:
    """Return what a schema's metadata say as JSON; None where they say nothing.

    Raises:
        ValueError: It is no JSON, or nested so deeply that it depends on the caller's stack whether it can be read.
    """
    try:
        said = json.loads((schema.metadata or {}).get(key, b"null"))
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    level = [said]
    for _ in range(_MOST_LEVELS):
        level = [inner for value in level for inner in _inside(value)]
    if level:
        raise ValueError(_TOO_DEEP)
    return said


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _told(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    columns = {column.get("field_name", column["name"]): column for column in metadata["columns"]}
    index = [_level(level, columns) for level in metadata["index_columns"]]
    has_labels = any(name not in metadata["index_columns"] for name in columns)
    told = {
        "index": index if index != [_level({"kind": "range", "name": None, "start": 0, "step": 1}, {})] else None,
        "labels": _labels(metadata["column_indexes"]) if has_labels else None,
        "dtypes": {name: kind for name, column in columns.items() if (kind := _own_dtype(column))},
        "attributes": metadata.get("attributes"),
    }
    return {part: said for part, said in told.items() if said}


def _told_of_categories(named: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return which columns have categories in an order, or of numbers; others are told by their texts alone."""
    told = {
        name: kept["categories"] if kept["ordered"] else None
        for name, kept in named.items()
        if kept["ordered"] or not all(isinstance(value, str) for value in kept["categories"])
    }
    return {"categories": told} if told else {}


def _level(level: Any, columns: Mapping[str, Any]) -> Sequence[Any]:
    """Return what counts of a level of the index: of a range not its end, which follows from the number of rows."""
    if isinstance(level, dict):
        return [level["name"], level["start"], level["step"]]
    return [columns[level]["name"], level]


def _labels(levels: Sequence[Mapping[str, Any]]) -> Sequence[Any] | None:
    found = [[level["name"], "text" if level["pandas_type"] in _TEXT else level["pandas_type"]] for level in levels]
    return None if found == [[None, "text"]] else found


def _own_dtype(column: Mapping[str, Any]) -> str | None:
    kind: str = column["numpy_type"]
    return None if _OF_NUMPY.fullmatch(kind) else kind
