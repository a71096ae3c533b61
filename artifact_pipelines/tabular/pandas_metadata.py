"""Facts in a schema's metadata that make pandas load a table differently: index, labels, dtypes, categories, `attrs`.

The one idea: two frames that pandas loads differently have different content, and a plain frame has the content of the
same table from any other library. pandas itself is not used, so its presence and version do not matter; nor does a
version's name for text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

CATEGORIES_KEY = b"artifact_pipelines.categories"
"""Key in a schema's metadata: the categories of columns and index levels, and whether they are ordered."""

_TEXT = ("unicode", "string", "empty")
# The dtypes that pandas chooses for an Arrow type by itself. Not durations in seconds, hashed as milliseconds.
_DEFAULT_DTYPE = re.compile(r"(u?int|float)\d+|bool|object|str|bytes|datetime64\b.*|timedelta64\[[mun]s\]")


def pandas_facts(schema: pa.Schema) -> Mapping[str, Any]:
    """Return the facts that make pandas load a table differently than by its columns; empty for a plain frame.

    Metadata that pandas would not write count as absent.
    """
    try:
        metadata = _parse(schema, b"pandas")
        facts = {} if metadata is None else {**_frame_facts(metadata), **_category_facts(read_categories(schema))}
        json.dumps(facts, sort_keys=True)  # it will be hashed
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return {}
    return facts


def read_categories(schema: pa.Schema) -> Mapping[str, Mapping[str, Any]]:
    """Return the `categories` of each column in a schema's metadata, and whether they are `ordered`.

    Empty if any of them is malformed.
    """
    try:
        found = _parse(schema, CATEGORIES_KEY)
    except (RecursionError, ValueError):
        return {}
    return found if isinstance(found, dict) and all(map(_is_well_formed, found.values())) else {}


def shared_pandas_metadata(schemas: Sequence[pa.Schema]) -> Mapping[bytes, bytes]:
    """Return the first table's metadata for tables that become one, without categories and `attrs` that differ."""
    shared = dict(schemas[0].metadata or {})
    if any(read_categories(schema) != read_categories(schemas[0]) for schema in schemas):
        shared.pop(CATEGORIES_KEY, None)
    known = [schema.pandas_metadata or {} for schema in schemas]
    if any(one.get("attributes") != known[0].get("attributes") for one in known):
        shared[b"pandas"] = json.dumps({**known[0], "attributes": {}}).encode()
    return shared


def _is_well_formed(found: Any) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("ordered"), bool):
        return False
    values = found.get("categories")
    if not isinstance(values, list) or not all(isinstance(value, str | int | float) for value in values):
        return False
    return len({*values}) == len(values) and not any(value != value for value in values)  # NaN is no category


def _parse(schema: pa.Schema, key: bytes) -> Any:
    return json.loads((schema.metadata or {}).get(key, b"null"))


def _frame_facts(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    columns = {column.get("field_name", column["name"]): column for column in metadata["columns"]}
    index = [_level(level, columns) for level in metadata["index_columns"]]
    has_labels = any(name not in metadata["index_columns"] for name in columns)
    facts = {
        "index": index if index != [_level({"kind": "range", "name": None, "start": 0, "step": 1}, {})] else None,
        "labels": _labels(metadata["column_indexes"]) if has_labels else None,
        "dtypes": {name: kind for name, column in columns.items() if (kind := _own_dtype(column))},
        "attributes": metadata.get("attributes"),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _category_facts(categories: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the columns with ordered categories, or categories of numbers; plain texts count as their values."""
    facts = {
        name: found["categories"] if found["ordered"] else None
        for name, found in categories.items()
        if found["ordered"] or not all(isinstance(value, str) for value in found["categories"])
    }
    return {"categories": facts} if facts else {}


def _level(level: Any, columns: Mapping[str, Any]) -> Sequence[Any]:
    """Return the identity of an index level; the end of a range follows from the number of rows."""
    if isinstance(level, dict):
        return [level["name"], level["start"], level["step"]]
    return [columns[level]["name"], level]


def _labels(levels: Sequence[Mapping[str, Any]]) -> Sequence[Any] | None:
    found = [[level["name"], "text" if level["pandas_type"] in _TEXT else level["pandas_type"]] for level in levels]
    return None if found == [[None, "text"]] else found


def _own_dtype(column: Mapping[str, Any]) -> str | None:
    kind: str = column["numpy_type"]
    return None if _DEFAULT_DTYPE.fullmatch(kind) else kind
