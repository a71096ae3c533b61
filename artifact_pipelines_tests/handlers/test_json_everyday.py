"""Python's everyday values come back with their type, at any depth, with and without an annotation."""

import datetime
import decimal
import json
import math
import pathlib
import pprint
import uuid
import zoneinfo
from typing import Any

import duckdb
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pydantic
import pytest

from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.json_encoding import encode_json
from artifact_pipelines.handlers.json_tags import untag
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines_tests.handlers.table_of_types import Colour, Pair, Point
from artifact_pipelines_tests.handlers.writing import keep, round_trip, written

_ANY = pydantic.TypeAdapter(dict[str, Any])
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
_ZONES = st.sampled_from([None, datetime.UTC, BERLIN, datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))])
_FOLDS = st.integers(0, 1)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(["!", "!date", "!!set", "!x"])
_SCALARS: st.SearchStrategy[Any] = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), _TEXTS, st.binary(max_size=5), st.dates(), st.uuids()),
    st.builds(lambda moment, fold: moment.replace(fold=fold), st.datetimes(timezones=_ZONES), _FOLDS),
    st.builds(lambda time, zone, fold: time.replace(tzinfo=zone, fold=fold), st.times(), _ZONES, _FOLDS),
    *(st.timedeltas(), st.decimals(allow_nan=False), st.complex_numbers(allow_nan=False)),
)
_KEYS: st.SearchStrategy[Any] = st.recursive(
    _SCALARS, lambda inner: st.frozensets(inner, max_size=3) | st.tuples(inner, inner), max_leaves=4
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    _KEYS,
    lambda inner: st.one_of(
        *(st.lists(inner, max_size=3), st.lists(inner, max_size=3).map(tuple), st.sets(_KEYS, max_size=3)),
        *(st.dictionaries(_TEXTS, inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    ),
    max_leaves=10,
)


def shape(value: Any) -> Any:
    """Return a value that differs wherever two values differ in type or content: in Python 1 equals True and 1.0."""
    if isinstance(value, dict):
        return "dict", sorted(((shape(key), shape(item)) for key, item in value.items()), key=repr)
    if isinstance(value, set | frozenset):
        return type(value).__name__, sorted(map(shape, value), key=repr)
    if isinstance(value, list | tuple):
        return type(value).__name__, list(map(shape, value))
    return type(value).__name__, repr(value)


@hypothesis.given(VALUES)
def test_any_value_comes_back_as_it_was(value: Any) -> None:
    text, canonical = encode_json(value)
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    found = json.loads(text, object_hook=untag)
    assert shape(found) == shape(value)
    assert shape(_ANY.validate_python({"a": found})) == shape({"a": value}), "an open annotation changes nothing"
    assert encode_json(found)[1] == canonical
    assert encode_json([value, ()])[0] == f'[{text},{{"!tuple":[]}}]', "the walk and the C encoder agree"


_EXACT: list[tuple[Any, Any]] = [
    ({"a": {1, 2}}, dict[str, set[int]]),
    ([datetime.date(2013, 1, 1)], list[datetime.date]),
    ([datetime.datetime(2013, 10, 27, 2, 30, fold=1, tzinfo=BERLIN)], list[datetime.datetime]),
    ((1, "a", decimal.Decimal("1.10")), tuple[int, str, decimal.Decimal]),
    ({1: uuid.UUID(int=1), 2: uuid.UUID(int=2)}, dict[int, uuid.UUID]),
    ({"a": datetime.date(2013, 1, 1), "b": {1}, "c": (1,)}, dict[str, Any]),
    ({"x": math.inf}, dict[str, float]),
    ({datetime.date(2013, 1, 1): [b"\0"]}, dict[datetime.date, list[bytes]]),
    (datetime.date(2013, 1, 1), datetime.date),
    (datetime.date(2013, 1, 1), datetime.date | None),
    (decimal.Decimal("NaN"), decimal.Decimal),
    (frozenset({1}), frozenset[int]),
    (Pair(1, "y"), Pair),
    ([Pair(1, "y")], list[Pair]),
    ({Colour.RED: 1}, dict[Colour, int]),
    ([Colour.RED], list[Colour]),
    ((Colour.RED, Point(1, 2)), tuple[Colour, Point]),
    (pathlib.PurePosixPath("a/b"), pathlib.PurePosixPath),
    ({"!date": 1}, dict[str, int]),
    (["2013-01-01"], list[datetime.date | str]),
    (["2013-01-01", datetime.date(2013, 1, 1)], list[datetime.date | str]),
    ({"a": "1.5"}, dict[str, decimal.Decimal | str]),
    ({"a": "a/b"}, dict[str, pathlib.Path | str]),
]


@pytest.mark.parametrize(("value", "annotation"), _EXACT)
def test_annotation_returns_exactly_the_stored_value(folder: pathlib.Path, value: Any, annotation: Any) -> None:
    assert shape(round_trip(folder, value, annotation)) == shape(value)


class StrictModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    day: datetime.date
    tags: tuple[str, ...] = ()
    ratio: float = 0


class Anything(pydantic.BaseModel):
    found: Any


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_field_of_any_type_keeps_a_float_that_is_not_finite(folder: pathlib.Path, number: float) -> None:
    for value in (number, [number], {"a": {"b": number}}):
        assert repr(round_trip(folder, Anything(found=value), Anything)) == repr(Anything(found=value))


class Base64Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    data: bytes
    ratio: float = 0


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Base64Model(data=b"abcd", ratio=math.inf), Base64Model),
        ((Base64Model(data=b"\xff"), b"abcd"), tuple[Base64Model, bytes]),
        ({1: [Base64Model(data=b"abcd")]}, dict[int, list[Base64Model]]),
    ],
)
def test_bytes_of_a_model_beside_tags_come_back(folder: pathlib.Path, value: Any, annotation: Any) -> None:
    assert round_trip(folder, value, annotation) == value


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ((StrictModel(day=datetime.date(2013, 1, 1), tags=("a",)),), tuple[StrictModel, ...]),
        ({1: StrictModel(day=datetime.date(2013, 1, 1))}, dict[int, StrictModel]),
        (StrictModel(day=datetime.date(2013, 1, 1), ratio=math.inf), StrictModel),
        ({"a": StrictModel(day=datetime.date(2013, 1, 1)), "b": None}, dict[str, StrictModel | None]),
    ],
)
def test_strict_model_beside_tags_comes_back(folder: pathlib.Path, value: Any, annotation: Any) -> None:
    assert round_trip(folder, value, annotation) == value


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ([datetime.date(2013, 1, 1)], list[str]),
        ({"a": decimal.Decimal("1.5")}, dict[str, int]),
        ({1, 2}, list[int]),
        ([b"text"], list[int]),
        (np.float64(0.1), np.float32),
    ],
)
def test_value_of_another_type_is_refused_not_converted(folder: pathlib.Path, value: Any, annotation: Any) -> None:
    with pytest.raises(ContentMismatchError):
        round_trip(folder, value, annotation)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'{"!os.system": "true"}', "the tag '!os.system' is unknown"),
        (b'[{ "!date": "soon"}]', "an element with the tag '!date' is none"),
        (b'{"!date": 5}', "an element with the tag '!date' is none"),
        (b'{"!set": [[]]}', "an element with the tag '!set' is none"),
        (b'{"!tuple": "ab"}', "an element with the tag '!tuple' is none"),
        (b'{"!datetime": "2013-01-01T00:00:00[../../etc/passwd]"}', "an element with the tag '!datetime' is none"),
        (b'{"!datetime": "2013-01-01T00:00:00[No/Zone]"}', "an element with the tag '!datetime' is none"),
        (b'{"!timedelta": "P1Y"}', "an element with the tag '!timedelta' is none"),
        (b'{"!Decimal": "one"}', "an element with the tag '!Decimal' is none"),
    ],
)
@pytest.mark.parametrize("annotation", [None, dict, datetime.date, StrictModel])
def test_unknown_tag_and_foreign_content_are_refused(
    folder: pathlib.Path, text: bytes, problem: str, annotation: Any
) -> None:
    with pytest.raises(ContentMismatchError, match="cannot be read as JSON") as caught:
        TypeHandlers().read(keep(folder, text, "json"), annotation)
    assert problem in str(caught.value)


def test_json_of_other_programs_is_read_as_it_is(folder: pathlib.Path) -> None:
    foreign = {"$ref": "#/a", "@id": "x", "list": [{"$date": "2013-01-01"}, {"!a": 1, "!b": 2}, "{", "!x"]}
    artifact = keep(folder, json.dumps(foreign, indent=2).encode(), "json")
    assert TypeHandlers().read(artifact) == foreign


def test_other_tools_see_plain_values(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, _ = encode_json([{"id": 1, "day": datetime.date(2013, 1, 1)}, {"id": 2, "day": datetime.date(2013, 1, 2)}])
    monkeypatch.chdir(folder)
    pathlib.Path("rows.json").write_text(text)
    found = duckdb.connect().execute("""SELECT id, day."!date" AS day FROM 'rows.json'""").fetchall()
    assert found == [(1, datetime.date(2013, 1, 1)), (2, datetime.date(2013, 1, 2))]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (pd.Timestamp("2013-01-01", tz="Europe/Berlin"), datetime.datetime(2013, 1, 1, tzinfo=BERLIN)),
        (pd.Timedelta("1 day"), datetime.timedelta(days=1)),
        (pd.NaT, None),
        (pd.NA, None),
        (np.datetime64("NaT"), None),
        (np.datetime64("2013-01-01"), datetime.date(2013, 1, 1)),
        (np.datetime64(1_000, "ns"), datetime.datetime(1970, 1, 1, microsecond=1)),
        (np.timedelta64(3, "D"), datetime.timedelta(days=3)),
        (np.int64(5), 5),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64("nan"), math.nan),
        (np.bool_(True), True),
        (np.complex64(1 + 2j), 1 + 2j),
        (np.str_("x"), "x"),
        (np.bytes_(b"x"), b"x"),
    ],
)
def test_scalars_of_numpy_and_pandas_are_those_of_python(value: Any, stored: Any) -> None:
    assert encode_json({"a": [value]}) == encode_json({"a": [stored]})


def test_shape_tells_types_apart() -> None:
    assert len({pprint.pformat(shape(value)) for value in (1, 1.0, True, [1], (1,), {1}, frozenset({1}))}) == 7
    assert written({1: 2})[1] != written({"1": 2})[1]
