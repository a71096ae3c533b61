"""The store and its catalog as a Dagster resource, for what looks after both."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pydantic

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import STORAGE_URL, refuse_password
from artifact_pipelines.io_manager.catalog_url import CatalogUrl, ShowsNoSecret
from artifact_pipelines.io_manager.s3_config import S3Config
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines.storage.interfaces import IStorageBackend


class ArtifactStore(ShowsNoSecret, dg.ConfigurableResource[None]):
    """Where rows and bytes lie.

    Attributes:
        catalog_url: `sqlite:////path/catalog.db` or `postgresql://user@host/database`; with a password, a `dg.EnvVar`.
        storage_url: A folder (a path or `file:///folder`), or `s3://bucket/prefix`.
        s3: How to reach the S3 server; what it leaves out, the standard AWS variables say.
    """

    catalog_url: CatalogUrl
    storage_url: str
    s3: S3Config = S3Config()

    @pydantic.field_validator("storage_url")
    @classmethod
    def _shows_no_password(cls, storage_url: str) -> str:
        refuse_password(storage_url, STORAGE_URL)
        return storage_url

    @contextmanager
    def open(self) -> Iterator[tuple[Catalog, IStorageBackend]]:
        """Open both for the time of a block."""
        with Catalog(self.catalog_url) as catalog:
            yield catalog, open_backend(self.storage_url, self.s3.settings())
