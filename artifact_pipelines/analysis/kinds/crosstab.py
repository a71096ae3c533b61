"""Counts of two columns against each other."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, Self

import pyarrow as pa
import pydantic

from artifact_pipelines.analysis.described import described
from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import Answer, Table
from artifact_pipelines.analysis.questions.ready_made import (
    Column,
    IReadyMade,
    Types,
    check_differ,
    key_of,
    label_of,
    shown,
)
from artifact_pipelines.analysis.readable import markdown_line, showable
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import heat_map
from artifact_pipelines.tabular.locked_duckdb import quoted

MOST_CELLS = 10_000
_MEANINGS = {
    "row_count": "Rows that have both values",
    "share": "Share of all rows that count, from 0 to 1",
    "share_of_row": "Share of the rows with the same {}, from 0 to 1",
    "share_of_column": "Share of the rows with the same {}, from 0 to 1",
}
_ROW_PLACE, _COLUMN_PLACE = _PLACES = "place_of_row", "place_of_column"
_MOST_SHOWN = 30


class Crosstab(IReadyMade):
    """One row for each pair of values that occurs: how many rows have it, and their share of all, row and column."""

    CODE_VERSION: ClassVar[str] = "2"
    kind: Literal["crosstab"] = "crosstab"
    rows: Column = pydantic.Field(description="Column whose values are the rows.")
    columns: Column = pydantic.Field(description="Column whose values are the columns.")

    @pydantic.model_validator(mode="after")
    def _names_differ(self) -> Self:
        check_differ([self.rows, self.columns, *_PLACES, *_MEANINGS])
        return self

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        return f"Rows of {dataset} by {self.rows} and {self.columns}: their number, and their shares from 0 to 1."

    def columns_read(self) -> Sequence[str]:
        """See `IReadyMade`."""
        return [self.rows, self.columns]

    def query(self, table: str, types: Types) -> str:
        """See `IReadyMade`."""
        row, column = quoted(self.rows), quoted(self.columns)
        keys = f"{key_of(self.rows, types)} AS {row}, {key_of(self.columns, types)} AS {column}"
        pairs = f"SELECT {keys}, count(*) AS row_count FROM {self.rows_of(table)} GROUP BY 1, 2 LIMIT {MOST_CELLS + 1}"  # noqa: S608
        return (
            f"SELECT *, row_count / sum(row_count) OVER () AS share, "  # noqa: S608
            f"row_count / sum(row_count) OVER (PARTITION BY {row}) AS share_of_row, "
            f"row_count / sum(row_count) OVER (PARTITION BY {column}) AS share_of_column, "
            f"dense_rank() OVER (ORDER BY {row}) AS {_ROW_PLACE}, "
            f"dense_rank() OVER (ORDER BY {column}) AS {_COLUMN_PLACE} FROM ({pairs}) ORDER BY 1, 2"
        )

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        """See `IAnalysisKind`.

        Raises:
            InvalidQueryError: The table lacks a column, or there are too many pairs.
        """
        query = self.query(*self.types_of(tables))
        with self.session(tables, "crosstab", query) as session:
            found = session.rows(query)
        if found.num_rows > MOST_CELLS:
            raise InvalidQueryError(query, f"There are more than {MOST_CELLS:,} pairs", list(tables), "rows, columns")
        grid = _Grid(found, self.rows, self.columns)
        names = (self.rows, self.columns)
        meanings = {name: f"Value of {name}" for name in names} | _MEANINGS
        for name, share in zip(names, ("share_of_row", "share_of_column"), strict=True):
            meanings[share] = meanings[share].format(name)
        rows = described(found.drop_columns(list(_PLACES)), meanings)
        yield Answer(rows, grid.page(), {"crosstab/pairs": rows.num_rows}, charts=grid.charts())


class _Grid:
    """The pairs as a page shows them: cells by the places of their row and column, in the order of the values."""

    def __init__(self, found: pa.Table, row: str, column: str) -> None:
        pairs = showable(found).to_pylist()
        self._names = row, column
        self._rows = {pair[_ROW_PLACE]: pair[row] for pair in pairs}
        columns = {pair[_COLUMN_PLACE]: pair[column] for pair in pairs}
        self._columns = {place: columns[place] for place in sorted(columns)}
        self._cells = {(pair[_ROW_PLACE], pair[_COLUMN_PLACE]): pair for pair in pairs}

    def page(self) -> str:
        """Return the counts in Markdown."""
        rows, columns = list(self._rows.items())[:_MOST_SHOWN], list(self._columns.items())[:_MOST_SHOWN]
        head = [" \\\\ ".join(map(shown, self._names)), *(_title(value) for _, value in columns)]
        lines = [markdown_line(head), "|" + "---|" * len(head)]
        for place, value in rows:
            counts = (self._number("row_count", place, each) for each, _ in columns)
            lines.append(markdown_line([_title(value), *map(shown, counts)]))
        if max(len(self._rows), len(self._columns)) > _MOST_SHOWN:
            lines += ["", f"At most {_MOST_SHOWN} values of each column are shown. The artifact has all of them."]
        return "\n".join(lines)

    def charts(self) -> list[Chart]:
        """Return a map of the shares of each row."""
        if not self._cells:
            return []
        row, column = self._names
        shares = [[self._number("share_of_row", place, each) for each in self._columns] for place in self._rows]
        rows, columns = (list(map(label_of, values.values())) for values in (self._rows, self._columns))
        return [heat_map(f"{column} in each {row}, as shares of its rows", rows, shares, columns)]

    def _number(self, name: str, row: int, column: int) -> Any:
        return self._cells[row, column][name] if (row, column) in self._cells else 0


def _title(value: Any) -> str:
    return "null" if value is None else shown(value)
