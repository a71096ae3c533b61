"""The catalog as its users see it: groups of rows behind one connection."""

import pathlib
from types import TracebackType
from typing import Self

from artifact_pipelines.catalog.audit import AuditCatalog
from artifact_pipelines.catalog.candidates import CandidateCatalog
from artifact_pipelines.catalog.collection import CollectionCatalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.catalog.files import FileCatalog
from artifact_pipelines.catalog.landing import LandingCatalog
from artifact_pipelines.catalog.lineage import LineageCatalog
from artifact_pipelines.catalog.materializations import MaterializationCatalog
from artifact_pipelines.catalog.pins_and_tags import MarkCatalog
from artifact_pipelines.catalog.retention import RetentionCatalog
from artifact_pipelines.catalog.rollback import RollbackCatalog
from artifact_pipelines.catalog.schema import ensure_schema, ensure_tables
from artifact_pipelines.catalog.transfer import CatalogTransfer


class Catalog:
    """An open catalog.

    Attributes:
        files: Stored files and who holds them.
        materializations: What every asset held, and when.
        candidates: What becomes current when its checks have passed.
        retention: Which versions are kept, wiped and released.
        lineage: What was made from what.
        rollback: Making an older version current.
        marks: Pins and tags on versions.
        collection: What nothing holds any more.
        landing: What lies in the landing zone.
        audit: What is to be verified, and where rows contradict each other.
        transfer: All rows at once, out and in.
    """

    def __init__(self, catalog_url: str, make_tables: bool = False) -> None:
        """Connect to `sqlite:///…` (made and brought up to date when needed) or `postgresql://…`.

        Args:
            catalog_url: Where it is.
            make_tables: Make the tables also on PostgreSQL, where there are none.

        Raises:
            ConfigurationError: The URL cannot work.
            OutdatedCatalogError: The schema must be brought up to date by command first.
            CatalogUnavailableError: The database does not answer.
        """
        self._engine = make_engine(catalog_url)
        (ensure_tables if make_tables else ensure_schema)(self._engine)
        self.files = FileCatalog(self._engine)
        self.materializations = MaterializationCatalog(self._engine)
        self.candidates = CandidateCatalog(self._engine)
        self.retention = RetentionCatalog(self._engine)
        self.lineage = LineageCatalog(self._engine)
        self.rollback = RollbackCatalog(self._engine)
        self.marks = MarkCatalog(self._engine)
        self.collection = CollectionCatalog(self._engine)
        self.landing = LandingCatalog(self._engine)
        self.audit = AuditCatalog(self._engine)
        self.transfer = CatalogTransfer(self._engine)

    @property
    def identity(self) -> str:
        """Which database it is: catalogs of the same identity have the same rows."""
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
