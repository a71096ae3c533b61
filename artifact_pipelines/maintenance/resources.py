"""The store and its catalog as a Dagster resource, for what looks after both."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pydantic

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.open_producer import open_backend


class ArtifactStore(dg.ConfigurableResource[None]):
    """Where rows and bytes lie.

    Attributes:
        catalog_url: `sqlite:////path/catalog.db` or `postgresql://user@host/database`.
        storage_url: A folder, or `file:///folder`.
    """

    catalog_url: str = pydantic.Field(repr=False)  # may hold a password
    storage_url: str

    @contextmanager
    def open(self) -> Iterator[tuple[Catalog, IStorageBackend]]:
        """Open both for the time of a block."""
        with Catalog(self.catalog_url) as catalog:
            yield catalog, open_backend(self.storage_url)
