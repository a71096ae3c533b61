"""A dict comes back in its own order; the order is no content, so it is not part of the data version."""

import collections
import dataclasses
import datetime
import io
import pathlib
from typing import Any

import pydantic
import pytest

from artifact_pipelines.storage.hashing import ContentHasher
from artifact_pipelines_tests.handlers.writing import round_trip, write_value, written

DAY = datetime.date(2026, 1, 1)


@dataclasses.dataclass
class Place:
    name: str
    area: dict[str, int]


class Town(pydantic.BaseModel):
    name: str
    area: dict[int, str]


def version(value: Any) -> str:
    """Return the data version of a JSON value, as an IO manager does: its own hash, or that of its bytes."""
    sink, hasher = io.BytesIO(), ContentHasher()
    own = write_value(value, sink)
    hasher.update(sink.getvalue())
    return own or f"{hasher.hexdigest()}.json"


ORDERS: list[tuple[Any, Any]] = [
    ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
    ([{"id": 1, "amount": {"z": 1, "y": 2}}], [{"amount": {"y": 2, "z": 1}, "id": 1}]),
    ({"b": DAY, "a": (1, 2)}, {"a": (1, 2), "b": DAY}),
    ({2: "b", 1: {"y": 1, "x": 2}}, {1: {"x": 2, "y": 1}, 2: "b"}),
    ({(2, "b"): 1, (1, "a"): 2}, {(1, "a"): 2, (2, "b"): 1}),
    ([Place("x", {"b": 1, "a": 2})], [Place("x", {"a": 2, "b": 1})]),
    ([{"!dict": [[2, 1], [1, 1]], "a": 1}], [{"a": 1, "!dict": [[2, 1], [1, 1]]}]),
]


@pytest.mark.parametrize("pair", ORDERS, ids=str)
def test_order_of_keys_comes_back_and_is_no_part_of_the_version(pair: tuple[Any, Any], tmp_path: pathlib.Path) -> None:
    one, other = pair
    assert version(one) == version(other)
    if not isinstance(one[0] if isinstance(one, list) else one, Place):
        assert [repr(round_trip(tmp_path, value, None)) for value in pair] == [repr(one), repr(other)]


def test_order_of_a_list_is_content() -> None:
    assert version([{"a": 1}, {"b": 1}]) != version([{"b": 1}, {"a": 1}])
    assert version({"!dict": [[2, 1], [1, 1]]}) != version({"!dict": [[1, 1], [2, 1]]})
    assert version({2: [1, 2]}) != version({2: [2, 1]})


def test_fields_are_stored_in_the_order_of_their_class() -> None:
    assert written(Town(name="x", area={2: "b", 1: "a"}))[1] == b'{"name":"x","area":{"2":"b","1":"a"}}'
    assert written(Place("x", {"b": 1, "a": 2}))[1] == b'{"name":"x","area":{"b":1,"a":2}}'
    assert version(Town(name="x", area={2: "b", 1: "a"})) == version(Town(name="x", area={1: "a", 2: "b"}))


def test_sets_are_in_order_even_of_records_with_fields_in_another() -> None:
    assert written({"b": {10, 9}, "a": frozenset("zy")})[1] == b'{"b":{"!set":[9,10]},"a":{"!frozenset":["y","z"]}}'


def test_ordered_dict_and_counter_keep_their_order(tmp_path: pathlib.Path) -> None:
    ordered = collections.OrderedDict(z=1, a=2)
    assert round_trip(tmp_path, ordered, collections.OrderedDict) == ordered
    counted = collections.Counter({"z": 2, "a": 2})
    assert round_trip(tmp_path, counted, collections.Counter).most_common(1) == [("z", 2)]
