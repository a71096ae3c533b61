"""The store that the environment names, and assets in it."""

import pathlib

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManager, Store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.factory import open_backend


@pytest.fixture
def csv(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    return path


@pytest.fixture
def io_manager(store: Store, settings: Settings) -> ArtifactIOManager:
    producer = ArtifactProducer(store.catalog.files, open_backend(settings.storage_url))
    return ArtifactIOManager(store.catalog, producer)


@pytest.fixture
def numbers(io_manager: ArtifactIOManager) -> None:
    """An asset whose retention policy keeps two versions, materialized four times with four values."""
    values = iter(range(4))

    @dg.asset(metadata={"artifact/retention": {"keep_last": 2}})
    def numbers() -> int:
        return next(values)

    for _ in range(4):
        dg.materialize([numbers], resources={"io_manager": io_manager})


@pytest.fixture
def op_output(io_manager: ArtifactIOManager) -> str:
    """Name of the output of an op that is not an asset."""

    @dg.op
    def one() -> int:
        return 1

    @dg.job(resource_defs={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(io_manager)})
    def count() -> None:
        one()

    return f"{count.execute_in_process().run_id}/one/result"
