"""A container becomes several files only where JSON cannot hold an element, and loads in the annotated form."""

import collections.abc
import datetime
import pathlib
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest

from artifact_pipelines import Artifact, FileDescription
from artifact_pipelines.handlers.containers import nested_refused, read_value, split_container
from artifact_pipelines.handlers.exceptions import (
    ContainerAnnotationError,
    InvalidTableError,
    NestedContainerError,
    UnstorableValueError,
)
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines_tests.handlers.writing import stored_value, written

FRAME = pl.DataFrame({"a": [1]})
HANDLERS = TypeHandlers()


class Pair(NamedTuple):
    frame: pl.DataFrame
    number: int


class Checked(pl.DataFrame):
    model = FRAME

    def validate(self) -> None:
        raise ValueError("no such column")


class OfDicts:
    """A user's handler of dicts of arrays."""

    writes = reads = ("builtins.dict",)
    file_types = ("npz",)

    def describe(self, value: object) -> FileDescription:
        return FileDescription("npz")

    def write(self, value: object, sink: object) -> None: ...

    def read(self, artifact: object, request: object) -> None: ...

    def facts(self, artifact: object) -> dict[str, Any]:
        return {}


def load(folder: pathlib.Path, value: Any, annotation: Any = None) -> Any:
    artifacts, metadata = stored_value(folder, value)
    return read_value(HANDLERS, artifacts, metadata, annotation)


@pytest.mark.parametrize(
    "value", [{}, [], (), {"a": 1}, [1, "a", None], ({"a": [1]},), {"a": b"x"}, FRAME, "text", None, {1: "a"}]
)
def test_value_that_json_holds_and_single_value_are_one_file(value: Any) -> None:
    assert split_container(value, HANDLERS) is None


@pytest.mark.parametrize(
    ("value", "kind", "names"),
    [
        ({"train": FRAME, "test": FRAME}, "dict", ["train", "test"]),
        ((FRAME, 1, None), "tuple", ["0", "1", "2"]),
        ([1, np.arange(2)], "list", ["0", "1"]),
        (Pair(FRAME, 1), "tuple", ["0", "1"]),
        ({"series": pd.Series([1]), "name": "text"}, "dict", ["series", "name"]),
    ],
)
def test_container_with_a_table_or_array_has_a_file_for_each_member(value: Any, kind: str, names: list[str]) -> None:
    split = split_container(value, HANDLERS)
    assert split
    assert (split[0], list(split[1])) == (kind, names)


def test_handler_of_a_user_for_dicts_comes_first() -> None:
    handlers = TypeHandlers([OfDicts()])
    assert split_container({"a": np.arange(2)}, handlers) is None
    assert split_container([np.arange(2)], handlers)


KEYED: list[tuple[Any, Any]] = [
    ({2023: FRAME, 2022: FRAME}, dict[int, pl.DataFrame]),
    ({(1, "x"): FRAME, (1, "y"): FRAME}, dict[tuple[int, str], pl.DataFrame]),
    ({np.int64(1): FRAME, "1": FRAME}, dict[int | str, pl.DataFrame]),
    ({datetime.date(2026, 1, 1): FRAME}, dict[datetime.date, pl.DataFrame]),
]


@pytest.mark.parametrize(("value", "annotation"), KEYED, ids=str)
def test_keys_that_are_not_text_come_back(folder: pathlib.Path, value: Any, annotation: Any) -> None:
    artifacts, metadata = stored_value(folder, value)
    for kind in (None, dict, annotation):
        assert list(read_value(HANDLERS, artifacts, metadata, kind)) == list(value)
    with pytest.raises(ContainerAnnotationError, match="with the type K of its keys"):
        read_value(HANDLERS, artifacts, metadata, dict[bytes, pl.DataFrame])


def test_key_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(UnstorableValueError, match="has a key that cannot be stored"):
        split_container({object(): FRAME}, HANDLERS)


@pytest.mark.parametrize(
    ("value", "annotation", "kinds"),
    [
        ({"a": FRAME, "b": 1}, None, {"a": pl.DataFrame, "b": int}),
        ({"a": FRAME, "b": 1}, dict, {"a": pl.DataFrame, "b": int}),
        ({"a": FRAME}, dict[str, pl.LazyFrame], {"a": pl.LazyFrame}),
        ({"a": FRAME, "b": 1}, collections.abc.Mapping[str, Artifact], {"a": Artifact, "b": Artifact}),
        ({"a": FRAME, "b": 1}, dict[str, pl.DataFrame | int], {"a": pl.DataFrame, "b": int}),
        ((FRAME, 1), Any, (pl.DataFrame, int)),
        ((FRAME, 1), tuple, (pl.DataFrame, int)),
        ((FRAME, FRAME), tuple[pd.DataFrame, ...], (pd.DataFrame, pd.DataFrame)),
        ((FRAME, 1), tuple[pl.LazyFrame, int], (pl.LazyFrame, int)),
        ((FRAME, FRAME), list[pl.DataFrame], [pl.DataFrame, pl.DataFrame]),
        ([FRAME, np.arange(2)], None, [pl.DataFrame, np.ndarray]),
        ([FRAME], collections.abc.Sequence[pl.DataFrame], [pl.DataFrame]),
        ([FRAME], list[pl.DataFrame] | None, [pl.DataFrame]),
        ([FRAME], Annotated[list[pl.DataFrame], "note"], [pl.DataFrame]),
    ],
)
def test_container_is_loaded_in_the_annotated_form(
    folder: pathlib.Path, value: Any, annotation: Any, kinds: Any
) -> None:
    loaded = load(folder, value, annotation)
    if isinstance(kinds, dict):
        assert {name: type(member) for name, member in loaded.items()} == kinds
    else:
        assert type(loaded) is type(kinds)
        assert type(kinds)(map(type, loaded)) == kinds


def test_named_tuple_is_loaded_as_tuple_and_by_its_class(folder: pathlib.Path) -> None:
    assert type(load(folder, Pair(FRAME, 1))) is tuple
    assert load(folder, Pair(FRAME, 1), Pair).number == 1


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ({"a": FRAME}, pl.DataFrame),
        ({"a": FRAME}, list[pl.DataFrame]),
        ({"a": FRAME}, Artifact),
        ({"a": FRAME}, dict[int, pl.DataFrame]),
        ((FRAME,), tuple[pl.DataFrame, pl.DataFrame]),
        ((FRAME,), Pair),
        ((FRAME,), dict[str, pl.DataFrame]),
        ([FRAME], str),
    ],
)
def test_annotation_of_another_form_is_refused(folder: pathlib.Path, value: Any, annotation: Any) -> None:
    with pytest.raises(ContainerAnnotationError, match=r"is a \w+ of files \(members: '[a0]'.*Annotate"):
        load(folder, value, annotation)


@pytest.mark.parametrize(
    ("value", "where"),
    [({"a": {"b": FRAME}}, "a.b"), ([[1], [np.arange(2)]], "1.0"), ({"a": [{"b": (pd.Series([1]),)}]}, "a.0.b.0")],
)
def test_table_inside_a_container_inside_another_is_refused_with_its_place(value: Any, where: str) -> None:
    with (
        pytest.raises(NestedContainerError, match=rf"Cannot store {where}, of type .*multi_asset"),
        nested_refused(value, HANDLERS),
    ):
        written(value)


def test_class_that_validates_validates_each_loaded_member(folder: pathlib.Path) -> None:
    with pytest.raises(InvalidTableError, match="no such column"):
        load(folder, {"a": FRAME}, dict[str, Checked])


def test_other_refusals_stay_as_they_are() -> None:
    value: list[Any] = [object()]
    with pytest.raises(UnstorableValueError, match="0, of type object"), nested_refused(value, HANDLERS):
        written(value)
