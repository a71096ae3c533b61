"""The connection to the catalog's database, the two kinds of transaction on it, and their retries.

Foreign errors are translated here, once: errors of the driver become a `CatalogUnavailableError`, or a
`ConfigurationError` if the role lacks a right. If the connection is lost while a transaction commits, the database is
asked whether it was committed. So a method that is one transaction can be run again as a whole: a retry never counts
anything twice.
"""

import contextlib
import functools
import pathlib
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from artifact_pipelines.catalog.exceptions import NoCatalogError, ReadOnlyCatalogError
from artifact_pipelines.catalog.hot_path import as_sqlalchemy_raises, run_on_driver
from artifact_pipelines.catalog.sqlite import sqlite_engine
from artifact_pipelines.core.exceptions import CatalogUnavailableError, ConfigurationError

BATCH_SIZE = 1000
RETRY_S = 4.0
"""How long a transaction is run again: enough for a restart or a fail-over of the server, and callers can wait."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Value = TypeVar("Value")
_SQLITE_SEQUENCE = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
# A dead host does not answer: without these, a statement sent to it waits for hours. A slow statement is not cut off.
_POSTGRESQL_TIMEOUTS = {
    "connect_timeout": 4,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}
# Chosen to end a deadlock, a server that stops, starts or is full, a broken connection.
_PASSING_STATES = ("40001", "40P01", "53300", "57P01", "57P02", "57P03", "08000", "08003", "08006")
_NO_RIGHTS = "42501"
_READ_ONLY_SERVER = "25006"
_GRANT = (
    "Use a role that owns the catalog's tables, or GRANT it SELECT, INSERT, UPDATE, DELETE on them and USAGE, SELECT "
    "on their sequences; to make or upgrade them it must own them."
)


def in_batches(values: Sequence[Value], size: int | None = None) -> Iterator[Sequence[Value]]:
    """Yield values in groups that fit into one statement."""
    size = size or BATCH_SIZE
    return (values[start : start + size] for start in range(0, len(values), size))


def make_engine(catalog_url: str) -> sa.Engine:
    """Return an engine for `sqlite:///…` or `postgresql://…`, without connecting.

    Raises:
        ConfigurationError: The URL is not one of these, or names SQLite on a network filesystem.
    """
    try:
        url = sa.make_url(catalog_url)
    except (sa.exc.ArgumentError, ValueError):
        raise _bad_url("it is not a database URL") from None  # the cause quotes the URL, password and all
    if {"password", "sslpassword"} & url.query.keys():  # shown with the URL
        raise _bad_url("a password may not be among its options: write postgresql://user:password@host/database")
    if "@" in (url.host or ""):
        raise _bad_url("a password with @ in it is taken for the host: write %40 for @")
    if url.get_backend_name() == "postgresql":
        return _postgresql_engine(url)
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise _bad_url(
            f"{url.set(query={}).render_as_string(hide_password=True)} is neither a SQLite file nor PostgreSQL"
        )
    if url.query:
        raise _bad_url("a SQLite URL takes no options")
    engine = sqlite_engine(url)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql_engine(url: sa.URL) -> sa.Engine:
    timeouts = {name: value for name, value in _POSTGRESQL_TIMEOUTS.items() if name not in url.query}
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg2"), pool_pre_ping=True, connect_args=timeouts)
    _, options = engine.dialect.create_connect_args(engine.url)
    driver: Any = engine.dialect.import_dbapi()
    try:
        driver.extensions.make_dsn(**options)
    except driver.ProgrammingError as error:
        raise _bad_url(str(error).strip()) from None
    return engine


def check_is_there(catalog_url: str) -> None:
    """Raise `NoCatalogError` if a URL names a missing SQLite file, which connecting would create."""
    with contextlib.suppress(sa.exc.ArgumentError, ValueError, OSError):
        url = sa.make_url(catalog_url)
        is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
        if is_file and not pathlib.Path(str(url.database)).is_file():
            raise NoCatalogError(url.render_as_string(hide_password=True))


def _bad_url(problem: str) -> ConfigurationError:
    return ConfigurationError(
        "ARTIFACT_CATALOG_URL", problem, "Use sqlite:////absolute/path/catalog.db or postgresql://user@host/database."
    )


def _begin_sqlite(connection: sa.Connection) -> None:
    # SQLAlchemy begins with its first statement; the driver may have begun before.
    driver_connection: Any = connection.connection.driver_connection
    if not driver_connection.in_transaction:
        run_on_driver(connection, "BEGIN")


def retried(transaction: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run a function that is one transaction again, for `RETRY_S` in all, while its error may pass.

    It may pass after a lost or refused connection, a busy lock or a deadlock. The last error is raised unchanged.
    """

    @functools.wraps(transaction)
    def run(*arguments: Parameters.args, **keywords: Parameters.kwargs) -> Result:
        deadline = time.monotonic() + RETRY_S
        for pause_s in _pauses():
            try:
                return transaction(*arguments, **keywords)
            except CatalogUnavailableError as error:
                if not error.may_pass or time.monotonic() + pause_s > deadline:
                    raise
            time.sleep(pause_s)
        raise AssertionError("unreachable")

    return run


def _pauses() -> Iterator[float]:
    """Yield pauses that double up to half a second, each shortened at random so that callers do not wait in step."""
    pause_s = 0.02
    while True:
        yield pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        pause_s = min(2 * pause_s, 0.5)


@contextlib.contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that sees one state of the catalog and changes nothing."""
    # On PostgreSQL each statement sees a state of its own by default.
    is_sqlite = engine.dialect.name == "sqlite"
    with _translated(engine), engine.connect() as connection:
        run_on_driver(connection, "BEGIN" if is_sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield connection  # closing it ends the transaction


@contextlib.contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that changes rows: committed when the block ends, rolled back when it raises.

    Raises:
        CatalogUnavailableError: With `may_pass`, nothing was changed. Without, the outcome is unknown if the connection
            was lost during the commit and the database could not be reached again.
    """
    with _translated(engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # A read that turns into a write can fail with "locked" despite the timeout; taking the lock at once cannot.
            run_on_driver(connection, "BEGIN IMMEDIATE")
        yield connection  # if it raises, closing the connection rolls back
        transaction_id = _transaction_id(connection)
        try:
            _commit(connection)
        except sa.exc.DBAPIError:
            if transaction_id is None or not became_committed(engine, transaction_id):
                raise


def _commit(connection: sa.Connection) -> None:
    """Commit on the driver, unless SQLAlchemy has begun a transaction of its own for a statement that it ran."""
    if connection.in_transaction():
        connection.commit()
        return
    try:
        connection.connection.commit()
    except connection.dialect.loaded_dbapi.Error as error:
        raise as_sqlalchemy_raises(connection, error, "COMMIT") from error


def _transaction_id(connection: sa.Connection) -> str | None:
    """Return the transaction's ID if it changed anything and its connection can be lost."""
    if connection.dialect.name != "postgresql":
        return None
    [(found,)] = run_on_driver(connection, "SELECT pg_current_xact_id_if_assigned()::text")
    return None if found is None else str(found)


def became_committed(engine: sa.Engine, transaction_id: str) -> bool:
    """True if PostgreSQL committed a transaction, False if it rolled it back; raises if that is unknown."""
    try:
        return _outcome(engine, transaction_id) == "committed"
    except CatalogUnavailableError as error:
        reason = f"the connection was lost during a commit, and whether it took place is unknown ({error.reason})"
        raise CatalogUnavailableError(error.where, reason) from error


@retried
def _outcome(engine: sa.Engine, transaction_id: str) -> str:
    query = sa.text("SELECT pg_xact_status(CAST(:id AS xid8))")
    try:
        with reading(engine) as connection:
            outcome = connection.execute(query, {"id": transaction_id}).scalar_one()
    except sa.exc.DataError as error:  # another server answers by now, which never received it
        raise CatalogUnavailableError(
            engine.url.render_as_string(hide_password=True), str(error.orig).strip()
        ) from error
    if outcome not in ("committed", "aborted"):  # in progress, or the server has not noticed that we are gone
        raise CatalogUnavailableError(engine.url.render_as_string(hide_password=True), f"it is {outcome}", True)
    return str(outcome)


@contextlib.contextmanager
def _translated(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except sa.exc.ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) != _NO_RIGHTS:
            raise
        raise ConfigurationError("ARTIFACT_CATALOG_URL", str(error.orig).strip(), _GRANT) from error
    except (sa.exc.IntegrityError, sa.exc.DataError):
        raise  # our fault, not the database's
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        where = engine.url.render_as_string(hide_password=True)
        if _is_read_only(error):
            raise ReadOnlyCatalogError(where, reason) from error
        raise CatalogUnavailableError(where, reason, may_pass=_may_pass(error)) from error


def _is_read_only(error: sa.exc.SQLAlchemyError) -> bool:
    driver_error = getattr(error, "orig", None)
    if isinstance(driver_error, sqlite3.Error):
        return _sqlite_code(driver_error) == sqlite3.SQLITE_READONLY
    return getattr(driver_error, "pgcode", None) == _READ_ONLY_SERVER


def _may_pass(error: sa.exc.SQLAlchemyError) -> bool:
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return _sqlite_code(error.orig) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    # A connection that could not be made has no state.
    state = getattr(error.orig, "pgcode", None)
    return error.connection_invalidated or state is None or state in _PASSING_STATES


def _sqlite_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # the higher bits say more about it


class CatalogSection:
    """A group of transactions on one catalog."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @retried
    def _rows(self, query: sa.Select[Any]) -> Sequence[Any]:
        """Run a query in a transaction of its own."""
        with reading(self._engine) as connection:
            return connection.execute(query).all()


def highest_id(connection: sa.Connection, table: sa.Table) -> int:
    """Return the highest ID that a table ever gave, also to rows that are gone."""
    if connection.dialect.name == "postgresql":
        given = sa.select(sa.func.pg_sequence_last_value(_sequence(table)))
    else:
        given = sa.select(sa.func.max(_SQLITE_SEQUENCE.c.seq)).where(_SQLITE_SEQUENCE.c.name == table.name)
    return int(connection.execute(given).scalar_one() or 0)


def raise_id(connection: sa.Connection, table: sa.Table, highest: int) -> None:
    """Let a table give only IDs above this one, and above all that it gave so far."""
    highest = max(highest, highest_id(connection, table))
    if not highest:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.setval(_sequence(table), highest)))
        return
    connection.execute(sa.delete(_SQLITE_SEQUENCE).where(_SQLITE_SEQUENCE.c.name == table.name))
    connection.execute(sa.insert(_SQLITE_SEQUENCE).values(name=table.name, seq=highest))


def _sequence(table: sa.Table) -> sa.ColumnElement[Any]:
    [key] = table.primary_key
    return sa.cast(sa.func.pg_get_serial_sequence(table.name, key.name), postgresql.REGCLASS)
