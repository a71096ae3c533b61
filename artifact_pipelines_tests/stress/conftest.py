import pytest

from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.stress.place import Place


@pytest.fixture
def place(catalog_url: str, storage_url: str) -> Place:
    """An empty catalog and store, in every combination."""
    return _create(Place(catalog_url, storage_url))


@pytest.fixture
def local_place(catalog_url: str, settings: Settings) -> Place:
    """An empty catalog on each database with a store on local disk, for tests of system calls."""
    return _create(Place(catalog_url, settings.storage_url))


def _create(place: Place) -> Place:
    with place.open():
        return place
