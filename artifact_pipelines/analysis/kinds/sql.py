"""A user's SQL over stored tables: one SELECT, in a DuckDB that can reach nothing but these tables."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, ClassVar, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pydantic

from artifact_pipelines.analysis.exceptions import InvalidQueryError, QueryLimitError
from artifact_pipelines.analysis.interfaces import IAnalysisKind, Table
from artifact_pipelines.core.durations import parse_duration_s
from artifact_pipelines.declarations import checked_by
from artifact_pipelines.tabular.bounded_batches import answer_reader
from artifact_pipelines.tabular.duckdb_names import check_duckdb_names
from artifact_pipelines.tabular.locked_duckdb import (
    MEMORY_LIMIT_BYTES,
    TEMP_LIMIT_BYTES,
    QueryThread,
    locked_duckdb,
    only_select,
)

_Duration = Annotated[str, checked_by(lambda text: parse_duration_s(text, "time_limit"))]
_Query = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)]


class Sql(IAnalysisKind):
    """Answer one SELECT over the dataset's table, which has the dataset's name."""

    ENGINES: ClassVar[frozenset[str]] = frozenset({"duckdb", "sql"})
    kind: Literal["sql"] = "sql"
    query: _Query = pydantic.Field(description="One SELECT; the table has the dataset's name.")
    time_limit: _Duration = pydantic.Field(
        default="1h", exclude=True, description="How long it may take until its answer is stored, such as 30m."
    )
    memory_limit: pydantic.ByteSize = pydantic.Field(
        default=pydantic.ByteSize(MEMORY_LIMIT_BYTES),
        exclude=True,
        description="Memory that DuckDB may take, such as 4GiB.",
    )
    spill_limit: pydantic.ByteSize = pydantic.Field(
        default=pydantic.ByteSize(TEMP_LIMIT_BYTES),
        exclude=True,
        description="Disk space below TMPDIR that DuckDB may take when its memory is full, such as 100GB.",
    )

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        return f"The answer of a query over {dataset}.\n\n```sql\n{self.query}\n```"

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[pa.RecordBatchReader]:
        """See `IAnalysisKind`.

        Without an ORDER BY of its own the answer is ordered by all its columns, so the same question to the same tables
        has the same answer.

        Raises:
            UnsafeQueryError: The query is not one SELECT, or tries to reach something else.
            DuckDBNamesError: Columns of a table differ only in case.
            InvalidQueryError: DuckDB does not understand the query or cannot answer it.
            QueryLimitError: It needs more time, memory or disk than it may take.
        """
        time_limit_s = parse_duration_s(self.time_limit, "time_limit")
        with (
            locked_duckdb([table.path for table in tables.values()], self.memory_limit, self.spill_limit) as connection,
            QueryThread(connection, time_limit_s) as thread,
        ):
            with self._explained(tables):
                reader = thread.call(lambda: self._open(connection, tables))
            yield pa.RecordBatchReader.from_batches(reader.schema, self._batches(thread, reader, tables))

    def _open(self, connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Table]) -> pa.RecordBatchReader:
        for name, table in tables.items():
            check_duckdb_names(pq.read_schema(table.path).names)
            connection.read_parquet(str(table.path)).create_view(name)
        query = only_select(connection, self.query)
        if not _is_ordered(connection, query):
            query = f"SELECT * FROM (\n{query}\n) ORDER BY ALL"  # noqa: S608 - it is the user's, and locked in
        return answer_reader(connection.sql(query))

    def _batches(
        self, thread: QueryThread, reader: pa.RecordBatchReader, tables: Mapping[str, object]
    ) -> Iterator[pa.RecordBatch]:
        with self._explained(tables):
            while (batch := thread.call(lambda: next(reader, None))) is not None:
                yield batch

    @contextmanager
    def _explained(self, tables: Mapping[str, object]) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise QueryLimitError(self.query, "time_limit", self.time_limit) from error
        except (duckdb.Error, pa.ArrowException, UnicodeDecodeError) as error:
            if not isinstance(error, duckdb.OutOfMemoryException):
                raise InvalidQueryError(self.query, str(error), list(tables)) from error
            limit = "spill_limit" if "max_temp_directory_size" in str(error) else "memory_limit"
            raise QueryLimitError(self.query, limit, getattr(self, limit).human_readable()) from error


def _is_ordered(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    [(found,)] = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    statements = json.loads(found).get("statements", [])
    modifiers = statements[0]["node"].get("modifiers", []) if statements else []
    return any(modifier["type"] == "ORDER_MODIFIER" for modifier in modifiers)
