"""The catalog and the store that the environment names, opened for the time of a command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from artifact_pipelines.core.settings import Settings

if TYPE_CHECKING:
    from artifact_pipelines.catalog.catalog import Catalog
    from artifact_pipelines.storage.interfaces import IStorageBackend
    from artifact_pipelines.store import Store


@contextmanager
def open_engine(may_be_new: bool = False) -> Iterator[Any]:
    """Open the database of the catalog, whatever its schema."""
    from artifact_pipelines.catalog.engine import make_engine

    engine = make_engine(_catalog_url(may_be_new))
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def open_catalog(may_be_new: bool = False) -> "Iterator[tuple[Catalog, IStorageBackend]]":
    """Open the catalog and the storage of its files."""
    from artifact_pipelines.catalog.catalog import Catalog
    from artifact_pipelines.storage.factory import open_backend

    backend = open_backend(Settings.from_environment().storage_url)
    with Catalog(_catalog_url(may_be_new), make_tables=may_be_new) as catalog:
        yield catalog, backend


def open_store(may_be_new: bool = False) -> "Store":
    """Open the store. Close it after use, or use it in a `with` block."""
    from artifact_pipelines import store

    return store.open_store(_catalog_url(may_be_new))


def _catalog_url(may_be_new: bool) -> str:
    """Return the URL of the catalog, which must exist unless the command may create it: URLs may be mistyped."""
    from artifact_pipelines.catalog.engine import check_is_there

    url = Settings.from_environment().catalog_url
    if not may_be_new:
        check_is_there(url)
    return url
