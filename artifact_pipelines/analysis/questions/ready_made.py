"""What ready-made questions share: named columns, checked as early as they are known, and a condition."""

import abc
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pydantic

from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import DeclaredDataset, Table
from artifact_pipelines.analysis.questions.limited import ILimitedQuestion
from artifact_pipelines.analysis.readable import markdown_line, plain_text, rounded, showable, with_days
from artifact_pipelines.core.exceptions import listed
from artifact_pipelines.tabular.locked_duckdb import quoted
from artifact_pipelines.tabular.parsed_query import arrow_types, check_columns_of, parse_query

Column = Annotated[str, pydantic.Field(min_length=1)]
Types = Mapping[str, pa.DataType]
"""Type of each column of a table, by name; the null type also where it is not known yet."""

_PAGE_ROWS = 50


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

    @abc.abstractmethod
    def query(self, table: str, types: Types) -> str:
        """Return its SELECT over a table with columns of these types."""

    def is_repeatable(self) -> bool:
        """See `IAnalysisKind`."""
        return self.where is None or not parse_query(f"SELECT 1 WHERE ({self.where}\n)").depends_on_time_or_chance

    def check(self, dataset: DeclaredDataset) -> None:
        """See `IAnalysisKind`.

        Raises:
            UnsafeQueryError: `where` is more than a condition.
            InvalidQueryError: It is none, or the dataset declares all columns, and DuckDB cannot answer for these.
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
            query = self.query(dataset.name, arrow_types(dataset.columns))
            try:
                check_columns_of(query, dataset.name, dataset.columns, {})
            except duckdb.Error as error:
                raise InvalidQueryError(query, str(error), [dataset.name], "analyses") from error

    def types_of(self, tables: Mapping[str, Table]) -> tuple[str, Types]:
        """Return the name of the only table, and the types of its columns.

        Raises:
            InvalidQueryError: The table lacks a column.
        """
        [(name, table)] = tables.items()
        types = {field.name: field.type for field in pq.read_schema(table.path)}
        self._check_names(types, name)
        return name, types

    def rows_of(self, table: str) -> str:
        """Return SQL for the rows that count, up to its WHERE."""
        return f"{quoted(table)} WHERE ({self.where or 'true'}\n)"

    def _check_names(self, known: Iterable[str], table: str) -> None:
        names = list(known)
        if missing := [name for name in dict.fromkeys(self.columns_read()) if name not in names]:
            reason = f"There is no column {listed(missing)}; the columns are {listed(names)}"
            raise InvalidQueryError(str(self.model_dump(exclude_defaults=True)), reason, [table], "analyses")


def check_differ(names: Iterable[str]) -> None:
    """Raise `ValueError` if columns of an answer have one name, for which DuckDB takes `Period` and `period`."""
    ordered = sorted(names, key=str.lower)
    if same := [one for one, other in itertools.pairwise(ordered) if one.lower() == other.lower()]:
        raise ValueError(f"two columns of the answer would be called {', '.join(same)}: give them different names")


def key_of(column: str, types: Types) -> str:
    """Return SQL for a column to group by: 0.0 and -0.0 are one group."""
    return f"{quoted(column)} + 0.0" if pa.types.is_floating(types[column]) else quoted(column)


def shown_rows(rows: pa.Table, most: int = _PAGE_ROWS) -> str:
    """Return the first rows as a table in Markdown, numbers rounded for people."""
    lines = [markdown_line([plain_text(name) for name in rows.column_names]), "|" + "---|" * rows.num_columns]
    lines += [
        markdown_line([shown(value) for value in row.values()])
        for row in showable(with_days(rows.slice(0, most))).to_pylist()
    ]
    if rows.num_rows > most:
        lines += ["", f"The first {most} of {rows.num_rows:,} rows. The artifact has all of them."]
    return "\n".join(lines)


def shown(value: Any) -> str:
    """Return a value as a page shows it."""
    if isinstance(value, float):
        return rounded(value)
    return "" if value is None else plain_text(f"{value:,}" if type(value) is int else str(value))


def label_of(value: Any) -> str:
    """Return a value as a chart names it."""
    return "null" if value is None else str(value)


def is_number(kind: pa.DataType) -> bool:
    """True if a chart can show values of this type."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
