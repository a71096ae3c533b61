"""How commands reach the store and the catalog: opened when needed, closed at the end, the wait shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from artifact_pipelines.store import Store


@contextmanager
def open_engine() -> Iterator[Any]:
    """Open the database of the catalog, whatever its schema."""
    from artifact_pipelines.catalog.engine import make_engine
    from artifact_pipelines.core.settings import Settings

    engine = make_engine(Settings.from_environment().catalog_url)
    try:
        yield engine
    finally:
        engine.dispose()


def open_the_store() -> "Store":
    """Open the store that the environment names."""
    from artifact_pipelines.store import open_store

    return open_store()


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show that work goes on while a person watches; print nothing into a pipe."""
    with Console(stderr=True).status(text):
        yield
