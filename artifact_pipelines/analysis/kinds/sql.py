"""A user's SQL over stored tables: one SELECT, in a DuckDB that can reach nothing but these tables."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Literal

import duckdb
import pyarrow as pa
import pydantic

from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import DeclaredDataset, Table
from artifact_pipelines.analysis.questions.limited import ILimitedQuestion
from artifact_pipelines.tabular.parsed_query import ParsedQuery, check_columns_of, parse_query

_Query = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)]
_Name = Annotated[str, pydantic.Field(pattern=r"^[a-z](_?[a-z0-9])*_?$", max_length=63)]
_AssetKey = Annotated[str, pydantic.Field(pattern=r"^[^/\s]+(/[^/\s]+)*$")]
_Value = bool | int | float | datetime.datetime | datetime.date | str
_SAMPLES = "samples."


class Sql(ILimitedQuestion):
    """Answer one SELECT over the dataset's table, its samples and other assets."""

    model_config = pydantic.ConfigDict(populate_by_name=True)
    CODE_VERSION: ClassVar[str] = "2"
    ENGINES: ClassVar[frozenset[str]] = frozenset({"duckdb", "sql"})
    kind: Literal["sql"] = "sql"
    query: _Query = pydantic.Field(
        description="One SELECT. The table has the dataset's name; a sample is samples.NAME; a parameter is $NAME."
    )
    other_inputs: Mapping[_Name, _AssetKey] = pydantic.Field(
        default={}, alias="inputs", description="Asset keys of other tables, by their names in the query."
    )
    parameters: Mapping[_Name, _Value] = pydantic.Field(
        default={}, description="Values of the query's parameters; they are bound, never put into its text."
    )

    @pydantic.field_serializer("parameters")
    def _typed(self, parameters: Mapping[str, Any], info: pydantic.FieldSerializationInfo) -> Mapping[str, Any]:
        """Tell a date from the text of one."""
        is_json = info.mode == "json"
        return {
            name: {type(value).__name__: str(value)} if is_json and isinstance(value, datetime.date) else value
            for name, value in parameters.items()
        }

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        given = "".join(f"\n- `${name}` = `{value}`" for name, value in self.parameters.items())
        return f"The answer of a query over {dataset}.\n\n```sql\n{self.query}\n```" + (f"\n{given}" if given else "")

    def is_repeatable(self) -> bool:
        """See `IAnalysisKind`."""
        return not self._parsed([]).depends_on_time_or_chance

    def inputs(self, dataset: str) -> Mapping[str, str]:
        """See `IAnalysisKind`."""
        read = self._parsed([]).tables
        samples = sorted(name for name in read if name.startswith(_SAMPLES))
        found = {name: f"{dataset}/samples/{name.removeprefix(_SAMPLES)}" for name in samples}
        own = {dataset: f"{dataset}/table"} if dataset in read or not found else {}
        return {**own, **found, **self.other_inputs}

    def check(self, dataset: DeclaredDataset) -> None:
        """See `IAnalysisKind`.

        Raises:
            UnsafeQueryError: The query is not one SELECT.
            InvalidQueryError: It is not valid SQL, or names a table, parameter or column that there is not.
        """
        tables = [dataset.name, *self.other_inputs, *(f"{_SAMPLES}{name}" for name in dataset.samples)]
        parsed = self._parsed(tables)
        if dataset.name in self.other_inputs:
            raise self._invalid(f"`inputs` has another table {dataset.name}", tables)
        unknown = sorted(name for name in parsed.tables - {*tables} if "." not in name or name.startswith(_SAMPLES))
        if unknown:
            raise self._invalid(f"There is no table {', '.join(unknown)}", tables)
        if wrong := sorted(parsed.parameters ^ self.parameters.keys()):
            raise self._invalid(f"Parameters of query and `parameters` differ: {', '.join(wrong)}", tables)
        if dataset.columns is not None and parsed.tables == {dataset.name}:
            try:
                check_columns_of(self.query, dataset.name, dataset.columns, self.parameters)
            except duckdb.Error as error:
                raise self._invalid(str(error), tables) from error

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
            UnsupportedColumnError: The answer has a column that cannot be stored.
        """
        query = self.query.rstrip("; \n")
        if not self._parsed(list(tables)).is_ordered:
            query = f"SELECT * FROM (\n{query}\n) ORDER BY ALL"  # noqa: S608 - it is the user's, and locked in
        with self.session(tables, "query", self.query) as session:
            yield session.reader(query, self.parameters)

    def _parsed(self, tables: Sequence[str]) -> ParsedQuery:
        try:
            return parse_query(self.query)
        except (duckdb.Error, UnicodeDecodeError) as error:
            raise self._invalid(str(error), tables) from error

    def _invalid(self, reason: str, tables: Sequence[str]) -> InvalidQueryError:
        return InvalidQueryError(self.query, reason, tables)
