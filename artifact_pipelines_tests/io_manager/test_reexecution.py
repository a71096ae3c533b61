"""A run that is executed again from its failure loads what its parents wrote, although others have written since."""

from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import LoadedInput
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines_tests.catalog.filled import inputs_of

WORLD: dict[str, Any] = {}
"""Outputs of the steps, and whether they fail; Dagster keeps the jobs that it made from this module."""


def value() -> str:
    return str(WORLD["value"])


def copied(given: str) -> str:
    if WORLD["fails"]:
        raise ValueError("fails")
    WORLD["got"] = given
    return given


@dg.asset
def source() -> str:
    return value()


@dg.asset
def copy(source: str) -> str:
    return copied(source)


@dg.op
def make() -> str:
    return value()


@dg.op
def use(given: str) -> str:
    return copied(given)


@dg.io_manager
def io_manager(context: dg.InitResourceContext) -> ArtifactIOManager:
    made: ArtifactIOManager = WORLD["io_manager"]
    return made


def of_assets() -> dg.JobDefinition:
    jobs = [dg.define_asset_job("of_assets", executor_def=dg.in_process_executor)]
    definitions = dg.Definitions(assets=[source, copy], jobs=jobs, resources={"io_manager": io_manager})
    return definitions.resolve_job_def("of_assets")


@dg.job(resource_defs={"io_manager": io_manager}, executor_def=dg.in_process_executor)
def of_ops() -> None:
    use(make())


@pytest.fixture(autouse=True)
def world(ours: ArtifactIOManager) -> None:
    WORLD.clear()
    WORLD["io_manager"] = ours


@pytest.fixture
def instance() -> Any:
    with dg.instance_for_test({"telemetry": {"enabled": False}}) as instance:
        yield instance


def execute(job: Any, instance: dg.DagsterInstance, value: str, fails: bool, parent: str | None = None) -> str:
    WORLD.update(value=value, fails=fails)
    options = dg.ReexecutionOptions.from_failure(parent, instance) if parent else None
    with dg.execute_job(dg.reconstructable(job), instance, reexecution_options=options, raise_on_error=False) as result:
        assert result.success != fails
        return result.run_id


@pytest.mark.parametrize("job", [of_assets, of_ops])
def test_reexecution_loads_its_parents_write_and_so_does_its_own_child(job: Any, instance: dg.DagsterInstance) -> None:
    parent = execute(job, instance, "one", fails=True)
    execute(job, instance, "two", fails=False)
    child = execute(job, instance, "-", fails=True, parent=parent)
    execute(job, instance, "-", fails=False, parent=child)
    assert WORLD["got"] == "one"


def test_asset_made_by_reexecution_from_an_older_version_is_stale(
    instance: dg.DagsterInstance, own_catalog: Catalog
) -> None:
    parent = execute(of_assets, instance, "one", fails=True)
    execute(of_assets, instance, "two", fails=False)
    execute(of_assets, instance, "-", fails=False, parent=parent)
    graph = dg.Definitions(assets=[source, copy]).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    assert resolver.get_status(dg.AssetKey("copy")).value == "STALE"
    made = own_catalog.materializations.current("copy")
    one = own_catalog.materializations.version("source", 1)
    inputs = inputs_of(own_catalog, made.materialization_id)
    assert inputs == [LoadedInput.of(one)]


def test_reexecution_loads_the_current_version_if_its_parents_was_released(
    instance: dg.DagsterInstance, own_catalog: Catalog
) -> None:
    parent = execute(of_assets, instance, "one", fails=True)
    execute(of_assets, instance, "two", fails=False)
    assert own_catalog.retention.release(VersionName("source", None, 1), "-")
    execute(of_assets, instance, "-", fails=False, parent=parent)
    assert WORLD["got"] == "two"


def test_reexecution_loads_the_current_version_if_its_parents_was_wiped(
    instance: dg.DagsterInstance, own_catalog: Catalog
) -> None:
    parent = execute(of_assets, instance, "one", fails=True)
    own_catalog.retention.wipe("source")
    execute(of_assets, instance, "two", fails=False)
    execute(of_assets, instance, "-", fails=False, parent=parent)
    assert WORLD["got"] == "two"
