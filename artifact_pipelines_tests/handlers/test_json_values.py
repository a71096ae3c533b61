"""JSON values come back as the annotated type, or are refused."""

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Optional, TypedDict

import pydantic
import pytest

from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines_tests.handlers.sample_values import Model, Point, Tagged, Tags
from artifact_pipelines_tests.handlers.writing import keep, round_trip, written

DAY = datetime.date(2013, 1, 1)


class Colour(enum.Enum):
    RED = "red"


class Typed(TypedDict):
    x: int


class Pair(NamedTuple):
    x: int
    y: str


@dataclasses.dataclass(frozen=True)
class Everything:
    moment: datetime.datetime
    span: datetime.timedelta
    amount: decimal.Decimal
    key: uuid.UUID
    colour: Colour
    points: tuple[Point, ...]
    nested: Optional["Everything"] = None


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    first_name: str = pydantic.Field(alias="firstName")
    password: pydantic.SecretStr | None = None

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def initial(self) -> str:
        return self.first_name[0]


EVERYTHING = Everything(
    datetime.datetime(2013, 1, 1, tzinfo=datetime.UTC),
    datetime.timedelta(days=1, microseconds=1),
    decimal.Decimal("1.10"),
    uuid.UUID(int=5),
    Colour.RED,
    (Point(1, {"a": 2}),),
)


@pytest.mark.parametrize(
    "value", [{"b": [1, 2.5, None, True], "a": {"ü": "x"}}, [1, "two", []], (1, 2), True, 2**70, 0.1, None]
)
def test_plain_values_come_back_with_their_type(folder: pathlib.Path, value: Any) -> None:
    found = round_trip(folder, value, type(value))
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Point(1, {"a": 2}), Point),
        (Point(1, {"a": 2}), Point | None),
        (None, Point | None),
        (Model(day=DAY), Model),
        ([Model(day=DAY)], list[Model]),
        ({"a": Point(1, {})}, dict[str, Point]),
        ({"a": None}, dict[str, Point | None]),
        ((Point(1, {}), 2), tuple[Point, int]),
        ((1, 2, 3), tuple[int, ...]),
        ({1: DAY}, dict[int, datetime.date]),
        ([1, 2], Sequence[int]),
        ({"a": 1}, Mapping[str, int]),
        (Pair(1, "y"), Pair),
        (dataclasses.replace(EVERYTHING, nested=EVERYTHING), Everything),
        (Tags({"x", "y"}, DAY), Tags),
        (Tagged(tags={"x", "y"}, more=[frozenset({"z"})], points={1: {"w"}}), Tagged),
        (Strict(firstName="Ann"), Strict),
        (5, int | list[int]),
        ([5], int | list[int]),
    ],
)
def test_records_come_back_as_the_annotated_type(folder: pathlib.Path, value: Any, annotation: Any) -> None:
    found = round_trip(folder, value, annotation)
    assert (type(found), found) == (type(value), value)


def test_bare_annotation_returns_the_stored_json(folder: pathlib.Path) -> None:
    assert round_trip(folder, Point(1, {"a": 2}), dict) == {"x": 1, "y": {"a": 2}}
    assert round_trip(folder, Model(day=DAY), dict[str, Any]) == {"day": "2013-01-01", "n": 3}


@pytest.mark.parametrize(
    ("value", "annotation", "problem"),
    [
        ({"x": "one", "y": {}}, Point, "x: Input should be a valid integer"),
        ({"x": 1}, Point, "y: Field required"),
        ([{"day": "soon"}], list[Model], "0.day: Input should be a valid date"),
        (None, Point, "the value: Input should be"),
        (5, dict, "Input should be"),
        ([], dict, "Input should be"),
        (2.5, int, "valid integer"),
        (1, bool, "valid boolean"),
        (["1"], list[int], "valid integer"),
        ([1, 2], tuple[int], "at most 1 item"),
    ],
)
def test_mismatch_with_annotation_names_the_place(
    folder: pathlib.Path, value: Any, annotation: Any, problem: str
) -> None:
    with pytest.raises(ContentMismatchError, match=problem) as caught:
        round_trip(folder, value, annotation)
    assert "or dict, list or Any to see it" in str(caught.value)


def test_mismatch_error_does_not_show_values(folder: pathlib.Path) -> None:
    with pytest.raises(ContentMismatchError) as caught:
        round_trip(folder, [{"x": "hunter2", "y": {}}] * 9, list[Point])
    assert "hunter2" not in str(caught.value)
    assert "and 6 more" in str(caught.value)


def test_malformed_json_is_refused(folder: pathlib.Path) -> None:
    for text in (b"{", b"\xff", b"[" * 100_000):
        artifact = keep(folder, text, "json")
        for annotation in (None, dict, Point):
            with pytest.raises(ContentMismatchError):
                TypeHandlers().read(artifact, annotation)


def test_type_unknown_to_pydantic_is_refused(folder: pathlib.Path) -> None:
    class Odd:
        pass

    with pytest.raises(UnsupportedTypeError, match="Cannot load a value of type list.*: Unable to generate .*Odd"):
        round_trip(folder, [1], list[Odd])


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic knows what typing has since then")
@pytest.mark.parametrize("annotation", [Typed, list[Typed], dict[str, Typed]])
def test_advice_of_pydantic_is_repeated(folder: pathlib.Path, annotation: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match=r"Please use `typing_extensions.TypedDict` .* Python < 3\.12"):
        round_trip(folder, [] if annotation == list[Typed] else {}, annotation)


class Shape(pydantic.BaseModel):
    sides: int


class Square(Shape):
    length: int
    colours: set[str] = set()
    password: pydantic.SecretStr | None = None


class Shaded(Shape):
    shade: float


@dataclasses.dataclass
class Place:
    x: int


@dataclasses.dataclass
class Named(Place):
    name: str
    seen: set[datetime.date] = dataclasses.field(default_factory=set)
    password: pydantic.SecretStr | None = None


class Drawing(pydantic.BaseModel):
    shape: Shape | None = None
    shapes: list[Shape] = []
    by_name: dict[str, Shape] = {}
    place: Place | None = None
    places: list[Place] = []
    rounded: Annotated[float, pydantic.PlainSerializer(lambda number: f"{number:.1f}")] = 0


def test_fields_that_a_subclass_adds_are_stored() -> None:
    square = Square(sides=4, length=2, colours={"red", "blue"})
    drawing = Drawing(
        shape=square,
        shapes=[square],
        by_name={"a": square},
        place=Named(1, "x", {DAY}),
        places=[Place(1), Named(2, "y")],
    )
    stored = json.loads(written(drawing)[1])
    as_stored = {"sides": 4, "length": 2, "colours": ["blue", "red"], "password": None}
    assert (stored["shape"], stored["shapes"], stored["by_name"]) == (as_stored, [as_stored], {"a": as_stored})
    assert stored["place"] == {"x": 1, "name": "x", "seen": ["2013-01-01"], "password": None}
    assert stored["places"] == [{"x": 1}, {"x": 2, "name": "y", "seen": [], "password": None}]
    assert stored["rounded"] == "0.0"


@pydantic.dataclasses.dataclass
class User:
    name: str


@pydantic.dataclasses.dataclass
class Login(User):
    password: str = pydantic.Field(default="", exclude=True)
    groups: set[str] = pydantic.Field(default_factory=set)


@dataclasses.dataclass
class PlainUser:
    name: str


@dataclasses.dataclass
class PlainLogin(PlainUser):
    password: Annotated[str, pydantic.Field(exclude=True)] = ""


class Team(pydantic.BaseModel):
    lead: User | None = None
    login: Login | None = None
    plain: PlainUser | None = None
    plain_login: PlainLogin | None = None


def test_excluded_field_is_not_stored() -> None:
    login, plain = Login("ann", "hunter2", {"b", "a"}), PlainLogin("bob", "hunter2")
    as_stored = {"name": "ann", "groups": ["a", "b"]}
    team = Team(lead=login, login=login, plain=plain, plain_login=plain)
    assert json.loads(written(team)[1]) == {
        "lead": as_stored,
        "login": as_stored,
        "plain": {"name": "bob"},
        "plain_login": {"name": "bob"},
    }
    assert json.loads(written(login)[1]) == as_stored
    assert json.loads(written([login])[1]) == [as_stored]


def test_fields_that_a_subclass_adds_change_the_bytes() -> None:
    drawings = [written(Drawing(shape=Square(sides=4, length=length)))[1] for length in (2, 3, 3)]
    assert drawings[0] != drawings[1] == drawings[2]


def test_set_under_an_alias_is_sorted() -> None:
    class Named(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(serialize_by_alias=True)
        names: set[str] = pydantic.Field(alias="allNames")

    names = [f"name {number}" for number in range(20)]
    assert json.loads(written(Named(allNames=set(names)))[1]) == {"allNames": sorted(names)}


def test_json_is_encoded_by_the_fast_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        raise AssertionError("it takes twice as long")

    monkeypatch.setattr("json.encoder._make_iterencode", slow)
    value = {"b": [1, "ü" * 3_000_000], "a": {"x": DAY}}
    assert written(value)[1] == b'{"b":[1,"%s"],"a":{"x":{"!date":"2013-01-01"}}}' % ("ü" * 3_000_000).encode()


def test_sets_are_stored_sorted() -> None:
    assert written(Tags({"b", "a", "c"}, DAY))[1] == b'{"tags":{"!set":["a","b","c"]},"day":{"!date":"2013-01-01"}}'
    assert written([{frozenset({"b", "a"}), "c"}])[1] == b'[{"!set":["c",{"!frozenset":["a","b"]}]}]'
    assert written({10, 9, 2})[1] == b'{"!set":[2,9,10]}'
