"""Measures of groups of rows, such as the mean delay of each carrier."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
import pydantic

from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import Answer, Table
from artifact_pipelines.analysis.questions.ready_made import (
    COUNT,
    Column,
    IReadyMade,
    Measure,
    columns_of,
    is_number,
    key_of,
    shown_rows,
)
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import bars
from artifact_pipelines.tabular.locked_duckdb import quoted

MOST_GROUPS = 100_000
_BARS = 20


class GroupBy(IReadyMade):
    """One row for each combination of values of the columns `by`, in their order."""

    kind: Literal["group_by"] = "group_by"
    by: Annotated[Sequence[Column], pydantic.Field(min_length=1)] = pydantic.Field(description="Columns to group by.")
    measures: Annotated[Mapping[Column, Measure], pydantic.Field(min_length=1)] = pydantic.Field(
        default={"rows": COUNT},
        description="By name: `count`, or {mean: column}; also sum, median, min, max, distinct, count of a column.",
    )
    MOST: ClassVar[int] = MOST_GROUPS

    @pydantic.field_validator("measures")
    @classmethod
    def _other_names(cls, measures: Mapping[str, Measure], info: pydantic.ValidationInfo) -> Mapping[str, Measure]:
        if same := sorted(set(measures) & set(info.data.get("by", ()))):
            raise ValueError(f"{', '.join(same)} is a column of `by` already: give the measure another name")
        return measures

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        return f"{', '.join(self.measures)} of {dataset} by {', '.join(self.by)}."

    def columns_read(self) -> Sequence[str]:
        """See `IReadyMade`."""
        return [*self.by, *columns_of(self.measures)]

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        """See `IAnalysisKind`.

        Raises:
            InvalidQueryError: The table lacks a column, or there are too many groups.
        """
        source, types = self.source_of(tables)
        keys = [f"{key_of(name, types)} AS {quoted(name)}" for name in self.by]
        numbers = ", ".join(str(at + 1) for at in range(len(keys)))
        columns = ", ".join([*keys, *self.measured(self.measures, types)])
        query = f"SELECT {columns} FROM {source} GROUP BY {numbers} ORDER BY {numbers} LIMIT {self.MOST + 1}"  # noqa: S608
        with self.session(tables, "group_by", query) as session:
            rows = session.rows(query)
        if rows.num_rows > self.MOST:
            raise InvalidQueryError(query, f"There are more than {self.MOST:,} groups", list(tables), "by")
        yield Answer(rows, shown_rows(rows), {"groups": rows.num_rows}, charts=self._charts(rows))

    def _charts(self, rows: pa.Table) -> list[Chart]:
        first, shown = next(iter(self.measures)), rows.slice(0, _BARS)
        if not rows.num_rows or not is_number(rows.schema.field(first).type):
            return []
        labels = [" / ".join(map(str, row.values())) for row in shown.select(list(self.by)).to_pylist()]
        values = [None if value is None else float(value) for value in shown[first].to_pylist()]
        return [bars(f"{first} by {', '.join(self.by)}", dict(zip(labels, values, strict=True)))]
