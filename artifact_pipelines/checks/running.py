"""Makes the checks of a table: one pass for all that look at each row alone, and one for each of the others.

A check that fails takes one more pass, for its rows. Must not import Dagster.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.checks.exceptions import InvalidCheckError
from artifact_pipelines.checks.interfaces import CheckedTable, ICheckKind
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.tabular.bounded_batches import answer_reader
from artifact_pipelines.tabular.duckdb_names import check_duckdb_names
from artifact_pipelines.tabular.exceptions import UnsafeQueryError
from artifact_pipelines.tabular.footer import format_cell
from artifact_pipelines.tabular.locked_duckdb import QueryThread, locked_duckdb, only_select, quoted, select_files

MOST_ROWS = 1000
"""Breaking rows that are kept of a check."""

_MOST_BYTES = 16 << 20  # fewer of long rows
_TIME_LIMIT_S = 3600.0
_Found = TypeVar("_Found")


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check, with the rows that break it.

    Attributes:
        rows: The first breaking rows; None: there are none, or the check could not be made.
    """

    result: CheckResult
    rows: pa.Table | None = None


def run_checks(
    path: pathlib.Path, table: CheckedTable, checks: Mapping[str, ICheckKind], others: Mapping[str, pathlib.Path]
) -> Iterator[Finding]:
    """Yield what each check finds. A check that cannot be made fails, and holds up no other.

    Args:
        path: Parquet file of the table.
        checks: By name.
        others: Parquet files of the other tables that checks read, by asset key.

    Raises:
        DuckDBNamesError: Columns of the table differ only in case.
    """
    columns = pq.read_schema(path).names
    check_duckdb_names(columns)
    with locked_duckdb([path, *others.values()]) as connection, QueryThread(connection, _TIME_LIMIT_S) as thread:
        thread.call(lambda: connection.sql(select_files([path])).create_view(table.name))
        runner = _Runner(connection, thread, table, columns)
        known = runner.count_rows_alone(checks)
        for name, check in checks.items():
            yield runner.run(name, check, known.get(name), others)


class _Runner:
    def __init__(
        self, connection: duckdb.DuckDBPyConnection, thread: QueryThread, table: CheckedTable, columns: list[str]
    ) -> None:
        self._connection = connection
        self._thread = thread
        self._table = table
        self._columns = columns

    def count_rows_alone(self, checks: Mapping[str, ICheckKind]) -> Mapping[str, int]:
        """Return the breaking rows of the checks that look at each row alone; none if one of them cannot be made."""
        conditions = {name: each.condition() for name, each in checks.items()}
        counted = [f"count(*) FILTER (WHERE {each}) AS {quoted(name)}" for name, each in conditions.items() if each]
        if not counted:
            return {}
        query = f"SELECT {', '.join(counted)} FROM {self._table.sql}"  # noqa: S608 - names and values are quoted
        try:
            [counts] = self._thread.call(lambda: self._connection.sql(query).fetchall())
        except duckdb.Error:
            return {}  # each is then counted by itself, and says so itself
        return dict(zip((name for name, each in conditions.items() if each), counts, strict=True))

    def run(self, name: str, check: ICheckKind, count: int | None, others: Mapping[str, pathlib.Path]) -> Finding:
        """Return what a check finds.

        Args:
            count: Number of breaking rows; None: it is not known yet.
        """
        is_error = check.severity == "error"
        try:
            with self.explained(name):
                self._show_others(name, check, others)
                query = self._call(lambda: only_select(self._connection, check.query(self._table)))
                count = self._count(query) if count is None else count
                rows = self._rows(query, is_in_order=check.condition() is not None) if count else None
        except InvalidCheckError as error:
            return Finding(CheckResult(name, passed=False, is_error=is_error, text=str(error)))
        figures = {"breaking_rows": count}
        if rows is None:
            return Finding(CheckResult(name, True, is_error, check.promise(), figures))
        first = {column: format_cell(rows[column][0]) for column in rows.column_names}
        expected = check.promise().partition("\n\n")[0]  # without the text of a query, which is not for one line
        text = f"{check.finding(count, first)} Expected: {expected}"
        return Finding(CheckResult(name, False, is_error, text, figures), rows)

    @contextmanager
    def explained(self, name: str) -> Iterator[None]:
        """Raise what DuckDB reports as `InvalidCheckError`."""
        try:
            yield
        except TimeoutError as error:
            reason = f"it takes more than {_TIME_LIMIT_S / 3600:g} h."
            raise InvalidCheckError(name, reason, []) from error
        except (duckdb.Error, UnsafeQueryError, pa.ArrowException) as error:
            reason = str(error).strip().rstrip(".") + "."
            raise InvalidCheckError(name, reason, self._columns) from error

    def _show_others(self, name: str, check: ICheckKind, others: Mapping[str, pathlib.Path]) -> None:
        """Give other tables the names that they have for a check."""
        for shown, key in check.inputs().items():
            if key not in others:
                raise InvalidCheckError(name, f"asset {key} holds no table, or only tables of partitions.", [])
            check_duckdb_names(pq.read_schema(others[key]).names)
            self._call(functools.partial(self._show, shown, others[key]))

    def _show(self, name: str, path: pathlib.Path) -> None:
        self._connection.sql(select_files([path])).create_view(name)

    def _count(self, query: str) -> int:
        counting = f"SELECT count(*) FROM (\n{query}\n)"  # noqa: S608 - it is the user's, and locked in
        [(count,)] = self._call(lambda: self._connection.sql(counting).fetchall())
        return int(count)

    def _rows(self, query: str, is_in_order: bool) -> pa.Table:
        order = "" if is_in_order else "ORDER BY ALL"
        limited = f"SELECT * FROM (\n{query}\n) {order} LIMIT {MOST_ROWS}"  # noqa: S608 - likewise
        reader = self._call(lambda: answer_reader(self._connection.sql(limited)))
        batches, size_bytes = list[pa.RecordBatch](), 0
        while size_bytes < _MOST_BYTES and (batch := self._call(lambda: next(reader, None))) is not None:
            batches.append(batch)
            size_bytes += batch.nbytes
        return pa.Table.from_batches(batches, reader.schema)

    def _call(self, work: Callable[[], _Found]) -> _Found:
        return self._thread.call(work)
