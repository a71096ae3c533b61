"""The catalog as its users see it: one connection, and an object for each group of questions."""

import os
import pathlib
import weakref
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from artifact_pipelines.catalog.asset_names import AssetNameCatalog
from artifact_pipelines.catalog.audit import AuditCatalog
from artifact_pipelines.catalog.candidates import CandidateCatalog
from artifact_pipelines.catalog.collection import CollectionCatalog
from artifact_pipelines.catalog.dataset_versions import DatasetCatalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.catalog.files import FileCatalog
from artifact_pipelines.catalog.host_clock import HostClock
from artifact_pipelines.catalog.landing import LandingCatalog
from artifact_pipelines.catalog.lineage import LineageCatalog
from artifact_pipelines.catalog.materializations import MaterializationCatalog
from artifact_pipelines.catalog.pins_and_tags import PinAndTagCatalog
from artifact_pipelines.catalog.retention import RetentionCatalog
from artifact_pipelines.catalog.schema import ensure_schema, ensure_tables
from artifact_pipelines.catalog.transfer import CatalogTransfer


class Catalog:
    """An open catalog.

    Attributes:
        asset_names: Which assets there are.
        files: Stored files and who holds them.
        materializations: The history of every asset, and what is current.
        candidates: Materializations that wait for their checks.
        retention: Versions that are kept, wiped and released.
        lineage: Inputs and consumers of materializations.
        pins_and_tags: Pins and tags on versions.
        collection: Expired leases and garbage.
        host_clock: Whether the clock of a SQLite catalog's host can be trusted.
        datasets: Versions of datasets.
        landing: Files in the landing zone.
        audit: Files to verify, and contradictions between rows.
        transfer: All rows at once, out and in.
    """

    def __init__(self, catalog_url: str, make_tables: bool = False) -> None:
        """Connect to `sqlite:///…` (created and upgraded when needed) or `postgresql://…`.

        Args:
            catalog_url: URL of the database.
            make_tables: Create missing tables on PostgreSQL too.

        Raises:
            ConfigurationError: The URL cannot work.
            OutdatedCatalogError: The schema must be upgraded by command first.
            CatalogUnavailableError: The database does not answer.
        """
        self._engine = make_engine(catalog_url)
        weakref.finalize(self, _dispose, self._engine, os.getpid()).atexit = False
        (ensure_tables if make_tables else ensure_schema)(self._engine)
        self.asset_names = AssetNameCatalog(self._engine)
        self.files = FileCatalog(self._engine)
        self.materializations = MaterializationCatalog(self._engine)
        self.candidates = CandidateCatalog(self._engine)
        self.retention = RetentionCatalog(self._engine)
        self.lineage = LineageCatalog(self._engine)
        self.pins_and_tags = PinAndTagCatalog(self._engine)
        self.collection = CollectionCatalog(self._engine)
        self.host_clock = HostClock(self._engine)
        self.datasets = DatasetCatalog(self._engine)
        self.landing = LandingCatalog(self._engine)
        self.audit = AuditCatalog(self._engine)
        self.transfer = CatalogTransfer(self._engine)

    @property
    def identity(self) -> str:
        """Name of the database: catalogs of the same identity have the same rows."""
        url = self._engine.url
        if url.get_backend_name() == "sqlite":
            return str(pathlib.Path(url.database or "").resolve())
        return url._replace(password=None).render_as_string()

    def __repr__(self) -> str:
        return f"Catalog({self._engine.url.render_as_string(hide_password=True)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _dispose(engine: sa.Engine, process: int) -> None:
    """Close the connections of a catalog that is forgotten: Dagster never says when an IO manager is done."""
    if os.getpid() == process:  # a copied process must not end the connections of its parent
        engine.dispose()
