"""The inputs of a step are recorded with its output, whichever IO managers load and store them."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import FileId, LoadedInput
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.inputs import StepInputs
from artifact_pipelines.io_manager.outputs import inputs_by_partition
from artifact_pipelines.io_manager.resources import ArtifactIOManagerFactory
from artifact_pipelines.storage.factory import open_producer
from artifact_pipelines_tests.catalog.filled import inputs_of


@dg.asset(io_manager_key="first")
def source() -> int:
    return 1


@dg.asset(io_manager_key="second")
def copy(source: int) -> int:
    return source


def make(resources: Mapping[str, Any], catalog: Catalog) -> tuple[list[LoadedInput], bool]:
    """Return the recorded inputs of `copy`, and whether the UI shows any."""
    result = dg.materialize([source, copy], resources=dict(resources))
    [made] = result.asset_materializations_for_node("copy")
    recorded = inputs_of(catalog, catalog.materializations.current("copy").materialization_id)
    return list(recorded), "artifact/inputs" in made.metadata


def test_inputs_loaded_by_another_io_manager_of_the_catalog_are_recorded(tmp_path: pathlib.Path) -> None:
    path, storage_url = tmp_path / "catalog.db", str(tmp_path / "store")
    first = ArtifactIOManagerFactory(catalog_url=f"sqlite:///{path}", storage_url=storage_url)
    second = ArtifactIOManagerFactory(catalog_url=f"sqlite:///{path.parent}/./catalog.db", storage_url=storage_url)
    for resources in ({"first": first, "second": first}, {"first": first, "second": second}):
        with Catalog(f"sqlite:///{path}") as catalog:
            file = catalog.materializations
            assert make(resources, catalog) == (
                [LoadedInput.of(file.current("source"))],
                True,
            )


def test_inputs_from_another_catalog_are_not_recorded(ours: ArtifactIOManager, tmp_path: pathlib.Path) -> None:
    with Catalog(f"sqlite:///{tmp_path}/other.db") as other:
        theirs = ArtifactIOManager(other, open_producer(other.files, str(tmp_path / "other store")))
        assert make({"first": ours, "second": theirs}, other) == ([], False)


@dataclasses.dataclass(eq=False)
class Step:
    number: int


@pytest.fixture
def loaded() -> list[LoadedInput]:
    return [LoadedInput(1, "source", None, 1, FileId(1))]


def test_inputs_are_known_while_the_step_lives_however_many_steps_there_are(loaded: list[LoadedInput]) -> None:
    inputs, steps = StepInputs("catalog"), [Step(number) for number in range(3000)]
    for step in steps:
        inputs.add(step, loaded)
    assert [*inputs.of(steps[0])] == [*inputs.of(steps[-1])] == loaded
    assert StepInputs("another").of(steps[0]) == ()


def test_nothing_is_noted_outside_of_a_step(loaded: list[LoadedInput]) -> None:
    inputs = StepInputs("catalog")
    inputs.add(None, loaded)
    assert inputs.of(None) == ()


def test_each_partition_gets_its_mapped_inputs_and_those_that_no_mapping_reaches() -> None:
    def made(asset: str, partition: str | None) -> LoadedInput:
        return LoadedInput(1, asset, partition, 1, FileId(1))

    x, y, z, by_hand, table = made("up", "x"), made("up", "y"), made("up", "z"), made("aside", "a"), made("table", None)
    upstream = {"up": lambda key: {"a": ["x", "y"], "b": ["y", "gone"]}[key]}
    found = inputs_by_partition(["a", "b"], [table, y, by_hand, x, z], upstream)
    assert found == [(table, y, by_hand, x, z), (table, y, z)]
    assert inputs_by_partition(["b"], [table, x], upstream) == [(table, x)], "one partition was made from everything"
