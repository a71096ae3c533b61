"""Annotated types of outputs that no handler can store are found before a value exists."""

import abc
import collections.abc
import dataclasses
import datetime
import numbers
import pathlib
import typing
from typing import Any

import polars as pl
import pydantic
import pytest

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
    check_output_type(annotation, TypeHandlers().written_types, "")


@pytest.mark.parametrize(
    "annotation",
    [
        *(Fitted, Fitted | None, typing.Annotated[Fitted, "note"], Fitted | Reduced, list[Fitted], dict[str, Fitted]),
        *(dict[str, list[Fitted | None]], tuple[int, Fitted], collections.abc.Mapping[str, Fitted]),
    ],
)
def test_annotation_that_no_storable_value_fits_is_refused(annotation: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match=r"store a value of type artifact_pipelines_tests.Fitted: here"):
        check_output_type(annotation, TypeHandlers().written_types, "here")


def test_class_with_only_an_abstract_class_below_it_is_refused() -> None:
    with pytest.raises(UnsupportedTypeError, match="Base"):
        check_output_type(Base, TypeHandlers().written_types, "here")
