"""What all questions to DuckDB share: limits of time, memory and disk, and errors in the words of the declaration."""

import pathlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, ClassVar

import duckdb
import pyarrow as pa
import pydantic

from artifact_pipelines.analysis.exceptions import InvalidQueryError, QueryLimitError
from artifact_pipelines.analysis.interfaces import IAnalysisKind, Table
from artifact_pipelines.analysis.readable import showable
from artifact_pipelines.core.durations import parse_duration_s
from artifact_pipelines.declarations import checked_by
from artifact_pipelines.tabular.bounded_batches import answer_reader
from artifact_pipelines.tabular.locked_duckdb import (
    MEMORY_LIMIT_BYTES,
    TEMP_LIMIT_BYTES,
    QueryThread,
    create_view,
    locked_duckdb,
)
from artifact_pipelines.tabular.storable_columns import check_relation_columns

_Duration = Annotated[str, checked_by(lambda text: parse_duration_s(text, "time_limit"))]


class ILimitedQuestion(IAnalysisKind):
    """A question that DuckDB answers, within limits."""

    UNVERSIONED: ClassVar[frozenset[str]] = IAnalysisKind.UNVERSIONED | {"time_limit", "memory_limit", "spill_limit"}
    READS_ROWS_ONLY: ClassVar[bool] = True
    IN_ORDER: ClassVar[bool] = False
    time_limit: _Duration = pydantic.Field(
        default="1h", description="How long it may take until its answer is stored, such as 30m."
    )
    memory_limit: pydantic.ByteSize = pydantic.Field(
        default=pydantic.ByteSize(MEMORY_LIMIT_BYTES), description="Memory that DuckDB may take, such as 4GiB."
    )
    spill_limit: pydantic.ByteSize = pydantic.Field(
        default=pydantic.ByteSize(TEMP_LIMIT_BYTES),
        description="Disk space below TMPDIR that DuckDB may take when its memory is full, such as 100GB.",
    )

    @contextmanager
    def session(self, tables: Mapping[str, Table], field: str, sql: str) -> Iterator["Session"]:
        """Open a DuckDB that can read these tables only.

        Args:
            tables: By their names in SQL.
            field: The field of the declaration that errors are about.
            sql: Its text.
        """
        paths = {name: table.path for name, table in tables.items()}
        with (
            locked_duckdb(list(paths.values()), self.memory_limit, self.spill_limit, self.IN_ORDER) as connection,
            QueryThread(connection, parse_duration_s(self.time_limit, "time_limit")) as thread,
        ):
            yield Session(self, connection, thread, paths, (field, sql))


class Session:
    """A DuckDB that answers queries within the limits of a question."""

    def __init__(
        self,
        limits: ILimitedQuestion,
        connection: duckdb.DuckDBPyConnection,
        thread: QueryThread,
        paths: Mapping[str, pathlib.Path],
        about: tuple[str, str],
    ) -> None:
        self._limits = limits
        self._connection = connection
        self._thread = thread
        self._tables = list(paths)
        self._field, self._sql = about
        for name, path in paths.items():
            create_view(connection, name, path)

    def reader(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.RecordBatchReader:
        """Return the answer of a query, read as it is taken.

        Raises:
            InvalidQueryError: DuckDB does not understand the query or cannot answer it.
            QueryLimitError: It needs more time, memory or disk than it may take.
            UnsupportedColumnError: Its answer has a column that cannot be stored.
        """
        with self._explained():
            reader = self._thread.call(lambda: self._open(sql, parameters or {}))
        return pa.RecordBatchReader.from_batches(reader.schema, self._batches(reader))

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """Return a small answer, of which all values can be shown.

        Raises:
            InvalidQueryError: A time lies outside of the years 1 to 9999, which Python lacks; and as `reader`.
            QueryLimitError: See `reader`.
            UnsupportedColumnError: See `reader`.
        """
        rows = self.reader(sql, parameters).read_all()
        shown = showable(rows)
        for name in rows.column_names:
            try:
                shown[name].to_pylist()
            except (OverflowError, ValueError) as error:
                reason = f"A value of {name} cannot be shown, as times outside of the years 1 to 9999 cannot: {error}"
                raise InvalidQueryError(self._sql, reason, self._tables, self._field) from error
        return rows

    def _open(self, sql: str, parameters: Mapping[str, object]) -> pa.RecordBatchReader:
        relation = self._connection.sql(sql, params=dict(parameters) or None)
        check_relation_columns(relation)
        return answer_reader(relation)

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        with self._explained():
            while (batch := self._thread.call(lambda: next(reader, None))) is not None:
                yield batch

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise QueryLimitError(self._sql, "time_limit", self._limits.time_limit) from error
        except (duckdb.Error, pa.ArrowException, UnicodeDecodeError) as error:
            if not isinstance(error, duckdb.OutOfMemoryException):
                raise InvalidQueryError(self._sql, str(error), self._tables, self._field) from error
            limit = "spill_limit" if "max_temp_directory_size" in str(error) else "memory_limit"
            raise QueryLimitError(self._sql, limit, getattr(self._limits, limit).human_readable()) from error
