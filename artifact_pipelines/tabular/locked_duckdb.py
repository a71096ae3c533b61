"""A DuckDB that can read only the files named to it, and whose queries can be ended: for files and SQL from outside.

Source: https://duckdb.org/docs/current/operations_manual/securing_duckdb/overview
"""

import pathlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Self, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.core.scratch import scratch_folder
from artifact_pipelines.tabular.duckdb_names import check_duckdb_names
from artifact_pipelines.tabular.exceptions import UnsafeQueryError

MEMORY_LIMIT_BYTES = 2 << 30
TEMP_LIMIT_BYTES = 16 << 30
CHANGING_FUNCTIONS = """
SELECT DISTINCT function_name FROM duckdb_functions()
WHERE stability <> 'CONSISTENT' AND function_name NOT IN ('+', '-')
"""
"""Selects functions whose result may change from run to run. `+` and `-` depend only on the time zone, which is set."""
_ASK_AGAIN_S = 0.1

Result = TypeVar("Result")


@contextmanager
def locked_duckdb(
    readable: Sequence[pathlib.Path],
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
    temp_limit_bytes: int = TEMP_LIMIT_BYTES,
    in_order: bool = False,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB that may read only `readable`, and spills to a folder that is removed with it.

    Args:
        in_order: True: one thread meets rows in the order of the file, so that sums of floats are always the same.
    """
    with _spill_folder() as spill, duckdb.connect() as connection:
        settings: Sequence[tuple[str, object]] = (
            ("allowed_paths", [str(path) for path in readable]),
            ("temp_directory", spill),
            ("max_temp_directory_size", f"{temp_limit_bytes}B"),
            ("memory_limit", f"{memory_limit_bytes}B"),
            ("python_enable_replacements", False),
            ("enable_external_access", False),
            ("autoinstall_known_extensions", False),
            ("autoload_known_extensions", False),
            ("allow_community_extensions", False),
            ("allow_persistent_secrets", False),
            *([("enable_progress_bar", False)] if _shows_progress(connection) else []),
            ("TimeZone", "UTC"),  # an answer must not depend on the machine's
            *([("threads", 1)] if in_order else []),
            ("lock_configuration", True),
        )
        for name, value in settings:
            connection.execute(f"SET {name} = {literal(value)}")
        yield connection


def _shows_progress(connection: duckdb.DuckDBPyConnection) -> bool:
    """True if a progress bar has to be switched off: a notebook without ipywidgets has none, and refuses to."""
    [is_on] = connection.execute("SELECT current_setting('enable_progress_bar')").fetchone() or [False]
    return bool(is_on)


def create_view(connection: duckdb.DuckDBPyConnection, name: str, path: pathlib.Path) -> None:
    """Give a readable Parquet file a name; one with a dot is a schema and a name in it.

    Raises:
        DuckDBNamesError: DuckDB would rename columns.
    """
    *schema, _ = parts = [quoted(part) for part in name.split(".")]
    for each in schema:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {each}")
    connection.execute(f"CREATE VIEW {'.'.join(parts)} AS {select_files([path])}")


def select_files(paths: Sequence[pathlib.Path], file_column: str | None = None) -> str:
    """Return SQL for all rows of Parquet files, which are one table.

    DuckDB leaves out rows by the minimum and maximum of a row group, which by the format of Parquet know no NaN: it
    would lose NaN rows from `x > 1`. So columns of floats are shown through an expression that it does not see through.

    Args:
        file_column: Further column with the path of each row's file.

    Raises:
        DuckDBNamesError: DuckDB would rename columns.
    """
    columns, floats = dict[bytes, str](), set[bytes]()
    for path in paths:
        schema = pq.read_schema(path)
        check_duckdb_names(schema.names)
        for field in schema:
            key = field.name.encode().lower()  # as DuckDB unites columns of several files
            columns.setdefault(key, quoted(field.name))
            floats |= {key} if pa.types.is_floating(field.type) else set()
    shown = [
        f"CASE WHEN {name} IS NOT NULL THEN {name} END AS {name}" if key in floats else name
        for key, name in columns.items()
    ]  # not `* REPLACE`, whose time grows with the square of the columns
    names = ", ".join([*shown, *([quoted(file_column)] if file_column else [])]) or "*"
    files = f"[{', '.join(map(literal, paths))}]"
    options = "union_by_name = true" + (f", filename = {literal(file_column)}" if file_column else "")
    return f"SELECT {names} FROM read_parquet({files}, {options})"  # noqa: S608 - literals


def quoted(name: str) -> str:
    """Return a name in SQL."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _spill_folder() -> Iterator[str]:
    # Not a TemporaryDirectory: it warns when a generator that uses it is abandoned, as Dagster does with an asset
    # whose output could not be stored.
    folder = tempfile.mkdtemp(prefix="query-", dir=scratch_folder())
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class QueryThread:
    """Calls DuckDB on a thread of its own, so that the caller's thread still answers to signals and to the clock.

    A signal raises only between two steps of Python, and an endless query is a single one. DuckDB ends a query between
    two batches of 2,048 rows.

    Args:
        connection: Used by no other thread meanwhile.
        time_limit_s: How long all calls may take from now on, the caller's work between them included.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, time_limit_s: float) -> None:
        self._connection = connection
        self._ends = time.monotonic() + time_limit_s
        self._pool = ThreadPoolExecutor(1, "query")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def call(self, work: Callable[[], Result]) -> Result:
        """Return the result of some work on the connection. Whatever interrupts the caller ends the query first.

        Raises:
            TimeoutError: The time is over.
        """
        future = self._pool.submit(work)
        try:
            return future.result(self._ends - time.monotonic())
        finally:
            while not future.done():
                self._connection.interrupt()  # again, because a query that has not begun yet does not notice it
                wait([future], _ASK_AGAIN_S)


def only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Return the text of `sql` if it is exactly one SELECT.

    Raises:
        UnsafeQueryError: It is another statement, several, or none.
        duckdb.ParserException: It is not valid SQL.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise UnsafeQueryError(f"it is {kinds}, not one SELECT")
    return statements[0].query.strip().rstrip(";")


def literal(value: object) -> str:
    """Return a boolean, a text or anything shown as text, or a list of them, as SQL."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(literal(item) for item in value)}]"
    return "'" + str(value).replace("'", "''") + "'"
