"""An IO manager on the catalog and the store that the environment names: SQLite and local disk.

Little of what it does depends on databases and stores. `make stress` runs everything on PostgreSQL and S3 as well.
"""

from collections.abc import Iterator

import dagster as dg
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.factory import open_producer

_OF_THE_ENVIRONMENT = {"own_catalog", "store", "project"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on the databases and stores of production too, unless it looks behind the store's back."""
    names = set(metafunc.fixturenames)
    is_of_any_place = names & _OF_THE_ENVIRONMENT and not names & {"catalog_url", "storage_url"}
    is_local = metafunc.definition.get_closest_marker("local")
    if metafunc.config.getoption("--stress") and is_of_any_place and not is_local:
        metafunc.parametrize("settings", ["development", "production"], indirect=True)


@pytest.fixture
def own_catalog(settings: Settings) -> Iterator[Catalog]:
    with Catalog(settings.catalog_url) as catalog:
        yield catalog


@pytest.fixture
def own_producer(own_catalog: Catalog, settings: Settings) -> ArtifactProducer:
    return open_producer(own_catalog.files, settings.storage_url)


@pytest.fixture
def ours(own_catalog: Catalog, own_producer: ArtifactProducer) -> ArtifactIOManager:
    return ArtifactIOManager(own_catalog, own_producer)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """Return the error of the one step that failed."""
    [event] = result.get_step_failure_events()
    return str(event.step_failure_data.error_display_string)
