"""What JSON holds comes back as it was annotated, or not at all."""

import dataclasses
import datetime
import decimal
import enum
import io
import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Optional, TypedDict

import dagster as dg
import pydantic
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.store import Store
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines_tests.handlers.test_type_handlers import Model, Point, Tagged, Tags, round_trip, written

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
    parts: tuple[Point, ...]
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
def test_plain_values_come_back_as_their_type(store: Store, value: Any) -> None:
    found = round_trip(store, value, type(value))
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
def test_records_come_back_as_what_is_annotated(store: Store, value: Any, annotation: Any) -> None:
    found = round_trip(store, value, annotation)
    assert (type(found), found) == (type(value), value)


def test_without_an_annotation_what_is_stored_comes_back(store: Store) -> None:
    assert round_trip(store, Point(1, {"a": 2}), dict) == {"x": 1, "y": {"a": 2}}
    assert round_trip(store, Model(day=DAY), dict[str, Any]) == {"day": "2013-01-01", "n": 3}
    assert round_trip(store, (1, {2: 3}), None) == [1, {"2": 3}]


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
def test_what_does_not_fit_its_annotation_says_where(store: Store, value: Any, annotation: Any, problem: str) -> None:
    with pytest.raises(ContentMismatchError, match=problem) as caught:
        round_trip(store, value, annotation)
    assert "or dict, list or Any to see it" in str(caught.value)


def test_an_error_does_not_show_the_values(store: Store) -> None:
    with pytest.raises(ContentMismatchError) as caught:
        round_trip(store, [{"x": "hunter2", "y": {}}] * 9, list[Point])
    assert "hunter2" not in str(caught.value)
    assert "and 6 more" in str(caught.value)


def test_what_is_called_json_and_is_none_is_an_error(store: Store) -> None:
    for text in (b"{", b"\xff", b"[" * 100_000):
        file = store.info(store.create_artifact(io.BytesIO(text), "json"))
        opened = Artifact(file, lambda: "", lambda verify, file=file: store.open(file.file_id, verify))  # type: ignore[misc]
        for annotation in (None, dict, Point):
            with pytest.raises(ContentMismatchError):
                TypeHandlers().read(opened, annotation)


def test_a_type_that_pydantic_does_not_know_is_an_error(store: Store) -> None:
    class Odd:
        pass

    with pytest.raises(UnsupportedTypeError, match="Cannot load a value of type list.*: Unable to generate .*Odd"):
        round_trip(store, [1], list[Odd])


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic knows what typing has since then")
@pytest.mark.parametrize("annotation", [Typed, list[Typed], dict[str, Typed]])
def test_what_pydantic_advises_is_told(store: Store, annotation: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match=r"Please use `typing_extensions.TypedDict` .* Python < 3\.12"):
        round_trip(store, [] if annotation == list[Typed] else {}, annotation)


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


def test_what_a_subclass_adds_to_a_field_of_a_model_is_stored() -> None:
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


def test_a_field_that_is_excluded_is_not_stored() -> None:
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


def test_what_a_subclass_adds_makes_another_version(ours: ArtifactIOManager, own_catalog: Catalog) -> None:
    versions = []
    for length in (2, 3, 3):

        @dg.asset
        def drawing(length: dg.ResourceParam[int]) -> Drawing:
            return Drawing(shape=Square(sides=4, length=length))

        assert dg.materialize([drawing], resources={"io_manager": ours, "length": length}).success
        versions.append(own_catalog.materializations.current("drawing").data_version)
    assert versions[0] != versions[1] == versions[2]


def test_sets_are_in_order_under_an_alias_too() -> None:
    class Named(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(serialize_by_alias=True)
        names: set[str] = pydantic.Field(alias="allNames")

    names = [f"name {number}" for number in range(20)]
    assert json.loads(written(Named(allNames=set(names)))[1]) == {"allNames": sorted(names)}


def test_the_encoder_in_python_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        raise AssertionError("it takes twice as long")

    monkeypatch.setattr("json.encoder._make_iterencode", slow)
    value = {"b": [1, "ü" * 3_000_000], "a": {1: None}}
    assert written(value)[1] == b'{"a":{"1":null},"b":[1,"%s"]}' % ("ü" * 3_000_000).encode()


def test_sets_are_stored_in_an_order_of_their_own() -> None:
    assert written(Tags({"b", "a", "c"}, DAY))[1] == b'{"day":"2013-01-01","tags":["a","b","c"]}'
    assert written([{frozenset({"b", "a"}), "c"}])[1] == b'[["c",["a","b"]]]'
