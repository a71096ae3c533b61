"""An annotated subclass of a stored type is made from the stored value, or refused."""

import enum
import pathlib
import traceback
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines_tests.handlers.writing import round_trip


class Colour(enum.StrEnum):
    RED = "red"


class Name(str):
    __slots__ = ()


class Packed(bytes):
    pass


class Growing(bytearray):
    pass


class Flights(pd.DataFrame):  # type: ignore[misc]  # pandas has no types
    @property
    def _constructor(self) -> type["Flights"]:
        return Flights


class Prices(pl.DataFrame):
    pass


class Later(pl.LazyFrame):
    pass


class Pair(str):
    __slots__ = ()

    def __new__(cls, first: str, second: str) -> "Pair":
        return super().__new__(cls, f"{first} {second}")


@pytest.mark.parametrize("value", [Colour.RED, Name("x"), Packed(b"x"), Growing(b"x")])
@pytest.mark.parametrize("is_optional", [False, True])
def test_text_and_bytes_come_back_as_annotated_subclass(folder: pathlib.Path, value: Any, is_optional: bool) -> None:
    kind: Any = type(value)
    found = round_trip(folder, value, kind | None if is_optional else kind)
    assert (type(found), found) == (kind, value)


def test_frame_comes_back_as_annotated_subclass_unchanged(folder: pathlib.Path) -> None:
    flights = Flights({"carrier": pd.Categorical(["UA"], ["UA", "AA"])}, index=pd.Index(["x"], name="flight"))
    flights.attrs = {"unit": "km"}
    found = round_trip(folder, flights, Flights)
    assert type(found) is Flights
    pd.testing.assert_frame_equal(found, flights)
    assert found.attrs == {"unit": "km"}
    prices = round_trip(folder, Prices({"price": [1.5]}), Prices)
    assert (type(prices), prices.rows()) == (Prices, [(1.5,)])


def test_value_comes_back_as_base_type_unless_a_subclass_is_annotated(folder: pathlib.Path) -> None:
    assert type(round_trip(folder, Name("x"), str)) is str
    assert type(round_trip(folder, Name("x"), None)) is str


@pytest.mark.parametrize(("value", "kind"), [("a b", Pair), (pl.LazyFrame({"a": [1]}), Later)])
def test_subclass_that_cannot_be_made_from_one_value_is_refused(folder: pathlib.Path, value: Any, kind: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match=f"{kind.__name__}.* a class that is made by {kind.__name__}\\("):
        round_trip(folder, value, kind)


def test_value_that_a_subclass_refuses_is_not_shown(folder: pathlib.Path) -> None:
    password = "".join(["hunter", "2"])
    with pytest.raises(ContentMismatchError, match="as Colour: Colour.* refuses it \\(ValueError") as caught:
        round_trip(folder, password, Colour)
    assert password not in "".join(traceback.format_exception(caught.value))


def test_number_that_the_annotated_type_of_numpy_cannot_hold_is_refused(folder: pathlib.Path) -> None:
    with pytest.raises(ContentMismatchError, match="int8"):
        round_trip(folder, 300, np.int8)
