"""Makes new SQLite catalogs cheap: the migrations run for the first one, and the others copy its tables."""

import contextlib
import pathlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import schema
from artifact_pipelines.catalog.engine import make_engine, reading, writing

upgrade = schema.upgrade
"""The one that runs the migrations."""


@contextlib.contextmanager
def tables_made_once(path: pathlib.Path) -> Iterator[None]:
    """Until the block ends, migrations run only on catalogs that have tables already.

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
        yield


def _create_tables(engine: sa.Engine, statements: list[str]) -> bool:
    """Return False if the catalog has tables already."""
    with writing(engine) as connection:
        if sa.inspect(connection).get_table_names():
            return False
        for statement in statements:
            connection.exec_driver_sql(statement)
    return True
