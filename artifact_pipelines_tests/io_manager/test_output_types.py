"""An output that cannot be stored is refused before the work, if its annotation shows it."""

import configparser
import io
import zipfile
from typing import Any

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines import ArtifactIOManagerFactory, check_output_types
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.handlers.exceptions import UnstorableOutputsError
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


def test_all_outputs_that_cannot_be_stored_are_listed(settings: Settings) -> None:
    @dg.op
    def fit() -> Model:
        return Model()

    @dg.graph_asset
    def graph() -> Any:
        return fit()

    @dg.asset
    def tables() -> dict[str, dict[str, pl.DataFrame]]:
        return {}

    @dg.asset
    def archive() -> zipfile.ZipFile:
        raise NotImplementedError

    factory = ArtifactIOManagerFactory(catalog_url=settings.catalog_url, storage_url=settings.storage_url)
    with pytest.raises(UnstorableOutputsError) as caught:
        check_output_types(dg.Definitions([numbers, graph, tables, archive], resources={"io_manager": factory}))
    shown = str(caught.value)
    assert shown.startswith("3 outputs cannot be stored:")
    assert all(f"of '{name}'" in shown for name in ("fit", "tables", "archive"))
    assert shown.count("register_type_handler(ModelHandler())") == 1


def test_upstream_that_returns_nothing_is_explained(ours: ArtifactIOManager) -> None:
    @dg.asset
    def nothing() -> None:
        """Stores nothing."""

    @dg.asset
    def below(nothing: Any) -> None:
        raise AssertionError

    @dg.asset
    def result() -> dg.MaterializeResult:  # type: ignore[type-arg]
        return dg.MaterializeResult()

    @dg.asset
    def below_result(result: Any) -> None:
        raise AssertionError

    pairs = [(nothing, below, "it returns no value, as its"), (result, below_result, "its last run returned no value")]
    with dg.DagsterInstance.ephemeral() as instance:
        for upstream, downstream, reason in pairs:
            for selection in ([upstream, downstream], [downstream]):
                options: Any = {"selection": selection, "instance": instance, "raise_on_error": False}
                text = failure_of(dg.materialize([upstream, downstream], resources={"io_manager": ours}, **options))
                assert f"Nothing of asset {upstream.key.path[0]} is stored: {reason}" in text
                assert f"deps=['{upstream.key.path[0]}']" in text


@pytest.mark.parametrize("value", [zipfile.ZipFile(io.BytesIO(), "w"), configparser.ConfigParser()])
def test_object_with_another_method_read_is_no_stream(ours: ArtifactIOManager, value: Any) -> None:
    made = dg.asset(lambda: value, name="made")
    text = failure_of(dg.materialize([made], resources={"io_manager": ours}, raise_on_error=False))
    assert f"UnsupportedTypeError: Cannot store a value of type {type(value).__module__}" in text
    assert "register_type_handler(" in text
