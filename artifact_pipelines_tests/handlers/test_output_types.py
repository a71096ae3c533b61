"""Annotated types of outputs that no handler can store are found before a value exists."""

import abc
import collections.abc
import dataclasses
import datetime
import numbers
import pathlib
import typing
from typing import Any

import numpy as np
import polars as pl
import pydantic
import pytest

from artifact_pipelines.handlers.exceptions import NestedContainerError
from artifact_pipelines.handlers.output_types import check_output_type
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError


class Estimator:
    """A plain class, like that of a model or a figure."""


class Fitted(Estimator):
    """A plain class below another one."""


class Reduced(Estimator):
    """Another one."""


class Base:
    """A plain class with an abstract one below it, as in scikit-learn."""


class AbstractBelow(Base, abc.ABC):
    """A class without values of its own."""

    @abc.abstractmethod
    def make(self) -> None:
        """Do nothing."""


class Shape:
    """A plain class with a storable one below it."""


@dataclasses.dataclass
class Square(Shape):
    """A record."""

    side: int


class Abstract(abc.ABC):
    """A class without values of its own."""

    @abc.abstractmethod
    def make(self) -> None:
        """Do nothing."""


class Order(pydantic.BaseModel):
    """A record."""

    price: float


class Readable(typing.Protocol):
    """A protocol of any class."""

    def read_all(self) -> str:
        """Read."""


@pytest.mark.parametrize(
    "annotation",
    [
        *(Any, None, object, int, str | None, pl.DataFrame, pl.LazyFrame, pathlib.Path, bytes, dict, list[int]),
        *(dict[str, pl.DataFrame], dict[str, Any], list[Order], Order, tuple[int, ...], dict[str, list[float] | None]),
        *(dict[str, datetime.date], list[Square], Square, Shape, list[Shape], Estimator | int, Abstract, Readable),
        *(numbers.Number, collections.abc.Iterable, collections.abc.Iterator[Estimator], typing.BinaryIO),
        *(typing.Literal["a"], typing.TypeVar("T"), typing.Annotated[int, "note"]),
    ],
)
def test_annotation_that_a_storable_value_may_fit_is_accepted(annotation: Any) -> None:
    check_output_type(annotation, TypeHandlers(), "")


@pytest.mark.parametrize(
    "annotation",
    [
        *(Fitted, Fitted | None, typing.Annotated[Fitted, "note"], Fitted | Reduced, list[Fitted], dict[str, Fitted]),
        *(dict[str, list[Fitted | None]], tuple[int, Fitted], collections.abc.Mapping[str, Fitted]),
    ],
)
def test_annotation_that_no_storable_value_fits_is_refused(annotation: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match=r"value of type artifact_pipelines_tests.Fitted: annotated as here"):
        check_output_type(annotation, TypeHandlers(), "here")


@dataclasses.dataclass
class Split:
    """A record with a table."""

    train: pl.DataFrame | None


_NESTED = [
    *(dict[str, dict[str, pl.DataFrame]], list[list[pl.Series]], tuple[int, list[np.ndarray]], Split, list[Split]),
    *(dict[str, list[pl.DataFrame | None]] | None, typing.Annotated[dict[str, Split], "note"]),
]


@pytest.mark.parametrize("annotation", _NESTED)
def test_tables_inside_of_inner_containers_are_refused(annotation: Any) -> None:
    with pytest.raises(NestedContainerError, match=r"Cannot store here, of type .* inside of .* multi_asset"):
        check_output_type(annotation, TypeHandlers(), "here")


def test_dict_of_containers_may_be_one_for_each_partition() -> None:
    check_output_type(dict[str, dict[str, pl.DataFrame]], TypeHandlers(), "here", is_by_partition=True)
    with pytest.raises(NestedContainerError):
        check_output_type(dict[str, dict[str, Split]], TypeHandlers(), "here", is_by_partition=True)


def test_class_with_only_an_abstract_class_below_it_is_refused() -> None:
    with pytest.raises(UnsupportedTypeError, match="Base"):
        check_output_type(Base, TypeHandlers(), "here")
