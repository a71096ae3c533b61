"""What some tests of handlers share with those of the IO manager."""

from artifact_pipelines_tests.io_manager.conftest import (
    instance,
    ours,
    own_catalog,
    own_producer,
    pytest_generate_tests,
)

__all__ = ["instance", "ours", "own_catalog", "own_producer", "pytest_generate_tests"]
