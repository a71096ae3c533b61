"""Annotated classes that validate, such as patito's `Model.DataFrame`, and Dagster types like those of dagster-pandera.

Both were tried with the libraries themselves (patito 0.8, pandera 0.35); they are no dependencies of the tests.
"""

from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines_tests.io_manager.conftest import failure_of

GOOD, BAD = pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [-1]})


class Positive:
    """The model of a class of frames."""


class PositiveFrame(pl.DataFrame):
    """A frame as patito makes it."""

    model = Positive

    def validate(self) -> None:
        if (self["x"] < 0).any():
            raise ValueError("1 validation error\nx\n  1 row with out of bound values")


class OpenFrame(pl.DataFrame):
    """A frame of no model, like patito's own class, cannot validate."""

    def validate(self) -> None:
        raise TypeError("no model")


def run(io_manager: ArtifactIOManager, value: Any, written: Any, loaded: Any) -> tuple[Any, dg.ExecuteInProcessResult]:
    """Return what an asset that is annotated with one type gives to one that is annotated with another."""
    got: list[Any] = []

    def up() -> Any:
        return value

    def down(up: Any) -> None:
        got.append(up)

    up.__annotations__["return"], down.__annotations__["up"] = written, loaded
    resources = {"io_manager": io_manager}
    result = dg.materialize([dg.asset(up), dg.asset(down)], resources=resources, raise_on_error=False)
    return (got[0] if got else None), result


@pytest.mark.parametrize("annotation", [PositiveFrame, PositiveFrame | None])
def test_frame_that_fits_its_model_is_stored_and_loaded(ours: ArtifactIOManager, annotation: Any) -> None:
    loaded, result = run(ours, PositiveFrame(GOOD), annotation, annotation)
    assert result.success
    assert isinstance(loaded, PositiveFrame)


@pytest.mark.parametrize("annotation", [PositiveFrame, PositiveFrame | None])
def test_frame_that_does_not_fit_its_model_is_not_stored(
    ours: ArtifactIOManager, own_catalog: Catalog, annotation: Any
) -> None:
    _, result = run(ours, PositiveFrame(BAD), annotation, annotation)
    reason = "InvalidTableError: The table does not fit Positive: 1 validation error x 1 row with out of bound values."
    assert reason in failure_of(result)
    assert own_catalog.files.list_files(10) == []


def test_frames_of_a_run_over_several_partitions_are_validated(ours: ArtifactIOManager) -> None:
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]), backfill_policy=dg.BackfillPolicy.single_run())
    def up() -> dict[str, PositiveFrame]:
        return {"a": PositiveFrame(GOOD), "b": PositiveFrame(BAD)}

    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
    result = dg.materialize([up], resources={"io_manager": ours}, tags=tags, raise_on_error=False)
    assert "InvalidTableError" in failure_of(result)


def test_loaded_frame_that_does_not_fit_the_model_is_refused(ours: ArtifactIOManager) -> None:
    _, result = run(ours, BAD, pl.DataFrame, PositiveFrame)
    assert "InvalidTableError: Input up (up version 1, file 1): The table does not fit Positive" in failure_of(result)


def test_frame_is_not_validated_without_an_annotation_or_without_a_model(ours: ArtifactIOManager) -> None:
    assert run(ours, PositiveFrame(BAD), Any, pl.DataFrame)[1].success
    assert run(ours, OpenFrame(BAD), OpenFrame, OpenFrame)[1].success


def checked_type(kind: type, shown: type) -> dg.DagsterType:
    """Return a Dagster type as dagster-pandera makes it: it may name pandas although its check wants polars."""

    def is_positive(_: Any, value: Any) -> bool:
        is_kind = type(value) is kind
        return is_kind and not (value["x"] < 0).any()

    return dg.DagsterType(is_positive, "Positive", typing_type=shown)


@pytest.mark.parametrize("value", [GOOD, GOOD.to_pandas(), BAD, BAD.to_pandas()])
def test_check_of_a_dagster_type_decides_what_is_stored_and_loaded(ours: ArtifactIOManager, value: Any) -> None:
    kind = type(value)
    loaded, result = run(ours, value, checked_type(kind, pd.DataFrame), checked_type(kind, pd.DataFrame))
    assert result.success == (value["x"][0] > 0)
    assert type(loaded) is (kind if result.success else type(None))


@pytest.mark.parametrize("value", [GOOD, BAD])
def test_dagster_type_of_another_library_validates_what_is_loaded(ours: ArtifactIOManager, value: Any) -> None:
    loaded, result = run(ours, value, pl.DataFrame, checked_type(pd.DataFrame, pd.DataFrame))
    assert result.success == (value is GOOD)
    assert type(loaded) is (pd.DataFrame if result.success else type(None))
