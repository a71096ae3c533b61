"""Runs analyses in a test's own store."""

from typing import Any

from artifact_pipelines import ArtifactIOManagerFactory, ArtifactStore
from artifact_pipelines.core.settings import Settings


def resources(settings: Settings) -> dict[str, Any]:
    """Return the resources that the asset of an analysis requires."""
    store = ArtifactStore(catalog_url=settings.catalog_url, storage_url=settings.storage_url)
    return {"io_manager": ArtifactIOManagerFactory(store=store), "artifact_store": store}
