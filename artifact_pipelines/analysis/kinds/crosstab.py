"""Counts of two columns against each other."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import pyarrow as pa
import pydantic

from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import Answer, Table
from artifact_pipelines.analysis.questions.ready_made import Column, IReadyMade, key_of, shown
from artifact_pipelines.analysis.readable import markdown_line
from artifact_pipelines.tabular.locked_duckdb import quoted

MOST_CELLS = 10_000
_NAMES = ("row_count", "share", "share_of_row", "share_of_column")
_MOST_SHOWN = 30


class Crosstab(IReadyMade):
    """One row for each pair of values that occurs: how many rows have it, and their share of all, row and column."""

    kind: Literal["crosstab"] = "crosstab"
    rows: Column = pydantic.Field(description="Column whose values are the rows.")
    columns: Column = pydantic.Field(description="Column whose values are the columns.")

    @pydantic.field_validator("columns")
    @classmethod
    def _another_column(cls, columns: str, info: pydantic.ValidationInfo) -> str:
        names = (info.data.get("rows"), *_NAMES)
        if columns in names or info.data.get("rows") in _NAMES:
            raise ValueError(f"rows and columns are two columns, neither of them called {', '.join(_NAMES)}")
        return columns

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        return f"Rows of {dataset} by {self.rows} and {self.columns}: their number, and their shares from 0 to 1."

    def columns_read(self) -> Sequence[str]:
        """See `IReadyMade`."""
        return [self.rows, self.columns]

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        """See `IAnalysisKind`.

        Raises:
            InvalidQueryError: The table lacks a column, or there are too many pairs.
        """
        source, types = self.source_of(tables)
        row, column = quoted(self.rows), quoted(self.columns)
        keys = f"{key_of(self.rows, types)} AS {row}, {key_of(self.columns, types)} AS {column}"
        pairs = f"SELECT {keys}, count(*) AS row_count FROM {source} GROUP BY 1, 2 LIMIT {MOST_CELLS + 1}"  # noqa: S608
        query = (
            f"SELECT *, row_count / sum(row_count) OVER () AS share, "  # noqa: S608
            f"row_count / sum(row_count) OVER (PARTITION BY {row}) AS share_of_row, "
            f"row_count / sum(row_count) OVER (PARTITION BY {column}) AS share_of_column "
            f"FROM ({pairs}) ORDER BY 1, 2"
        )
        with self.session(tables, "crosstab", query) as session:
            found = session.rows(query)
        if found.num_rows > MOST_CELLS:
            raise InvalidQueryError(query, f"There are more than {MOST_CELLS:,} pairs", list(tables), "rows, columns")
        yield Answer(found, self._page(found), {"pairs": found.num_rows})

    def _page(self, found: pa.Table) -> str:
        counts = {(row[self.rows], row[self.columns]): row["row_count"] for row in found.to_pylist()}
        rows, columns = (list(dict.fromkeys(key[at] for key in counts)) for at in (0, 1))
        columns = sorted(columns, key=_order)[:_MOST_SHOWN]
        lines = [
            markdown_line([f"{self.rows} \\\\ {self.columns}", *map(_title, columns)]),
            "|" + "---|" * (len(columns) + 1),
        ]
        lines += [
            markdown_line([_title(row), *(shown(counts.get((row, each), 0)) for each in columns)])
            for row in rows[:_MOST_SHOWN]
        ]
        if max(len(rows), len(columns)) == _MOST_SHOWN < len(counts):
            lines += ["", f"At most {_MOST_SHOWN} values of each column are shown. The artifact has all of them."]
        return "\n".join(lines)


def _title(value: Any) -> str:
    return "null" if value is None else shown(value)


def _order(value: Any) -> tuple[bool, str, Any]:
    return (value is None, "", 0) if value is None else (False, "", value)
