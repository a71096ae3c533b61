"""Connections to a catalog in a SQLite file.

A catalog that cannot be written, on a full or read-only disk, can still be read.
"""

import contextlib
import pathlib
import sqlite3
from typing import Any

import sqlalchemy as sa

from artifact_pipelines.core.exceptions import ConfigurationError

BUSY_TIMEOUT_S = 30
_NETWORK_FILESYSTEMS = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.s3fs")
# Errors of the files that SQLite writes beside a catalog even to read it.
_CANNOT_WRITE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)
_READ_ONLY = "read_only"
_READ = "PRAGMA schema_version"


def sqlite_engine(url: sa.URL) -> sa.Engine:
    """Return an engine for a SQLite file, and create the file's folder.

    Raises:
        ConfigurationError: The folder cannot be created, or is on a network filesystem.
    """
    folder = pathlib.Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder {folder} cannot be created ({error.strerror})"
        raise ConfigurationError("ARTIFACT_CATALOG_URL", problem, "Name a folder that can be written.") from error
    filesystem = filesystem_of(folder)
    if filesystem.startswith(_NETWORK_FILESYSTEMS):
        raise ConfigurationError(
            "ARTIFACT_CATALOG_URL",
            f"SQLite cannot lock safely on the network filesystem ({filesystem}) of {folder}",
            "Use PostgreSQL: postgresql://user@host/database.",
        )
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None})
    sa.event.listen(engine, "do_connect", _connect)
    sa.event.listen(engine, "connect", prepare_sqlite)
    sa.event.listen(engine, "checkin", _forget_if_read_only)
    return engine


def _connect(dialect: sa.Dialect, record: Any, arguments: list[str], options: dict[str, Any]) -> sqlite3.Connection:
    [path] = arguments
    connection: Any = dialect.connect(path, **options)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_READ)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in _CANNOT_WRITE or not pathlib.Path(path).is_file():
            raise
        connection = _connect_to_read(dialect, pathlib.Path(path), options)
        record.info[_READ_ONLY] = True
    return connection  # type: ignore[no-any-return]


def _connect_to_read(dialect: sa.Dialect, path: pathlib.Path, options: dict[str, Any]) -> Any:
    uri = path.absolute().as_uri()
    connection: Any = dialect.connect(f"{uri}?mode=ro", uri=True, **options)
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute(_READ)
        return connection
    connection.close()
    wal = path.with_name(f"{path.name}-wal")
    # With nothing in it, the catalog is whole, and no process writes: it could not have opened the catalog either.
    is_whole = not wal.exists() or wal.stat().st_size == 0
    return dialect.connect(f"{uri}?mode=ro" + ("&immutable=1" if is_whole else ""), uri=True, **options)


def _forget_if_read_only(_connection: object, record: Any) -> None:
    """Connect anew for the next transaction: the catalog may be writable by then."""
    if record.info.pop(_READ_ONLY, False):
        record.invalidate(soft=True)


def prepare_sqlite(connection: Any, _record: object) -> None:
    """Set up a new connection."""
    # FULL: with WAL, NORMAL may lose the last acknowledged commits in a power cut.
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def filesystem_of(folder: pathlib.Path, mounts: pathlib.Path = pathlib.Path("/proc/self/mounts")) -> str:
    """Return the type of the filesystem that holds a folder, or an empty text if the system does not list mounts."""
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
