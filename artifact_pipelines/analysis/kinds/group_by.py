"""Measures of groups of rows, such as the mean delay of each carrier."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, ClassVar, Literal, Self

import pyarrow as pa
import pydantic

from artifact_pipelines.analysis.described import described
from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import Answer, Table
from artifact_pipelines.analysis.questions.measures import IMeasured
from artifact_pipelines.analysis.questions.ready_made import (
    Column,
    Types,
    check_differ,
    is_number,
    key_of,
    label_of,
    shown_rows,
)
from artifact_pipelines.analysis.readable import showable
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import bars
from artifact_pipelines.tabular.locked_duckdb import quoted

_BARS = 20


class GroupBy(IMeasured):
    """One row for each combination of values of the columns `by`, in their order."""

    CODE_VERSION: ClassVar[str] = "2"
    MOST: ClassVar[int] = 100_000
    kind: Literal["group_by"] = "group_by"
    by: Annotated[Sequence[Column], pydantic.Field(min_length=1)] = pydantic.Field(description="Columns to group by.")

    @pydantic.model_validator(mode="after")
    def _names_differ(self) -> Self:
        check_differ([*self.by, *self.measures])
        return self

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        return f"{', '.join(self.measures)} of {dataset} by {', '.join(self.by)}."

    def columns_read(self) -> Sequence[str]:
        """See `IReadyMade`."""
        return [*self.by, *self.measured_columns()]

    def query(self, table: str, types: Types) -> str:
        """See `IReadyMade`."""
        keys = ", ".join(f"{key_of(name, types)} AS {quoted(name)}" for name in self.by)
        numbers = ", ".join(str(at + 1) for at in range(len(self.by)))
        return (
            f"SELECT {keys}, {self.measured(types)} FROM {self.rows_of(table)} "  # noqa: S608
            f"GROUP BY {numbers} ORDER BY {numbers} LIMIT {self.MOST + 1}"
        )

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        """See `IAnalysisKind`.

        Raises:
            InvalidQueryError: The table lacks a column, or there are too many groups.
        """
        query = self.query(*self.types_of(tables))
        with self.session(tables, "group_by", query) as session:
            rows = session.rows(query)
        if rows.num_rows > self.MOST:
            raise InvalidQueryError(query, f"There are more than {self.MOST:,} groups", list(tables), "by")
        keys = {name: f"Value of {name} that all rows of the group have" for name in self.by}
        rows = described(rows, keys | self.measured_meanings())
        yield Answer(rows, shown_rows(rows), {"group_by/groups": rows.num_rows}, charts=self._charts(rows))

    def _charts(self, rows: pa.Table) -> list[Chart]:
        first, shown = next(iter(self.measures)), rows.slice(0, _BARS)
        if not rows.num_rows or not is_number(rows.schema.field(first).type):
            return []
        labels = [" / ".join(map(label_of, row.values())) for row in showable(shown.select(list(self.by))).to_pylist()]
        values = [None if value is None else float(value) for value in shown[first].to_pylist()]
        return [bars(f"{first} by {', '.join(self.by)}", dict(zip(labels, values, strict=True)))]
