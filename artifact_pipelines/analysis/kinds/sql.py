"""A user's SQL over stored tables: one SELECT, in a DuckDB that can reach nothing but these tables."""

import json
import pathlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, ClassVar, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pydantic

from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import IAnalysisKind
from artifact_pipelines.tabular.duckdb_names import check_duckdb_names
from artifact_pipelines.tabular.locked_duckdb import locked_duckdb, only_select

_BATCH_ROWS = 65_536
_Query = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)]


class Sql(IAnalysisKind):
    """Answer one SELECT over the dataset's table, which has the dataset's name."""

    ENGINES: ClassVar[frozenset[str]] = frozenset({"duckdb", "sql"})
    kind: Literal["sql"] = "sql"
    query: _Query = pydantic.Field(description="One SELECT; the table has the dataset's name.")

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        return f"The answer of a query over {dataset}.\n\n```sql\n{self.query}\n```"

    @contextmanager
    def answer(self, tables: Mapping[str, pathlib.Path]) -> Iterator[pa.RecordBatchReader]:
        """See `IAnalysisKind`.

        Without an ORDER BY of its own the answer is ordered by all its columns, so the same question to the same tables
        has the same answer.

        Raises:
            UnsafeQueryError: The query is not one SELECT, or tries to reach something else.
            DuckDBNamesError: Columns of a table differ only in case.
            InvalidQueryError: DuckDB does not understand the query or cannot answer it.
        """
        with locked_duckdb(list(tables.values())) as connection, _explained(self.query, tables):
            for name, path in tables.items():
                check_duckdb_names(pq.read_schema(path).names)
                connection.read_parquet(str(path)).create_view(name)
            query = only_select(connection, self.query)
            if not _is_ordered(connection, query):
                query = f"SELECT * FROM (\n{query}\n) ORDER BY ALL"  # noqa: S608 - it is the user's, and locked in
            reader = connection.sql(query).to_arrow_reader(_BATCH_ROWS)
            yield pa.RecordBatchReader.from_batches(reader.schema, _checked(reader, self.query, tables))


def _checked(reader: pa.RecordBatchReader, sql: str, tables: Mapping[str, object]) -> Iterator[pa.RecordBatch]:
    with _explained(sql, tables):
        yield from reader


@contextmanager
def _explained(sql: str, tables: Mapping[str, object]) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException) as error:
        raise InvalidQueryError(sql, str(error), list(tables)) from error


def _is_ordered(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    [(found,)] = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
    statements = json.loads(found).get("statements", [])
    modifiers = statements[0]["node"].get("modifiers", []) if statements else []
    return any(modifier["type"] == "ORDER_MODIFIER" for modifier in modifiers)
