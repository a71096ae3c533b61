"""An output that cannot be stored is refused before the work, if its annotation shows it."""

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManagerFactory, check_output_types
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines_tests.io_manager.conftest import failure_of


class Model:
    """A plain class, like that of a fitted model or of a figure."""


@dg.asset
def numbers() -> list[int]:
    return [1]


def test_step_with_inputs_is_refused_before_it_computes(ours: ArtifactIOManager) -> None:
    computed = []

    @dg.asset
    def model(numbers: list[int]) -> Model:
        computed.append(numbers)
        return Model()

    result = dg.materialize([numbers, model], resources={"io_manager": ours}, raise_on_error=False)
    text = failure_of(result)
    assert "UnsupportedTypeError: Cannot store a value of type artifact_pipelines_tests.Model" in text
    assert "annotated as output 'result' of 'model'" in text
    assert computed == []


def test_output_of_another_io_manager_is_not_checked(ours: ArtifactIOManager) -> None:
    @dg.multi_asset(outs={"model": dg.AssetOut(io_manager_key="memory"), "size": dg.AssetOut()})
    def fitted(numbers: list[int]) -> tuple[Model, int]:
        return Model(), len(numbers)

    resources = {"io_manager": ours, "memory": dg.mem_io_manager}
    assert dg.materialize([numbers, fitted], resources=resources).success


def test_output_of_an_op_is_refused_before_it_computes(ours: ArtifactIOManager) -> None:
    @dg.op
    def one() -> int:
        return 1

    @dg.op
    def fit(number: int) -> dict[str, Model]:
        raise AssertionError

    @dg.job(resource_defs={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(ours)})
    def fit_one() -> None:
        fit(one())

    assert "UnsupportedTypeError" in failure_of(fit_one.execute_in_process(raise_on_error=False))


def test_definitions_with_an_output_that_cannot_be_stored_are_refused(settings: Settings) -> None:
    @dg.asset
    def model() -> Model:
        return Model()

    @dg.asset
    def nothing() -> None:
        """Stores nothing."""

    @dg.asset(io_manager_key="memory")
    def kept_in_memory() -> Model:
        return Model()

    factory = ArtifactIOManagerFactory(catalog_url=settings.catalog_url, storage_url=settings.storage_url)
    resources = {"io_manager": factory, "memory": dg.mem_io_manager}
    check_output_types(dg.Definitions([numbers, nothing, kept_in_memory], resources=resources))
    with pytest.raises(UnsupportedTypeError, match="annotated as output 'result' of 'model'"):
        check_output_types(dg.Definitions([numbers, model], resources=resources))
