"""The connection to the catalog's database, and the two kinds of transaction on it.

Foreign errors are translated here, once: whatever the driver says becomes a `CatalogUnavailableError`.
"""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.core.exceptions import CatalogUnavailableError, ConfigurationError

BUSY_TIMEOUT_S = 30
_NETWORK_FILESYSTEMS = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.s3fs")


def make_engine(catalog_url: str) -> sa.Engine:
    """Return an engine for `sqlite:///…` or `postgresql://…`; nothing is connected yet.

    Raises:
        ConfigurationError: The URL is not one of these, or names SQLite on a network filesystem.
    """
    try:
        url = sa.make_url(catalog_url)
    except sa.exc.ArgumentError as error:
        raise _bad_url("it is not a database URL") from error
    if url.get_backend_name() == "postgresql":
        return sa.create_engine(url.set(drivername="postgresql+psycopg2"), pool_pre_ping=True)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise _bad_url(f"{url.render_as_string(hide_password=True)} is neither a SQLite file nor PostgreSQL")
    return _sqlite_engine(url, pathlib.Path(url.database))


def _bad_url(problem: str) -> ConfigurationError:
    return ConfigurationError(
        "ARTIFACT_CATALOG_URL", problem, "Use sqlite:////absolute/path/catalog.db or postgresql://user@host/database."
    )


def _sqlite_engine(url: sa.URL, path: pathlib.Path) -> sa.Engine:
    path.parent.mkdir(parents=True, exist_ok=True)
    filesystem = filesystem_of(path.parent)
    if filesystem.startswith(_NETWORK_FILESYSTEMS):
        raise ConfigurationError(
            "ARTIFACT_CATALOG_URL",
            f"SQLite cannot lock safely on the network filesystem ({filesystem}) of {path.parent}",
            "Use PostgreSQL: postgresql://user@host/database.",
        )
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # FULL: with WAL, NORMAL may lose the last acknowledged commits when the power goes.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A read that turns into a write can fail with "locked" whatever the timeout; taking the write lock at once cannot.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def filesystem_of(folder: pathlib.Path, mounts: pathlib.Path = pathlib.Path("/proc/self/mounts")) -> str:
    """Return the type of the filesystem that holds a folder, or an empty text where the system does not tell."""
    if not mounts.exists():
        return ""
    folder = folder.resolve()
    best, kind = pathlib.Path(), ""
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        _, mounted, filesystem, *_ = line.split(" ")
        point = pathlib.Path(mounted.replace("\\040", " "))
        if folder.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, filesystem
    return kind


@contextlib.contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that sees one state of the catalog and changes nothing."""
    with _translated(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that changes rows: committed when the block ends, rolled back when it raises."""
    with _translated(engine), engine.connect() as connection:
        connection = connection.execution_options(writes=True)
        with connection.begin():
            yield connection


@contextlib.contextmanager
def _translated(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.DataError):
        raise  # these are not the database's fault but ours
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        raise CatalogUnavailableError(engine.url.render_as_string(hide_password=True), reason) from error
