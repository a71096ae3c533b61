"""The connection of loaded DuckDB relations. All those of one step have the same, so that they can be joined.

DuckDB joins relations of one connection, and its queries see relations of one database. `duckdb.sql` uses DuckDB's
default connection, so relations belong there too. But a connection runs one query at a time and refuses others, so each
thread beside the main one has its own connection to that database.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_of_thread = threading.local()


def make_relation(
    make: "Callable[[duckdb.DuckDBPyConnection], duckdb.DuckDBPyRelation]",
) -> "duckdb.DuckDBPyRelation":
    """Return the relation that `make` makes on the connection for this thread.

    If the user's settings keep DuckDB from reading files, it is a connection to a database of its own.
    """
    import duckdb

    try:
        return make(_shared_connection())
    except duckdb.PermissionException:
        if not hasattr(_of_thread, "database"):
            _of_thread.database = duckdb.connect()
        return make(_of_thread.database)


def _shared_connection() -> "duckdb.DuckDBPyConnection":
    """Return the default connection on the main thread, unless a result is open on it; else one to its database."""
    import duckdb

    default = duckdb.default_connection()
    if threading.current_thread() is threading.main_thread() and _is_idle(default):
        return default
    if getattr(_of_thread, "default", None) is not default:  # users may close or replace it
        _of_thread.default, _of_thread.cursor = default, default.cursor()
    cursor: duckdb.DuckDBPyConnection = _of_thread.cursor
    return cursor


def _is_idle(connection: "duckdb.DuckDBPyConnection") -> bool:
    import duckdb

    try:
        return bool(connection.sql("SELECT 1").fetchall())
    except duckdb.ResourceInUseException:
        return False
