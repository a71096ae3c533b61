"""Makes Dagster's instances cheap: the work that is the same for each of them happens once.

An instance in memory is two databases with two dozen tables. Creating them, connecting for each statement, asking each
time which columns they have, and compiling each statement anew takes half the time of a small run. An instance on disk
is three databases, and one more for each run.
"""

import contextlib
import functools
import pathlib
import shutil
import sqlite3
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._config.pythonic_config import config, resource
from dagster._core.storage.event_log import in_memory as events
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.runs import in_memory as runs
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

_PINNED = pathlib.Path(__file__).parents[1] / "constraints.txt"
_COLUMNS = [column for column in SqlEventLogStorageTable.columns if column.name != "id"]
_NAMES = ", ".join(column.name for column in _COLUMNS)
_INSERT = f"INSERT INTO event_logs ({_NAMES}) VALUES ({', '.join('?' * len(_COLUMNS))})"


@contextlib.contextmanager
def quick_instances(folder: pathlib.Path) -> Iterator[None]:
    """Make instances faster until the block ends. They behave as before.

    Args:
        folder: Where to create the first databases on disk.
    """
    if f"dagster=={dg.__version__}\n" not in _PINNED.read_text():
        yield  # what is patched here is that version's; another one is slower
        return
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        _read_migrations_once(patch)
        _infer_schemas_once(patch)
        _make_files_once(patch, folder)
        _make_databases_once(patch, stack, events, events.InMemoryEventLogStorage, "SqlEventLogStorageMetadata")
        _make_databases_once(patch, stack, runs, runs.InMemoryRunStorage, "RunStorageSqlMetadata")
        _inspect_schema_once(patch, events.InMemoryEventLogStorage, "_has_asset_key_col_on_connection", "has_table")
        _inspect_schema_once(patch, runs.InMemoryRunStorage, "has_run_stats_index_cols", "has_backfill_id_column")
        patch.setattr(events.InMemoryEventLogStorage, "prepare_insert_event", _Insert.of)
        patch.setattr(events.InMemoryEventLogStorage, "_connect", _one_at_a_time)
        patch.setattr(runs.InMemoryRunStorage, "connect", _connect)
        yield


def _read_migrations_once(patch: pytest.MonkeyPatch) -> None:
    """Dagster reads all its migrations for each instance, even for one in memory."""
    read, known = ScriptDirectory.from_config, dict[str, ScriptDirectory]()

    def read_once(config: Config) -> ScriptDirectory:
        location = str(config.get_main_option("script_location"))
        if not location.startswith("dagster:"):
            return read(config)
        if location not in known:
            known[location] = read(config)
        return known[location]

    patch.setattr(ScriptDirectory, "from_config", read_once)


def _infer_schemas_once(patch: pytest.MonkeyPatch) -> None:
    """Dagster derives the schema of a resource's class anew for each of its four copies in each run and tick."""
    infer, known = config.infer_schema_from_config_class, dict[object, dg.Field]()

    def infer_once(model: Any, *, fields_to_omit: Collection[str] | None = None, **keywords: Any) -> dg.Field:
        fields_to_omit = set(fields_to_omit or ())
        if keywords:
            return infer(model, fields_to_omit=fields_to_omit, **keywords)
        key = (model, frozenset(fields_to_omit))
        if key not in known:
            known[key] = infer(model, fields_to_omit=fields_to_omit)
        return known[key]

    for module in (config, resource):
        patch.setattr(module, "infer_schema_from_config_class", infer_once)


def _make_files_once(patch: pytest.MonkeyPatch, folder: pathlib.Path) -> None:
    """Give a new instance on disk, and each new run of one, copies of empty databases."""
    create, create_run = DagsterSqliteStorage.__init__, SqliteEventLogStorage._initdb
    DagsterSqliteStorage(str(folder / "instance"))
    create_run(SqliteEventLogStorage(str(folder / "run")), sa.create_engine(f"sqlite:///{folder / 'run.db'}"))

    def copy_and_create(self: Any, base_dir: str, *arguments: Any, **keywords: Any) -> None:
        if not any(pathlib.Path(base_dir, name).exists() for name in ("history", "schedules")):
            shutil.copytree(folder / "instance", base_dir, dirs_exist_ok=True)
        create(self, base_dir, *arguments, **keywords)

    def copy_run(self: Any, engine: sa.Engine, for_index_shard: bool = False) -> None:
        path = pathlib.Path(str(engine.url.database))
        if for_index_shard or path.exists():
            create_run(self, engine, for_index_shard)
        else:
            shutil.copyfile(folder / "run.db", path)

    patch.setattr(DagsterSqliteStorage, "__init__", copy_and_create)
    patch.setattr(SqliteEventLogStorage, "_initdb", copy_run)


def _make_databases_once(
    patch: pytest.MonkeyPatch, stack: contextlib.ExitStack, module: types.ModuleType, storage: Any, tables: str
) -> None:
    """Give a new storage the engine of a disposed one, and copy an empty database into it."""
    first, free = storage(), list[sa.Engine]()
    empty = stack.enter_context(contextlib.closing(sqlite3.connect(":memory:", check_same_thread=False)))
    first._held_conn.connection.driver_connection.backup(empty)
    first.dispose()

    def engine(url: str, **_: object) -> sa.Engine:
        if not free:
            free.append(_pooled(url))
            stack.callback(free[0].dispose)
        taken = free.pop()
        with taken.connect() as connection:
            _copy(empty, connection)
        return taken

    def dispose(self: Any) -> None:
        if not self._held_conn.closed:
            self._held_conn.close()
            free.append(self._engine)

    patch.setattr(module, "create_engine", engine)
    patch.setattr(module, tables, types.SimpleNamespace(create_all=lambda _: None))
    patch.setattr(module, "stamp_alembic_rev", lambda *_: None)
    patch.setattr(storage, "dispose", dispose)


def _inspect_schema_once(patch: pytest.MonkeyPatch, storage: Any, *questions: str) -> None:
    """Remember whether tables and columns exist: every database has the same ones."""
    for name in questions:
        patch.setattr(storage, name, _remember_by_text(getattr(storage, name)))


def _remember_by_text(ask: Callable[..., bool]) -> Callable[..., bool]:
    known = dict[tuple[str, ...], bool]()

    @functools.wraps(ask)
    def answer(self: Any, *arguments: object) -> bool:
        key = tuple(argument for argument in arguments if isinstance(argument, str))
        if key not in known:
            known[key] = ask(self, *arguments)
        return known[key]

    return answer


class _Insert:
    """Inserts an event past SQLAlchemy, which takes longer to compile and run the statement than Dagster for the rest.

    Connections execute it as any statement.
    """

    def __init__(self, row: Mapping[str, object]) -> None:
        self._row = row

    @staticmethod
    def of(storage: Any, event: object) -> "_Insert":
        return _Insert(storage._event_to_row(event))

    def _execute_on_connection(self, connection: sa.Connection, *_: object) -> Any:
        processors = [(column.name, _processor(column.type, connection.dialect)) for column in _COLUMNS]
        values = [process(self._row.get(name)) for name, process in processors]
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        inserted = raw.execute(_INSERT, values)
        return contextlib.nullcontext(types.SimpleNamespace(inserted_primary_key=(inserted.lastrowid,)))


@functools.cache
def _processor(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Callable[[Any], Any]:
    """Return the function that turns a value of a column into the driver's."""
    return kind.dialect_impl(dialect).bind_processor(dialect) or (lambda value: value)


@contextlib.contextmanager
def _one_at_a_time(self: Any) -> Iterator[sa.Connection]:
    with self._db_lock, _connect(self) as connection:
        yield connection


@contextlib.contextmanager
def _connect(self: Any) -> Iterator[sa.Connection]:
    """Begin a transaction. Dagster executes two pragmas in each; here every connection has them from its start."""
    with self._engine.begin() as connection:
        yield connection


def _copy(source: sqlite3.Connection, target: sa.Connection) -> None:
    raw = target.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    source.backup(raw)


def _pooled(url: str) -> sa.Engine:
    engine = sa.create_engine(url, poolclass=sa.QueuePool, connect_args={"check_same_thread": False})
    sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    return engine
