"""Makes new SQLite catalogs cheap: the first one runs the migrations and compiles statements, for all others."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import engine as catalog_engine
from artifact_pipelines.catalog import schema
from artifact_pipelines.catalog.engine import make_engine, reading, writing
from artifact_pipelines.catalog.sqlite import sqlite_engine

upgrade = schema.upgrade
"""The one that runs the migrations."""


@contextlib.contextmanager
def quick_catalogs(path: pathlib.Path) -> Iterator[None]:
    """Until the block ends, migrations run only on catalogs that have tables, and a statement is compiled once.

    Args:
        path: Where to create the first catalog.
    """
    first = make_engine(f"sqlite:///{path}")
    upgrade(first)
    with reading(first) as connection:
        made = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE sql NOTNULL AND name != 'sqlite_sequence'"
        )
        statements = [str(statement) for statement in made.scalars()]
    first.dispose()
    statements.append(f"INSERT INTO alembic_version VALUES ('{schema.HEAD_REVISION}')")

    def upgrade_quickly(engine: sa.Engine) -> None:
        if engine.dialect.name != "sqlite" or not _create_tables(engine, statements):
            upgrade(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "upgrade", upgrade_quickly)
        _compile_once(patch, first)
        yield


def _compile_once(patch: pytest.MonkeyPatch, first: sa.Engine) -> None:
    """Let all engines share what they compile: it depends on the statement and the dialect only."""
    compiled: sa.util.LRUCache[Any, Any] = sa.util.LRUCache(10_000)

    def sharing_engine(url: sa.URL) -> sa.Engine:
        engine = sqlite_engine(url)
        engine.dialect = engine.pool._dialect = first.dialect
        engine._compiled_cache = compiled
        return engine

    patch.setattr(catalog_engine, "sqlite_engine", sharing_engine)


def _create_tables(engine: sa.Engine, statements: list[str]) -> bool:
    """Return False if the catalog has tables already."""
    with writing(engine) as connection:
        if sa.inspect(connection).get_table_names():
            return False
        for statement in statements:
            connection.exec_driver_sql(statement)
    return True
