"""Contracts as classes: a new backend or catalog is tested by a subclass with one fixture.

    class TestMyStorage(StorageBackendContract):
        @pytest.fixture
        def place(self, tmp_path):
            return BackendPlace(MyStorage(tmp_path), MyBackDoor(tmp_path))

A back door reads and changes what is stored without the class under test.
"""

import pytest

pytest.register_assert_rewrite(f"{__name__}.artifact_producer", f"{__name__}.storage_backend")
