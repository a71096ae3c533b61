"""Creates and upgrades the catalog's tables: on its own on SQLite, by a command on PostgreSQL."""

import pathlib

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import reading, retried, writing
from artifact_pipelines.catalog.exceptions import OutdatedCatalogError
from artifact_pipelines.catalog.host_clock import note_clock

# A constant, so that opening an up-to-date catalog, which every process does, need not import alembic (0.3 s).
HEAD_REVISION = "0002"
MIGRATIONS = pathlib.Path(__file__).parent / "migrations"
_UPGRADE_LOCK = 0x617274696661  # "artifa": any number that nothing else in the database locks


@retried
def current_revision(engine: sa.Engine) -> str | None:
    """Return the revision of the catalog's schema, or None if it has no tables yet."""
    with reading(engine) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


@retried
def upgrade(engine: sa.Engine) -> None:
    """Upgrade the schema to `HEAD_REVISION` in one transaction; other upgrades wait for it.

    Raises:
        OutdatedCatalogError: It is newer.
    """
    if (found := current_revision(engine) or "") > HEAD_REVISION:
        raise OutdatedCatalogError(found, HEAD_REVISION)
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        is_new = not sa.inspect(connection).has_table("alembic_version")
        _run_migrations(connection)
        if is_new:
            note_clock(connection)


def _run_migrations(connection: sa.Connection) -> None:
    # `alembic.command` and its `op` and `context` belong to the whole process: another thread, or Dagster, may be using
    # them for another database at this moment. So each migration gets the operations on its own connection.
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    context = MigrationContext.configure(connection)
    script = ScriptDirectory(MIGRATIONS)
    missing = list(script.iterate_revisions(HEAD_REVISION, context.get_current_revision()))
    for revision in reversed(missing):
        revision.module.upgrade(Operations(context))
    context.stamp(script, HEAD_REVISION)


def ensure_schema(engine: sa.Engine) -> None:
    """Make sure that the schema is up to date before the catalog is used.

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
    """Do as `ensure_schema`, but create missing tables on PostgreSQL too, because the caller asked for it."""
    if current_revision(engine) is None:
        upgrade(engine)
    ensure_schema(engine)
