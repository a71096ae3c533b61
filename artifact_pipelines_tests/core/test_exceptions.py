import dataclasses
import inspect
import pickle
import typing

import pytest

from artifact_pipelines.core import exceptions
from artifact_pipelines.core.exceptions import ArtifactError

BRANCHES = ArtifactError.__subclasses__()
LEAVES = [leaf for branch in BRANCHES for leaf in branch.__subclasses__()]


def _made(kind: type[ArtifactError]) -> ArtifactError:
    return kind(*(_value(field) for field in dataclasses.fields(kind)))  # type: ignore[arg-type]


def _value(field: "dataclasses.Field[object]") -> object:
    if field.type is int:
        return 7
    return ["one", "two"] if typing.get_origin(field.type) else f"the {field.name}"


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = [word for word in (exceptions.__doc__ or "").split() if word.endswith("Error")]
    assert drawn == ["ArtifactError", *(name for b in BRANCHES for name in (b.__name__, *_names(b)))]


def _names(branch: type[ArtifactError]) -> list[str]:
    source = inspect.getdoc(exceptions) or ""
    return sorted((leaf.__name__ for leaf in branch.__subclasses__()), key=source.index)


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_tells_all_that_it_knows(kind: type[ArtifactError]) -> None:
    error = _made(kind)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if not field.repr:  # for programs
            continue
        value = getattr(error, field.name)
        shown = value[0] if isinstance(value, list) else str(value)
        assert value is None or shown in str(error), field.name


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_crosses_processes(kind: type[ArtifactError]) -> None:
    error = _made(kind)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("type_name", "remedy"),
    [("timestamp[s]", "milliseconds"), ("date64[ms]", "whole days"), ("large_list<item: int64>", "split the value")],
)
def test_the_remedy_for_a_value_that_cannot_be_stored_is_one_for_its_type(type_name: str, remedy: str) -> None:
    assert remedy in str(exceptions.ColumnValueError("c", type_name, "too large"))


def test_an_argument_of_more_digits_than_python_writes_is_told() -> None:
    for value in (10**5000, [10**5000], {"n": 10**5000}):
        assert "a number of 16,610 bits" in str(exceptions.InvalidArgumentError("seed", value, "a whole number"))
