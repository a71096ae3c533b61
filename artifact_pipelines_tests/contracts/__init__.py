"""Contracts as classes: a new backend or catalog is tested by a subclass with one fixture.

    class TestMyStorage(StorageBackendContract):
        @pytest.fixture
        def place(self, tmp_path):
            return BackendPlace(MyStorage(tmp_path), MyBackDoor(tmp_path))

StorageBackendContract     what `IStorageBackend` promises
FileCatalogContract        what `IFileCatalog` promises
LandingZoneContract        what a landing zone promises
ArtifactProducerContract   what a producer promises, and each backend and catalog below it makes possible

A back door reads and changes stored bytes without the class under test. `test_memory.py` is an example.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{name}" for name in ("artifact_producer", "file_catalog", "landing_zone", "storage_backend"))
)
