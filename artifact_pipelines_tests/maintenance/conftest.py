"""An empty catalog beside the one under test, for a catalog that is lost."""

import pathlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, catalog_url: str, tmp_path: pathlib.Path) -> str:
    """URL of an empty catalog on the same kind of database as the one under test."""
    if catalog_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'new.db'}"
    return str(request.getfixturevalue("second_postgresql_url"))


@pytest.fixture
def empty(empty_url: str) -> Iterator[Catalog]:
    with Catalog(empty_url, make_tables=True) as catalog:
        yield catalog


@pytest.fixture
def empty_engine(empty_url: str, empty: Catalog) -> Iterator[sa.Engine]:
    engine = make_engine(empty_url)
    yield engine
    engine.dispose()
