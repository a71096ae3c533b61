import dataclasses
import importlib
import pathlib
import pickle
import typing
from collections.abc import Iterator

import pytest

import artifact_pipelines
from artifact_pipelines.core.exceptions import ArtifactError
from artifact_pipelines.tabular.exceptions import ColumnValueError

for path in pathlib.Path(artifact_pipelines.__file__).parent.glob("*/exceptions.py"):
    importlib.import_module(f"artifact_pipelines.{path.parent.name}.exceptions")

BRANCHES = ArtifactError.__subclasses__()
LEAVES = [leaf for branch in BRANCHES for leaf in branch.__subclasses__()]


def _made(kind: type[ArtifactError]) -> ArtifactError:
    return kind(*(_value(field) for field in dataclasses.fields(kind)))  # type: ignore[arg-type]


def _value(field: "dataclasses.Field[object]") -> object:
    if field.type is int:
        return 7
    return ["one", "two"] if typing.get_origin(field.type) else f"the {field.name}"


def test_documented_tree_of_errors_matches_the_classes() -> None:
    documented = (pathlib.Path(__file__).parents[2] / "docs/errors.md").read_text()
    assert "\n".join(_drawn()) in documented, "\n".join(_drawn())


def _drawn() -> Iterator[str]:
    """Draw the tree: a branch, and below it the errors of each package."""
    yield "ArtifactError"
    for branch in BRANCHES:
        yield f"    {branch.__name__}"
        for leaf in sorted(branch.__subclasses__(), key=lambda leaf: (leaf.__module__, leaf.__name__)):
            yield f"        {leaf.__module__.split('.')[1]}.{leaf.__name__}"


@pytest.mark.parametrize("kind", LEAVES)
def test_message_contains_every_field_of_an_error(kind: type[ArtifactError]) -> None:
    error = _made(kind)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if not field.repr:  # for programs
            continue
        value = getattr(error, field.name)
        shown = value[0] if isinstance(value, list) else str(value)
        assert value is None or shown in str(error), field.name


@pytest.mark.parametrize("kind", LEAVES)
def test_error_survives_pickling(kind: type[ArtifactError]) -> None:
    error = _made(kind)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    ("type_name", "remedy"),
    [("timestamp[s]", "milliseconds"), ("date64[ms]", "whole days"), ("large_list<item: int64>", "split the value")],
)
def test_remedy_for_a_refused_value_fits_the_type_of_its_column(type_name: str, remedy: str) -> None:
    assert remedy in str(ColumnValueError("c", type_name, "too large"))
