"""Measures of equal periods of time, such as the flights of each month."""

import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal

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
    shown_rows,
)
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import lines
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.declarations import checked_by
from artifact_pipelines.tabular.locked_duckdb import quoted

MOST_PERIODS = 100_000
PERIOD = "period"


def _check_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise InvalidArgumentError("time_zone", name, "the name of a zone, such as Europe/Berlin")


class TimeSeries(IReadyMade):
    """One row for each period from the first to the last, also for those without rows."""

    kind: Literal["time_series"] = "time_series"
    time: Column = pydantic.Field(description="Column of dates or moments; rows without one do not count.")
    every: Literal["hour", "day", "week", "month", "quarter", "year"] = pydantic.Field(
        description="Length of a period; weeks begin on Monday."
    )
    time_zone: Annotated[str, checked_by(_check_zone)] = pydantic.Field(
        default="UTC", description="Zone whose days and months count, if the column holds moments with a zone."
    )
    measures: Annotated[Mapping[Column, Measure], pydantic.Field(min_length=1)] = pydantic.Field(
        default={"rows": COUNT},
        description="By name: `count`, or {mean: column}; also sum, median, min, max, distinct, count of a column.",
    )

    @pydantic.field_validator("measures")
    @classmethod
    def _other_names(cls, measures: Mapping[str, Measure]) -> Mapping[str, Measure]:
        if PERIOD in measures:
            raise ValueError(f"{PERIOD} is the column of the period's begin: give the measure another name")
        return measures

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        return f"{', '.join(self.measures)} of {dataset} for each {self.every} by {self.time}, in {self.time_zone}."

    def columns_read(self) -> Sequence[str]:
        """See `IReadyMade`."""
        return [self.time, *columns_of(self.measures)]

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        """See `IAnalysisKind`.

        Raises:
            InvalidQueryError: The table lacks a column, the column is no time, or there are too many periods.
        """
        source, types = self.source_of(tables)
        measured = ", ".join(self.measured(self.measures, types))
        begin = f"date_trunc('{self.every}', {self._local(types[self.time], list(tables))})"
        found = f"SELECT {begin} AS {PERIOD}, {measured} FROM {source} AND isfinite({quoted(self.time)}) GROUP BY 1"  # noqa: S608
        bounds = f"SELECT min({PERIOD}) AS first, max({PERIOD}) AS last FROM found"  # noqa: S608
        with self.session(tables, "time_series", found) as session:
            [number] = session.rows(
                f"WITH found AS ({found}) SELECT date_diff('{self.every}', first, last) + 1 AS n FROM ({bounds})"  # noqa: S608
            )["n"].to_pylist()
            if number and number > MOST_PERIODS:
                reason = f"There are {number:,} periods, and at most {MOST_PERIODS:,} are shown"
                raise InvalidQueryError(found, reason, list(tables), "every")
            filled = ", ".join(self._filled(name, measure) for name, measure in self.measures.items())
            rows = session.rows(
                f"WITH found AS ({found}), every_one AS (SELECT unnest(generate_series(first, last, "  # noqa: S608
                f"INTERVAL 1 {self.every})) AS {PERIOD} FROM ({bounds})) "
                f"SELECT e.{PERIOD}, {filled} FROM every_one e LEFT JOIN found f USING ({PERIOD}) ORDER BY 1"
            )
        yield Answer(rows, shown_rows(rows), {"periods": rows.num_rows}, charts=self._charts(rows))

    def _local(self, kind: pa.DataType, tables: Sequence[str]) -> str:
        name = quoted(self.time)
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            return f"timezone('{self.time_zone}', {name})"
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            raise InvalidQueryError(self.time, f"Column {self.time} holds {kind}, not dates or moments", tables, "time")
        return f"CAST({name} AS TIMESTAMP)"

    def _filled(self, name: str, measure: Measure) -> str:
        counts = isinstance(measure, str) or next(iter(measure)) in ("count", "distinct")
        return f"coalesce(f.{quoted(name)}, 0) AS {quoted(name)}" if counts else f"f.{quoted(name)}"

    def _charts(self, rows: pa.Table) -> list[Chart]:
        numbers = [name for name in self.measures if is_number(rows.schema.field(name).type)]
        periods = rows[PERIOD].to_pylist()
        values = {name: [None if x is None else float(x) for x in rows[name].to_pylist()] for name in numbers}
        return [lines(f"{name} by {self.every}", periods, {name: values[name]}) for name in numbers if periods]
