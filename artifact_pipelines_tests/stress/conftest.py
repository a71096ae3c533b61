import pytest

from artifact_pipelines_tests.stress.place import Place


@pytest.fixture
def place(catalog_url: str, storage_url: str) -> Place:
    """A catalog and a store that are there, and empty."""
    place = Place(catalog_url, storage_url)
    with place.open():
        return place
