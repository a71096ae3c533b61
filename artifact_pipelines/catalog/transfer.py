"""Copying all rows of a catalog, out and in: the common part of migrations to another database and of backups.

One idea: a row travels as JSON values under its column names, so any database, and a file, can hold it exactly. IDs
stay the same, and so does the highest ID ever given: a copy continues to count where the original would have.
"""

import contextlib
import dataclasses
import datetime
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import (
    CatalogSection,
    check_is_there,
    highest_id,
    make_engine,
    raise_id,
    reading,
    writing,
)
from artifact_pipelines.catalog.exceptions import CatalogNotEmptyError, RefusedRowsError, UnequalCopyError
from artifact_pipelines.catalog.schema import ensure_schema, ensure_tables
from artifact_pipelines.catalog.tables import UtcDateTime, file_references, files, host_clock, metadata, utc_now

BATCH_ROWS = 1000
_LOCK_ATTEMPTS = 60
_LOCK_TIMEOUT = "500ms"
_COPIED_TABLES = [table for table in metadata.sorted_tables if table is not host_clock]
_Row = Mapping[str, Any]
LoadingKind = TypeVar("LoadingKind", bound="Loading")


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """One state of a catalog, readable while the transaction that sees it is open.

    Attributes:
        highest_ids: The highest ID that each table ever gave, also to rows that are gone.
    """

    taken_at: datetime.datetime
    highest_ids: Mapping[str, int]
    _connection: sa.Connection = dataclasses.field(repr=False)

    def batches(self) -> Iterator[tuple[str, Sequence[_Row]]]:
        """Yield batches of all rows with the name of their table, in the order of foreign keys."""
        for table in _COPIED_TABLES:
            query = sa.select(table).order_by(*table.primary_key).execution_options(yield_per=BATCH_ROWS)
            for rows in self._connection.execute(query).mappings().partitions():
                yield table.name, [to_json(row) for row in rows]

    def census(self) -> Mapping[str, int]:
        """Return the `Loading.census` of a complete copy."""
        return _census(self._connection)


class Loading:
    """An empty catalog that is being filled, in one transaction: everything arrives, or nothing does."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def raise_ids(self, highest_ids: Mapping[str, int]) -> None:
        """Let each table give only IDs above these, and above all that it gave so far."""
        for table in _counting_tables():
            with refusals(table.name):
                raise_id(self._connection, table, highest_ids.get(table.name, 0))

    def insert(self, table_name: str, rows: Sequence[_Row]) -> None:
        """Insert rows as `Snapshot.batches` yields them.

        Raises:
            RefusedRowsError: They are not rows of that table, or break a rule of the database.
        """
        table = next((table for table in _COPIED_TABLES if table.name == table_name), None)
        if table is None:
            raise RefusedRowsError(table_name, "there is no such table")
        with refusals(table_name):
            if rows:
                self._connection.execute(sa.insert(table), [from_json(table, row) for row in rows])

    def census(self) -> Mapping[str, int]:
        """Return the number of rows of every table, and of files whose count is not that of their references."""
        return _census(self._connection)


class CatalogTransfer(CatalogSection):
    """All rows of a catalog, out and in."""

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """One state of the catalog, while others continue to write to it."""
        with reading(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield _snapshot(connection)

    @contextlib.contextmanager
    def final_snapshot(self) -> Iterator[Snapshot]:
        """The state of the catalog; writers wait until the block ends."""
        with writing(self._engine) as connection:
            _lock_tables(connection, "SHARE")
            yield _snapshot(connection)

    @contextlib.contextmanager
    def loading(self, kind: Callable[[sa.Connection], LoadingKind]) -> Iterator[LoadingKind]:
        """Fill an empty catalog by a kind of `Loading`: all rows are there when the block ends, none if it raises.

        Raises:
            CatalogNotEmptyError: It holds rows.
        """
        with writing(self._engine) as connection:
            _lock_tables(connection, "EXCLUSIVE")
            for table in _COPIED_TABLES:
                if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
                    raise CatalogNotEmptyError(self._engine.url.render_as_string(hide_password=True), table.name)
            yield kind(connection)


def migrate(source_url: str, target_url: str, advance: Callable[[int], object]) -> Mapping[str, int]:
    """Copy a catalog into an empty one on another database, with all IDs, compare the two, and return their census.

    Nobody writes to the source meanwhile: writers wait, on SQLite for half a minute. The source stays unchanged. A
    target without tables gets them.

    Args:
        source_url: The catalog to copy.
        target_url: The empty catalog.
        advance: Called with the number of rows that were copied just now.

    Raises:
        NoCatalogError: There is no catalog at the source.
        CatalogNotEmptyError: The target holds rows.
        UnequalCopyError: The two differ; nothing was copied.
    """
    check_is_there(source_url)
    with _engine(source_url) as source, _engine(target_url) as target:
        ensure_schema(source)
        ensure_tables(target)
        with CatalogTransfer(source).final_snapshot() as snapshot, CatalogTransfer(target).loading(Loading) as loading:
            loading.raise_ids(snapshot.highest_ids)
            for table, rows in snapshot.batches():
                loading.insert(table, rows)
                advance(len(rows))
            expected, found = snapshot.census(), loading.census()
            if expected != found:
                raise UnequalCopyError([f"{x}: {n} and {found[x]}" for x, n in expected.items() if n != found[x]])
        return found


@contextlib.contextmanager
def _engine(catalog_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(catalog_url)
    try:
        yield engine
    finally:
        engine.dispose()


def _snapshot(connection: sa.Connection) -> Snapshot:
    taken_at = connection.execute(sa.select(utc_now())).scalar_one()
    highest = {table.name: highest_id(connection, table) for table in _counting_tables()}
    return Snapshot(taken_at, highest, connection)


def _counting_tables() -> Sequence[sa.Table]:
    return [table for table in _COPIED_TABLES if table.dialect_options["sqlite"]["autoincrement"]]


def _lock_tables(connection: sa.Connection, mode: str) -> None:
    """Wait for other writers, and keep them out. On SQLite, every writing transaction is alone already.

    PostgreSQL ends one of two deadlocked transactions after a second: this one gives up earlier and tries again.
    """
    if connection.dialect.name != "postgresql":
        return
    connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    names = ", ".join(table.name for table in _COPIED_TABLES)
    lock = sa.text(f"LOCK TABLE {names} IN {mode} MODE")
    for _ in range(_LOCK_ATTEMPTS):
        with contextlib.suppress(sa.exc.OperationalError), connection.begin_nested():
            connection.execute(lock)
            return
        time.sleep(0.05)
    connection.execute(lock)


def _census(connection: sa.Connection) -> Mapping[str, int]:
    counts = {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in _COPIED_TABLES
    }
    held = sa.select(sa.func.count()).where(file_references.c.file_id == files.c.file_id).scalar_subquery()
    wrong = sa.select(sa.func.count()).select_from(files).where(files.c.reference_count != held)
    return {**counts, "files counted wrong": connection.execute(wrong).scalar_one()}


def to_json(row: Mapping[Any, Any]) -> _Row:
    """Return a row as it travels."""
    return {name: x.isoformat() if isinstance(x, datetime.datetime) else x for name, x in row.items()}


def from_json(table: sa.Table, row: _Row) -> dict[str, Any]:
    """Return a row as the database expects it; a `TypeError` if it is not one of the table."""
    if row.keys() != set(table.columns.keys()):
        raise TypeError(f"its columns are {sorted(row)}, not {sorted(table.columns.keys())}")
    return {column.name: _value(column, row[column.name]) for column in table.columns}


def _value(column: sa.Column[Any], value: Any) -> Any:
    if value is None or isinstance(column.type, sa.JSON):
        return value
    if isinstance(column.type, UtcDateTime):
        value = datetime.datetime.fromisoformat(value)
        if value.tzinfo is None:
            raise TypeError(f"{column.name} is a time without a zone")
        return value.astimezone(datetime.UTC)
    if type(value) is not column.type.python_type:  # SQLite would take anything
        raise TypeError(f"{column.name} is {value!r:.100}, which is no {column.type.python_type.__name__}")
    return value


@contextlib.contextmanager
def refusals(table_name: str) -> Iterator[None]:
    """Translate the errors of a database, or of the check of a row, about rows that it refuses."""
    try:
        yield
    except (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.ProgrammingError, sa.exc.InterfaceError) as error:
        raise RefusedRowsError(table_name, str(error.orig).strip()) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise RefusedRowsError(table_name, str(error)) from error
