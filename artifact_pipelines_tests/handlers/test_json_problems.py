"""What JSON cannot hold is refused by its place and type; no value is shown, and no secret stored as asterisks."""

import dataclasses
import datetime
import traceback
from collections.abc import Callable
from typing import Any, Optional

import dagster as dg
import pydantic
import pytest

from artifact_pipelines.handlers.exceptions import UnstorableValueError
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.store import Store
from artifact_pipelines_tests.handlers.test_json_values import (
    DAY,
    Drawing,
    Named,
    Place,
    Shaded,
    Shape,
    Square,
    Strict,
)
from artifact_pipelines_tests.handlers.test_type_handlers import Model, round_trip, written
from artifact_pipelines_tests.io_manager.conftest import failure_of


class Linked(pydantic.BaseModel):
    next: Optional["Linked"] = None


class Serialized(pydantic.BaseModel):
    ratio: float

    @pydantic.field_serializer("ratio", when_used="json")
    def percent(self, ratio: float) -> str:
        raise ValueError(f"hunter2 is no percentage, nor is {ratio}")


class Wholly(pydantic.BaseModel):
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
    ("value", "said"),
    [
        ({"x": object()}, "x, of type object, is nothing that JSON has"),
        (float("nan"), "the value, of type float, is NaN or infinite"),
        ([Ratio("hunter2", float("inf"))], "0.ratio, of type float, is NaN or infinite"),
        ({"hunter2": 1, "n": [10**5000]}, "n.0, of type int, has more than 4,300 digits"),
        ({(1, 2): "hunter2"}, "the value, of type dict, has keys of type tuple"),
        ([{1: 2, "a": "hunter2"}], "0, of type dict, has keys of type int, str"),
        ({10**5000: float("nan")}, "<int>, of type float, is NaN or infinite"),
        ({7: [0, "hunter2\ud800"]}, "7.1, of type str, has a character that UTF-8 cannot encode"),
        ([b"hunter2"], "0, of type bytes, is nothing that JSON has"),
        ([print], "0, of type builtin_function_or_method"),
        ([int], "0, of type type"),
        ([iter([1])], "0, of type list_iterator"),
        ({"x": [{1, None, object()}]}, "of type object"),
        (Model.model_construct(day="hunter2"), "day, of type str, is not what its model declares"),
        ({"a": [Model.model_construct(day="hunter2")]}, "a.0.day, of type str"),
        (Drawing.model_construct(shape=Shape.model_construct(sides="hunter2")), "shape.sides, of type str"),
        (Serialized(ratio=1.0), "ratio, of type float, is not what its model declares, or fails in a serializer"),
        ([Wholly()], "0, of type Wholly, is not what its model declares, or fails in a serializer"),
        (Drawing(by_name={"a": Shaded(sides=1, shade=float("nan"))}), "by_name.a.shade, of type float, is NaN"),
        (pydantic.RootModel[list[float]]([1, float("inf")]), "root.1, of type float"),
        (nested(100_000), "the value, of type list, has more than 200 levels"),
        (nested(201), "the value, of type list, has more than 200 levels"),
        (
            nested(101, lambda inner: {"[": [inner, "\\"]}),
            "the value, of type dict, has more than 200 levels",
        ),
    ],
)
def test_what_json_can_not_hold_is_told_by_its_place_and_type(value: object, said: str) -> None:
    with pytest.raises(UnstorableValueError, match="^Cannot store as JSON: ") as caught:
        written(value)
    assert said in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "value", [nested(200), {"a": [{"[" * 300: '"[\\'}] * 300}, ["[{" * 300, "\\", '"'], [[[]], {"a": [{}]}] * 300]
)
def test_what_has_as_many_levels_as_can_be_loaded_is_stored(store: Store, value: Any) -> None:
    for annotation in (None, type(value)):
        assert round_trip(store, value, annotation) == value


def test_of_a_deep_value_the_first_levels_are_shown(ours: ArtifactIOManager) -> None:
    @dg.asset
    def deep() -> list[Any]:
        return [{"a": 1}, nested(190)]

    [event] = dg.materialize([deep], resources={"io_manager": ours}).asset_materializations_for_node("deep")
    assert event.metadata["artifact/preview"].value == [{"a": 1}, [[[[[[[[["…"]]]]]]]]]]


def test_a_value_that_holds_itself_is_told() -> None:
    loop: list[Any] = ["hunter2"]
    loop.append({"again": loop})
    record, model = Ratio("hunter2", 1.0), Linked()
    record.more, model.next = [record], model
    for value, place in ((loop, "1.again"), (record, "more.0"), (model, "next")):
        with pytest.raises(UnstorableValueError, match=f"{place}, of type .*, holds itself"):
            written(value)


def test_what_dagster_shows_of_a_failure_has_no_values(ours: ArtifactIOManager) -> None:
    @dg.asset
    def logins() -> list[Ratio]:
        return [Ratio("hunter2", float("nan"))]

    @dg.asset
    def stored() -> list[dict[str, Any]]:
        return [{"name": "x", "ratio": "hunter2", "day": "hunter2"}]

    @dg.asset
    def loaded(stored: list[Model]) -> None: ...

    for assets in ([logins], [stored, loaded]):
        result = dg.materialize(assets, resources={"io_manager": ours}, raise_on_error=False)
        [event] = result.get_step_failure_events()
        assert "day: Input should be" in failure_of(result) or "0.ratio, of type float" in failure_of(result)
        assert "hunter2" not in dg.serialize_value(event)


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


class Told(pydantic.BaseModel):
    password: pydantic.SecretStr

    @pydantic.field_serializer("password", when_used="json")
    def in_the_open(self, password: pydantic.SecretStr) -> str:
        return password.get_secret_value()


HUNTER = pydantic.SecretStr("hunter2")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Account(passWord=HUNTER), "password"),
        (Accounts(by_name={"ann": [Account(passWord=HUNTER)]}), "by_name.ann.0.password"),
        ([Account(keys={pydantic.SecretBytes(b"hunter2")})], "0.keys.0"),
        ({"x": Account(born=pydantic.Secret(DAY))}, "x.born"),
        (pydantic.RootModel[dict[str, pydantic.SecretStr]]({"x": HUNTER}), "root.x"),
        (Login(HUNTER), "password"),
        ([Strict(firstName="Ann", password=HUNTER)], "0.password"),
    ],
)
def test_a_secret_that_would_be_stored_as_asterisks_is_refused_by_field(value: object, field: str) -> None:
    with pytest.raises(UnstorableValueError, match=f": {field}, of type .* is a secret .* field_serializer") as caught:
        written(value)
    assert "hunter2" not in str(caught.value)


def test_what_a_model_says_of_its_secrets_is_stored(store: Store) -> None:
    for value in (Told(password=HUNTER), Account(), Strict(firstName="Ann")):
        assert round_trip(store, value, type(value)) == value
    assert written(Told(password=HUNTER))[1] == b'{"password":"hunter2"}'


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Drawing(shape=Square(sides=4, length=2, password=HUNTER)), "shape.password"),
        (Drawing(by_name={"a": Square(sides=4, length=2, password=HUNTER)}), "by_name.a.password"),
        (Drawing(places=[Place(1), Named(1, "x", password=HUNTER)]), "places.1.password"),
    ],
)
def test_a_secret_that_a_subclass_adds_is_refused(value: object, field: str) -> None:
    with pytest.raises(UnstorableValueError, match=f": {field}, of type SecretStr, is a secret") as caught:
        written(value)
    assert "hunter2" not in str(caught.value)
