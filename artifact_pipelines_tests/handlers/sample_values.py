"""Sample values: a value of every type that the built-in handlers store."""

import dataclasses
import datetime
import decimal
import enum
import io
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow.dataset
import pydantic

FRAME = pl.DataFrame(
    {
        "number": [3, 1, None],
        "text": ["a", None, "ü"],
        "moment": [datetime.datetime(2013, 1, 1, 5, tzinfo=datetime.UTC), None, None],
        "list": [[1, 2], [], None],
    }
)


@dataclasses.dataclass
class Point:
    x: int
    y: dict[str, int]


@dataclasses.dataclass
class Tags:
    tags: set[str]
    day: datetime.date


class Size(enum.Enum):
    SMALL = "s"


class Tagged(pydantic.BaseModel):
    tags: set[str]
    more: list[frozenset[str]]
    points: dict[int, set[str]]


class Model(pydantic.BaseModel):
    day: datetime.date
    n: int = 3


def relation() -> duckdb.DuckDBPyRelation:
    return duckdb.connect().sql("SELECT range AS number, 'row ' || range AS text FROM range(1000)")


VALUES: dict[str, Callable[[], Any]] = {
    "polars.DataFrame": lambda: FRAME,
    "polars.LazyFrame": lambda: FRAME.lazy(),
    "pyarrow.Table": lambda: FRAME.to_arrow(),
    "pyarrow.RecordBatchReader": lambda: FRAME.to_arrow().to_reader(),
    "pyarrow.RecordBatch": lambda: FRAME.to_arrow().to_batches()[0],
    "pyarrow.Dataset": lambda: pyarrow.dataset.dataset(FRAME.to_arrow()),
    "duckdb.DuckDBPyRelation": relation,
    "polars.Series": lambda: FRAME["text"],
    "numpy.ndarray": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "builtins.bytes": lambda: b"\0\xffdata",
    "builtins.bytearray": lambda: bytearray(b"data"),
    "builtins.memoryview": lambda: memoryview(b"data"),
    "stream": lambda: io.BytesIO(b"data"),
    "builtins.str": lambda: "text ü\n",
    "builtins.dict": lambda: {"b": [1, 2.5, None, True], "a": {"ü": "x"}},
    "builtins.list": lambda: [1, "two", []],
    "builtins.tuple": lambda: (1, 2),
    "builtins.bool": lambda: True,
    "builtins.int": lambda: 2**70,
    "builtins.float": lambda: 0.1,
    "builtins.NoneType": lambda: None,
    "builtins.set": lambda: {"x", "yy", "zzz", 1, 20, None},
    "builtins.frozenset": lambda: frozenset({("x", 1), ("yy", 2.5), frozenset({"zzz", "x"})}),
    "builtins.range": lambda: range(1, 9, 2),
    "builtins.complex": lambda: 1 - 2j,
    "datetime.date": lambda: datetime.datetime(2013, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    "datetime.time": lambda: datetime.time(5, tzinfo=datetime.UTC),
    "datetime.timedelta": lambda: datetime.timedelta(days=-1, microseconds=1),
    "decimal.Decimal": lambda: decimal.Decimal("1.10"),
    "uuid.UUID": lambda: uuid.UUID(int=5),
    "enum.Enum": lambda: Size.SMALL,
    "numpy.generic": lambda: np.int16(5),
    "set in a dataclass": lambda: Tags({"x", "yy", "zzz"}, datetime.date(2013, 1, 1)),
    "set in a model": lambda: Tagged(
        tags={"x", "yy", "zzz"}, more=[frozenset({"x", "yy", "zzz"})], points={1: {"x", "yy"}}
    ),
    "dataclass": lambda: Point(1, {"b": 2, "a": 1}),
    "pydantic.BaseModel": lambda: Model(day=datetime.date(2013, 1, 1)),
}
