"""An annotation that is a subclass of what a file holds: the value is made one, or an error says that it cannot be."""

import enum
import traceback
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pytest

from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.store import Store
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines_tests.handlers.test_type_handlers import round_trip


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
def test_a_text_or_bytes_come_back_as_the_class_that_is_annotated(store: Store, value: Any, is_optional: bool) -> None:
    kind: Any = type(value)
    found = round_trip(store, value, kind | None if is_optional else kind)
    assert (type(found), found) == (kind, value)


def test_a_frame_comes_back_as_the_class_that_is_annotated_with_all_that_was_stored(store: Store) -> None:
    flights = Flights({"carrier": pd.Categorical(["UA"], ["UA", "AA"])}, index=pd.Index(["x"], name="flight"))
    flights.attrs = {"unit": "km"}
    found = round_trip(store, flights, Flights)
    assert type(found) is Flights
    pd.testing.assert_frame_equal(found, flights)
    assert found.attrs == {"unit": "km"}
    prices = round_trip(store, Prices({"price": [1.5]}), Prices)
    assert (type(prices), prices.rows()) == (Prices, [(1.5,)])


def test_what_is_no_subclass_comes_back_as_it_is(store: Store) -> None:
    assert type(round_trip(store, Name("x"), str)) is str
    assert type(round_trip(store, Name("x"), None)) is str


@pytest.mark.parametrize(("value", "kind"), [("a b", Pair), (pl.LazyFrame({"a": [1]}), Later)])
def test_a_class_that_is_not_made_from_one_value_is_an_error(store: Store, value: Any, kind: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match=f"{kind.__name__}.* a class that is made by {kind.__name__}\\("):
        round_trip(store, value, kind)


def test_a_value_that_the_class_refuses_is_an_error_that_does_not_show_it(store: Store) -> None:
    password = "".join(["hunter", "2"])
    with pytest.raises(ContentMismatchError, match="as Colour: Colour.* refuses it \\(ValueError") as caught:
        round_trip(store, password, Colour)
    assert password not in "".join(traceback.format_exception(caught.value))


def test_subclasses_pass_from_asset_to_asset(ours: ArtifactIOManager) -> None:
    @dg.asset
    def colour() -> Colour:
        return Colour.RED

    @dg.asset
    def flights() -> Flights:
        return Flights({"x": [1]})

    @dg.asset
    def both(colour: Colour, flights: Flights) -> bool:
        return colour is Colour.RED and type(flights) is Flights

    result = dg.materialize([colour, flights, both], resources={"io_manager": ours})
    assert result.asset_value("both") is True
