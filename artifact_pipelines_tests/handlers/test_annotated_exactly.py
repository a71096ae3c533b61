"""An annotation gives back the stored value exactly, or the load is refused. So do nested scalars of numpy."""

import collections
import dataclasses
import datetime
import decimal
import math
import pathlib
import uuid
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest

from artifact_pipelines.handlers.exceptions import ContentMismatchError, RoundedColumnError, UnstorableValueError
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines_tests.handlers.writing import keep, round_trip, stored

TIME, ZONED = pd.Timestamp("2026-01-01 05:00"), pd.Timestamp("2026-01-01 05:00", tz="Europe/Berlin")
DAY = datetime.date(2026, 1, 1)


class Words(str):
    __slots__ = ()


@dataclasses.dataclass
class Trip:
    begin: pd.Timestamp
    length: pd.Timedelta | None = None
    people: np.int64 | None = None
    notes: list[Words] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Trips:
    by_name: dict[str, list[Trip]]
    counts: collections.defaultdict[str, int]


class Stop(NamedTuple):
    at: pd.Timestamp
    number: np.int64


@dataclasses.dataclass
class Ratio:
    ratio: float


TRIP = Trip(ZONED, pd.Timedelta("1s"), np.int64(2), [Words("x")])


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (TRIP, Trip),
        (Trips({"a": [TRIP, Trip(TIME)]}, collections.defaultdict(int, a=1)), Trips),
        (Stop(TIME, np.int64(1)), Stop),
        ([TIME, ZONED], list[pd.Timestamp]),
        ([TIME, None], list[pd.Timestamp | None]),
        ({"a": pd.Timedelta("1s")}, dict[str, pd.Timedelta]),
        ((TIME, 1), tuple[pd.Timestamp, int]),
        ({TIME}, set[pd.Timestamp]),
        ([np.float32(0.1), np.float32("inf")], list[np.float32]),
        ([np.datetime64("2026-01-01")], list[np.datetime64]),
        ([Words("x")], list[Words]),
        (collections.defaultdict(list, a=[1]), collections.defaultdict[str, list[int]]),
        (collections.Counter("aab"), collections.Counter[str]),
        (pd.NaT, pd.Timestamp),
        (Ratio(5), Ratio),
        (2**53, float),
        ([math.nan, 1], list[float]),
        (decimal.Decimal("0.5"), float),
    ],
    ids=repr,
)
def test_value_comes_back_as_annotated(tmp_path: pathlib.Path, value: Any, annotation: Any) -> None:
    found = round_trip(tmp_path, value, annotation)
    assert found == value or repr(found) in (repr(value), "[nan, 1.0]")
    if isinstance(value, list | Trip):
        assert repr(found) in (repr(value), "[nan, 1.0]")


@pytest.mark.parametrize(
    ("value", "annotation", "place"),
    [
        (2**63 + 1, float, "the value"),
        (2**53 + 1, float | None, "the value"),
        ([1, 2**53 + 1], list[float], "1"),
        ({"a": [2**53 + 1]}, dict[str, list[float]], r"a\.0"),
        (Ratio(2**63 + 1), Ratio, "ratio"),
        ([Ratio(decimal.Decimal("0.1"))], list[Ratio], r"0\.ratio"),  # type: ignore[arg-type]
        (decimal.Decimal("0.1"), float, "the value"),
        (5, datetime.timedelta, "the value"),
        ((5, DAY), tuple[datetime.datetime, datetime.date], "0"),
        (("5", DAY), tuple[int, datetime.date], "0"),
        (datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.date, "the value"),
        ([1, 1], set[int], "the value"),
        ({2**53 + 1: 1}, dict[float, int], str(2**53 + 1)),
        ({"": 2**53 + 1}, dict[str, float], "the value"),
        (2**53 + 1, complex, "the value"),
    ],
    ids=repr,
)
def test_conversion_that_is_not_exact_is_refused(
    tmp_path: pathlib.Path, value: Any, annotation: Any, place: str
) -> None:
    with pytest.raises(ContentMismatchError, match=f": {place}: as this type it would be another value"):
        round_trip(tmp_path, value, annotation)


@dataclasses.dataclass
class Order:
    price: decimal.Decimal
    day: datetime.date
    more: dict[int, uuid.UUID]


def test_json_of_other_programs_is_read_as_annotated(tmp_path: pathlib.Path) -> None:
    text = b'[{"price": "1.10", "day": "2026-01-01", "more": {"1": "00000000-0000-0000-0000-000000000005"}}]'
    found = TypeHandlers().read(keep(tmp_path, text, "json"), list[Order])
    assert found == [Order(decimal.Decimal("1.10"), DAY, {1: uuid.UUID(int=5)})]
    assert TypeHandlers().read(keep(tmp_path, b'{"1": 0.1}', "json"), dict[int, decimal.Decimal]) == {
        1: decimal.Decimal("0.1")
    }


@pytest.mark.parametrize(
    ("value", "annotation"),
    [(5, pd.Timestamp), (["2026"], list[pd.Timestamp]), ([0.1], list[np.float32]), ({"begin": 5}, Trip)],
    ids=repr,
)
def test_value_that_is_not_stored_as_the_annotated_class_is_refused(
    tmp_path: pathlib.Path, value: Any, annotation: Any
) -> None:
    with pytest.raises(ContentMismatchError, match="is stored as|is rounded"):
        round_trip(tmp_path, value, annotation)


def test_default_dict_needs_the_type_of_its_values(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UnsupportedTypeError, match="defaultdict: Unable to infer a default factory"):
        round_trip(tmp_path, collections.defaultdict(int, a=1), collections.defaultdict)


class Event(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    at: list[pd.Timestamp]


class Measured(pydantic.BaseModel):
    ratio: float
    more: Any = None


def test_model_that_would_not_come_back_is_refused_when_it_is_stored(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UnstorableValueError, match=r"JSON: at\.0, of type Event, would not come back"):
        stored(tmp_path, Event(at=[TIME]))
    with pytest.raises(UnstorableValueError, match=r"JSON: a\.0\.at\.0, of type Event, would not come back"):
        stored(tmp_path, {"a": [Event(at=[TIME])]})


def test_model_with_scalars_of_numpy_comes_back(tmp_path: pathlib.Path) -> None:
    value = Measured(ratio=np.float64(0.5), more={"n": np.int64(1), "all": [np.bool_(True)]})
    assert round_trip(tmp_path, value, Measured) == Measured(ratio=0.5, more={"n": 1, "all": [True]})
    with pytest.raises(UnstorableValueError, match="Measured"):
        stored(tmp_path, Measured(ratio=1, more=np.array([1])))


@pytest.mark.parametrize("values", [[2**53 + 1, None], [[-(2**60), None]], [{"x": [2**63 - 1]}, {"x": [None]}]])
def test_integers_that_pandas_would_round_are_refused(tmp_path: pathlib.Path, values: list[Any]) -> None:
    with pytest.raises(RoundedColumnError, match="Column 'a' has integers .* pandas would round"):
        round_trip(tmp_path, pl.DataFrame({"a": values}), pd.DataFrame)


@pytest.mark.parametrize("values", [[2**53, None], [2**60, 1], [[2**60], [1]], [{"x": 1}, None], [None, None]])
def test_integers_that_pandas_holds_are_loaded(tmp_path: pathlib.Path, values: list[Any]) -> None:
    found = round_trip(tmp_path, pl.DataFrame({"a": values}), pd.DataFrame)
    assert len(found) == 2


def test_nullable_integers_of_pandas_come_back(tmp_path: pathlib.Path) -> None:
    frame = pd.DataFrame({"a": pd.array([2**60, None], "Int64")}, index=["x", "y"])
    pd.testing.assert_frame_equal(round_trip(tmp_path, frame, pd.DataFrame), frame)
