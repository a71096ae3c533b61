"""What ready-made questions share: named measures of named columns, turned into one SELECT."""

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pydantic

from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import DeclaredDataset, Table
from artifact_pipelines.analysis.questions.limited import ILimitedQuestion
from artifact_pipelines.analysis.readable import markdown_line, plain_text, rounded
from artifact_pipelines.core.exceptions import listed
from artifact_pipelines.tabular.locked_duckdb import quoted
from artifact_pipelines.tabular.parsed_query import parse_query

Function = Literal["count", "distinct", "sum", "mean", "median", "min", "max"]
Column = Annotated[str, pydantic.Field(min_length=1)]


def _one_function(measure: Mapping[Function, str]) -> Mapping[Function, str]:
    if len(measure) != 1:
        raise ValueError("a measure is `count`, or one function of one column, such as {mean: delay}")
    return measure


Measure = Literal["count"] | Annotated[Mapping[Function, Column], pydantic.AfterValidator(_one_function)]
_PAGE_ROWS = 50
COUNT: Measure = "count"


class IReadyMade(ILimitedQuestion):
    """A question about named columns of the dataset's table, of which only rows that fulfil `where` count."""

    ENGINES: ClassVar[frozenset[str]] = frozenset({"duckdb"})
    IN_ORDER: ClassVar[bool] = True
    where: str | None = pydantic.Field(
        default=None, min_length=1, description="SQL condition in DuckDB's dialect: only rows for which it is true."
    )

    @abc.abstractmethod
    def columns_read(self) -> Sequence[str]:
        """Return the names of the columns that it reads, besides those in `where`."""

    def is_repeatable(self) -> bool:
        """See `IAnalysisKind`."""
        return self.where is None or not parse_query(f"SELECT 1 WHERE ({self.where}\n)").depends_on_time_or_chance

    def check(self, dataset: DeclaredDataset) -> None:
        """See `IAnalysisKind`.

        Raises:
            InvalidQueryError: `where` is no condition, or the dataset declares all columns and not one of these.
        """
        if self.where is not None:
            try:
                parsed = parse_query(f"SELECT 1 WHERE ({self.where}\n)")
            except duckdb.Error as error:
                raise InvalidQueryError(self.where, str(error), [dataset.name], "where") from error
            if parsed.tables:
                raise InvalidQueryError(self.where, "A condition reads no table", [dataset.name], "where")
        if dataset.columns is not None:
            self._check_names(dataset.columns, dataset.name)

    def source_of(self, tables: Mapping[str, Table]) -> tuple[str, Mapping[str, pa.DataType]]:
        """Return SQL for the rows that count, and the types of the table's columns.

        Raises:
            InvalidQueryError: The table lacks a column.
        """
        [(name, table)] = tables.items()
        types = {field.name: field.type for field in pq.read_schema(table.path)}
        self._check_names(types, name)
        return f"{quoted(name)} WHERE ({self.where or 'true'}\n)", types

    def measured(self, measures: Mapping[str, Measure], types: Mapping[str, pa.DataType]) -> list[str]:
        """Return SQL for each measure."""
        return [f"{_sql_of(measure, types)} AS {quoted(name)}" for name, measure in measures.items()]

    def _check_names(self, known: Iterable[str], table: str) -> None:
        names = list(known)
        if missing := [name for name in dict.fromkeys(self.columns_read()) if name not in names]:
            reason = f"There is no column {listed(missing)}; the columns are {listed(names)}"
            raise InvalidQueryError(str(self.model_dump(exclude_defaults=True)), reason, [table], "analyses")


def columns_of(measures: Mapping[str, Measure]) -> list[str]:
    """Return the columns that measures read."""
    return [column for measure in measures.values() if not isinstance(measure, str) for column in measure.values()]


def key_of(column: str, types: Mapping[str, pa.DataType]) -> str:
    """Return SQL for a column to group by: 0.0 and -0.0 are one group."""
    return f"{quoted(column)} + 0.0" if pa.types.is_floating(types[column]) else quoted(column)


def shown_rows(rows: pa.Table, most: int = _PAGE_ROWS) -> str:
    """Return the first rows as a table in Markdown, numbers rounded for people."""
    lines = [markdown_line([plain_text(name) for name in rows.column_names]), "|" + "---|" * rows.num_columns]
    lines += [markdown_line([shown(value) for value in row.values()]) for row in rows.slice(0, most).to_pylist()]
    if rows.num_rows > most:
        lines += ["", f"The first {most} of {rows.num_rows:,} rows. The artifact has all of them."]
    return "\n".join(lines)


def shown(value: Any) -> str:
    """Return a value as a page shows it."""
    if isinstance(value, float):
        return rounded(value)
    return "" if value is None else plain_text(f"{value:,}" if type(value) is int else str(value))


def is_number(kind: pa.DataType) -> bool:
    """True if a chart can show values of this type."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _sql_of(measure: Measure, types: Mapping[str, pa.DataType]) -> str:
    if isinstance(measure, str):
        return "count(*)"
    [(function, column)] = measure.items()
    name, kind = quoted(column), types[column]
    is_float = pa.types.is_floating(kind)
    if function == "sum":  # sums of whole numbers are exact, those of floats are compensated
        return (
            f"fsum({name})"
            if is_float
            else f"sum({name})"
            if not pa.types.is_integer(kind)
            else f"CAST(sum({name}) AS DECIMAL(38, 0))"
        )
    if function == "mean":
        return f"favg({name})" if is_float else f"avg({name})"
    if function == "distinct":
        return f"count(DISTINCT {name})"
    return f"{function}({name})"
