"""An IO manager on SQLite and local disk, for what does not depend on databases and stores."""

import pathlib
import shutil
from collections.abc import Iterator

import dagster as dg
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.open_producer import open_producer


@pytest.fixture
def sqlite_catalog(settings: Settings, sqlite_template: pathlib.Path) -> Iterator[Catalog]:
    shutil.copyfile(sqlite_template, settings.catalog_url.removeprefix("sqlite:///"))
    with Catalog(settings.catalog_url) as catalog:
        yield catalog


@pytest.fixture
def local_producer(sqlite_catalog: Catalog, settings: Settings) -> ArtifactProducer:
    return open_producer(sqlite_catalog.files, settings.storage_url)


@pytest.fixture
def ours(sqlite_catalog: Catalog, local_producer: ArtifactProducer) -> ArtifactIOManager:
    return ArtifactIOManager(sqlite_catalog, local_producer)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """Return what the one step that failed says."""
    [event] = result.get_step_failure_events()
    return str(event.step_failure_data.error_display_string)
