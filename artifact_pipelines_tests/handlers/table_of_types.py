"""The table of types in docs/io_manager.md, as values: each row is an example that tests run.

To document a type, add a row there. To use another name in a row, add it to `NAMES`. If the text of
a value does not show its whole content and type, add its type to `comparable`.

    value                  the value in backticks; text after it is for people
    file                   type of the stored file; of a container, the types of its files in order
    content                its whole text in backticks, or nothing
    without an annotation  `the same`, or the value in backticks
    annotated              pairs `annotation`: value, separated by semicolons; the value as in the column before
"""

import dataclasses
import datetime
import decimal
import enum
import pathlib
import pprint
import re
import uuid
import zoneinfo
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "io_manager.md"
_HEADER = "| value | file | content | without an annotation | annotated |"
_SAME = "the same"


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Pair(NamedTuple):
    x: int
    y: str


class Model(pydantic.BaseModel):
    x: int


class Colour(enum.Enum):
    RED = "red"


NAMES: dict[str, Any] = {
    "BERLIN": zoneinfo.ZoneInfo("Europe/Berlin"),
    **{kind.__name__: kind for kind in (Point, Pair, Model, Colour)},
    "Any": Any,
    "datetime": datetime,
    "decimal": decimal,
    "pathlib": pathlib,
    "uuid": uuid,
    "duckdb": duckdb,
    "np": np,
    "pa": pa,
    "pd": pd,
    "pl": pl,
}


@dataclasses.dataclass(frozen=True)
class Row:
    """An example. Values are code, because some, such as a reader, can be used only once.

    Attributes:
        value: The value to store.
        file_type: Type of the stored file.
        content: Its text; None: not checked.
        found: The value without an annotation.
        annotated: Pairs of an annotation and the value with it.
    """

    value: str
    file_type: str
    content: str | None
    found: str
    annotated: tuple[tuple[str, str], ...]


def read_rows() -> list[Row]:
    """Return the rows of the table."""
    lines = DOCUMENT.read_text().partition(_HEADER)[2].strip().partition("\n\n")[0].splitlines()[1:]
    return [_row(*(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1])) for line in lines]


def _row(value: str, file_type: str, content: str, found: str, annotated: str) -> Row:
    made = _code(value)
    pairs = re.findall(r"`([^`]+)`: (the same|`[^`]+`)", annotated)
    assert "; ".join(f"`{kind}`: {wanted}" for kind, wanted in pairs) == annotated, f"malformed: {annotated}"
    return Row(
        value=made,
        file_type=file_type,
        content=_code(content) if content else None,
        found=made if found == _SAME else _code(found),
        annotated=tuple((kind, made if wanted == _SAME else _code(wanted)) for kind, wanted in pairs),
    )


def _code(cell: str) -> str:
    found = re.search(r"`([^`]+)`", cell)
    assert found, f"no code in {cell!r}"
    return found[1]


def evaluate(code: str) -> Any:
    """Return the value that a cell shows."""
    return eval(code, dict(NAMES))


def comparable(value: Any) -> Any:
    """Return a value of which equal values of one type have the same text (`pprint`, which sorts dicts and sets)."""
    if isinstance(value, pl.LazyFrame):
        value = value.collect()
    if isinstance(value, pl.Series):
        return value.to_frame().to_arrow(), str(value)  # an array of Arrow would show its address
    if isinstance(value, pl.DataFrame):
        return value.to_arrow(), str(value)
    if isinstance(value, pa.RecordBatchReader):
        value = value.read_all()
    if isinstance(value, duckdb.DuckDBPyRelation):
        value = value.to_arrow_table()
    if isinstance(value, pd.DataFrame):
        return list(value.dtypes), value.to_dict(), value.index
    if isinstance(value, pd.Series):
        return value.name, value.dtype, value.to_dict(), value.index
    if isinstance(value, np.ndarray):
        return type(value), value.dtype, value.tolist()
    if isinstance(value, dict):
        return {name: comparable(element) for name, element in value.items()}
    return type(value)(map(comparable, value)) if type(value) in (list, tuple) else value


def assert_same(found: Any, expected: Any) -> None:
    """Check that two values have the same type and content; NaN is the same as NaN."""
    assert type(found) is type(expected)
    assert pprint.pformat(comparable(found)) == pprint.pformat(comparable(expected))
