"""Makes Dagster's instances cheap: what is the same for each of them is made once.

An instance in memory is two databases with two dozen tables. To make these, to connect for each statement, and to
compile each statement anew, as a new engine has to, takes half the time of a small run.
"""

import contextlib
import sqlite3
import types
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log import in_memory as events
from dagster._core.storage.runs import in_memory as runs


@contextlib.contextmanager
def quick_instances() -> Iterator[None]:
    """Until the end of this, instances are as they always are, but sooner there."""
    with pytest.MonkeyPatch.context() as patch:
        _read_migrations_once(patch)
        _make_databases_once(patch, events, events.InMemoryEventLogStorage, "SqlEventLogStorageMetadata")
        _make_databases_once(patch, runs, runs.InMemoryRunStorage, "RunStorageSqlMetadata")
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


def _make_databases_once(patch: pytest.MonkeyPatch, module: types.ModuleType, storage: Any, tables: str) -> None:
    """Let a storage in memory take the engine of one that was disposed of, its database made new by a copy."""
    first, empty, free = storage(), sqlite3.connect(":memory:", check_same_thread=False), list[sa.Engine]()
    first._held_conn.connection.driver_connection.backup(empty)
    first.dispose()

    def engine(url: str, **_: object) -> sa.Engine:
        taken = free.pop() if free else _pooled(url)
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


def _copy(source: sqlite3.Connection, target: sa.Connection) -> None:
    raw = target.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    source.backup(raw)


def _pooled(url: str) -> sa.Engine:
    return sa.create_engine(url, poolclass=sa.QueuePool, connect_args={"check_same_thread": False})
