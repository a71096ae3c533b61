"""Brings the catalog's tables up to date: by itself on SQLite, by a command on PostgreSQL."""

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import reading, writing
from artifact_pipelines.catalog.exceptions import OutdatedCatalogError
from artifact_pipelines.catalog.retry import retried

# Written down so that opening a current catalog, which every process does, need not import alembic (0.3 s).
HEAD_REVISION = "0001"
MIGRATIONS = "artifact_pipelines.catalog:migrations"
_UPGRADE_LOCK = 0x617274696661  # any number that nobody else in the database locks: "artifa"


@retried
def current_revision(engine: sa.Engine) -> str | None:
    """Return the revision of the catalog's schema, or None when it has no tables yet."""
    with reading(engine) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


@retried
def upgrade(engine: sa.Engine) -> None:
    """Bring the schema to `HEAD_REVISION`, in one transaction; whoever else upgrades waits for it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":  # SQLite has one writer at a time as it is
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def ensure_schema(engine: sa.Engine) -> None:
    """Make sure that the schema is current before anything else is asked of the catalog.

    Raises:
        OutdatedCatalogError: PostgreSQL with an older schema, or any catalog with a schema this package does not know.
    """
    found = current_revision(engine)
    if found == HEAD_REVISION:
        return
    known_older = found is None or found < HEAD_REVISION
    if engine.dialect.name != "sqlite" or not known_older:
        raise OutdatedCatalogError(found or "none", HEAD_REVISION)
    upgrade(engine)


def ensure_tables(engine: sa.Engine) -> None:
    """Do as `ensure_schema`, but make the tables also on PostgreSQL where there are none yet: someone asked for it."""
    if current_revision(engine) is None:
        upgrade(engine)
    ensure_schema(engine)
