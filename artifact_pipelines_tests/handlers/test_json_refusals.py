"""Values that JSON cannot hold are refused with path and type; messages and stored files contain no secrets."""

import dataclasses
import datetime
import pathlib
import traceback
from collections.abc import Callable
from typing import Any, Optional

import numpy as np
import pandas as pd
import pydantic
import pytest

from artifact_pipelines.handlers.exceptions import UnstorableValueError
from artifact_pipelines_tests.handlers.sample_values import Model
from artifact_pipelines_tests.handlers.test_json_values import (
    DAY,
    Colour,
    Drawing,
    Named,
    Place,
    Shape,
    Square,
    Strict,
)
from artifact_pipelines_tests.handlers.writing import round_trip, written


class Unnamed(datetime.tzinfo):
    def utcoffset(self, moment: datetime.datetime | None) -> datetime.timedelta | None:
        return None

    def dst(self, moment: datetime.datetime | None) -> datetime.timedelta | None:
        return None

    def tzname(self, moment: datetime.datetime | None) -> str | None:
        return None


@dataclasses.dataclass(frozen=True)
class Frozen:
    name: str


class Linked(pydantic.BaseModel):
    next: Optional["Linked"] = None


class FailingField(pydantic.BaseModel):
    ratio: float

    @pydantic.field_serializer("ratio", when_used="json")
    def percent(self, ratio: float) -> str:
        raise ValueError(f"hunter2 is no percentage, nor is {ratio}")


class FailingModel(pydantic.BaseModel):
    name: str = "hunter2"

    @pydantic.model_serializer
    def refused(self) -> str:
        raise ValueError(f"not {self.name}")


@dataclasses.dataclass
class Ratio:
    name: str
    ratio: Any
    more: Any = None


def nested(times: int, around: Callable[[Any], Any] = lambda inner: [inner]) -> Any:
    value: Any = 1
    for _ in range(times):
        value = around(value)
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"x": object()}, "x, of type object, is not JSON"),
        ([Ratio("hunter2", print)], "0.ratio, of type builtin_function_or_method, is not JSON"),
        ({"hunter2": 1, "n": [10**5000]}, "n.0, of type int, has too many digits"),
        ([{print: "hunter2"}], "0, of type dict, has a key that cannot be stored"),
        ({"hunter2\ud800": 1}, "the value, of type dict, has a key that cannot be stored"),
        ({"a": {Frozen("hunter2"): 1}}, "a, of type dict, has a key that is a record, or contains one"),
        ([{Colour.RED: 1, "red": "hunter2"}], "0, of type dict, has keys that are stored alike"),
        ({10**5000: object()}, "<int>, of type object, is not JSON"),
        ({7: [0, "hunter2\ud800"]}, "7.1, of type str, has a character that UTF-8 cannot encode"),
        ([pd.Timestamp("2013-01-01 00:00:00.000000001")], "0, of type Timestamp, is finer than a microsecond"),
        ({"x": pd.Timedelta(1, "ns")}, "x, of type Timedelta, is finer than a microsecond"),
        ([np.datetime64(1, "ns")], "0, of type datetime64, is finer than a microsecond"),
        (np.datetime64("12000-01-01", "s"), "the value, of type datetime64, is out of the range of Python's type"),
        (np.timedelta64(1, "Y"), "the value, of type timedelta64, is out of the range of Python's type"),
        ((np.longdouble(1),), "0, of type longdouble, is no number, text or time of Python"),
        ({"x": datetime.time(5, tzinfo=Unnamed())}, "x, of type time, has a time zone without a name"),
        ([print], "0, of type builtin_function_or_method"),
        ([int], "0, of type type"),
        ({"x": [{1, None, object()}]}, "of type object"),
        ({"a": [Model.model_construct(day="hunter2")]}, "a.0, of type Model, holds a value that it does not declare"),
        (
            Drawing.model_construct(shape=Shape.model_construct(sides="hunter2")),
            "the value, of type Drawing, holds a value",
        ),
        (FailingField(ratio=1.0), "the value, of type FailingField, holds a value that it does not declare, or itself"),
        ([FailingModel()], "0, of type FailingModel, holds a value that it does not declare, or itself, or its seria"),
        (nested(100_000), "the value, of type list, has more than 200 levels"),
        (nested(201), "the value, of type list, has more than 200 levels"),
        (nested(101, lambda inner: {"[": [inner, "\\"]}), "the value, of type dict, has more than 200 levels"),
    ],
)
def test_error_names_path_and_type_of_first_unstorable_element(value: object, message: str) -> None:
    with pytest.raises(UnstorableValueError, match="^Cannot store as JSON: ") as caught:
        written(value)
    assert message in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "value", [nested(200), {"a": [{"[" * 300: '"[\\'}] * 300}, ["[{" * 300, "\\", '"'], [[[]], {"a": [{}]}] * 300]
)
def test_deepest_loadable_nesting_is_stored(folder: pathlib.Path, value: Any) -> None:
    for annotation in (None, type(value)):
        assert round_trip(folder, value, annotation) == value


def test_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = ["hunter2"]
    loop.append({"again": loop})
    record, model = Ratio("hunter2", 1.0), Linked()
    record.more, model.next = [record], model
    for value in (loop, record):
        with pytest.raises(UnstorableValueError, match="has more than 200 levels, or contains itself"):
            written(value)
    with pytest.raises(UnstorableValueError, match="of type Linked, holds .* or itself"):
        written(model)


class Account(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(serialize_by_alias=True)
    password: pydantic.SecretStr = pydantic.Field(default=pydantic.SecretStr(""), alias="passWord")
    keys: set[pydantic.SecretBytes] = set()
    born: pydantic.Secret[datetime.date] | None = None


class Accounts(pydantic.BaseModel):
    by_name: dict[str, list[Account]]
    count: int = 0


@dataclasses.dataclass
class Login:
    password: pydantic.SecretStr


class OpenPassword(pydantic.BaseModel):
    password: pydantic.SecretStr
    ratio: float | str = 0.0

    @pydantic.field_serializer("password", when_used="json")
    def in_the_open(self, password: pydantic.SecretStr) -> str:
        return password.get_secret_value()


HUNTER = pydantic.SecretStr("hunter2")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Account(passWord=HUNTER), "passWord"),
        (Accounts(by_name={"ann": [Account(passWord=HUNTER)]}), "by_name.ann.0.passWord"),
        ([Account(keys={pydantic.SecretBytes(b"hunter2")})], "0.keys.0"),
        ({"x": Account(born=pydantic.Secret(DAY))}, "x.born"),
        (pydantic.RootModel[dict[str, pydantic.SecretStr]]({"x": HUNTER}), "x"),
        (Login(HUNTER), "password"),
        ([Strict(firstName="Ann", password=HUNTER)], "0.password"),
        (Drawing(shape=Square(sides=4, length=2, password=HUNTER)), "shape.password"),
        (Drawing(by_name={"a": Square(sides=4, length=2, password=HUNTER)}), "by_name.a.password"),
        (Drawing(places=[Place(1), Named(1, "x", password=HUNTER)]), "places.1.password"),
    ],
)
def test_secret_that_would_become_asterisks_is_refused_by_field(value: object, field: str) -> None:
    with pytest.raises(UnstorableValueError, match=f": {field}, of type .* is a secret .* field_serializer") as caught:
        written(value)
    assert "hunter2" not in str(caught.value)


def test_secret_with_its_own_serializer_is_stored(folder: pathlib.Path) -> None:
    for value in (OpenPassword(password=HUNTER), Account(), Strict(firstName="Ann")):
        assert round_trip(folder, value, type(value)) == value
    assert written(OpenPassword(password=HUNTER))[1] == b'{"password":"hunter2","ratio":0.0}'


def test_a_field_that_its_model_can_write_is_not_blamed() -> None:
    with pytest.raises(UnstorableValueError, match=": ratio, of type str, has a character"):
        written(OpenPassword(password=HUNTER, ratio="\ud800"))
