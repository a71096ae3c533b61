import pytest

from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.stress.place import Place


@pytest.fixture
def place(catalog_url: str, storage_url: str) -> Place:
    """A catalog and a store that are there, and empty: every combination."""
    return _made(Place(catalog_url, storage_url))


@pytest.fixture
def local_place(catalog_url: str, settings: Settings) -> Place:
    """The same with every catalog, on the local disk: for what happens at system calls."""
    return _made(Place(catalog_url, settings.storage_url))


def _made(place: Place) -> Place:
    with place.open():
        return place
