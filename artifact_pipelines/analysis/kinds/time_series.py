"""Measures of equal periods of time, such as the flights of each month."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal, Self

import pyarrow as pa
import pydantic

from artifact_pipelines.analysis.described import described
from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import Answer, Table
from artifact_pipelines.analysis.questions.in_time import IInTime
from artifact_pipelines.analysis.questions.measures import IMeasured
from artifact_pipelines.analysis.questions.ready_made import Types, check_differ, is_number, shown_rows
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import lines
from artifact_pipelines.tabular.locked_duckdb import quoted

MOST_PERIODS = 100_000
PERIOD = "period"


class TimeSeries(IInTime, IMeasured):
    """One row for each period from the first to the last, also for those without rows."""

    CODE_VERSION: ClassVar[str] = "3"
    kind: Literal["time_series"] = "time_series"
    every: Literal["hour", "day", "week", "month", "quarter", "year"] = pydantic.Field(
        description="Length of a period; weeks begin on Monday."
    )

    @pydantic.model_validator(mode="after")
    def _names_differ(self) -> Self:
        check_differ([PERIOD, *self.measures])
        return self

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        measures = ", ".join(self.measures)
        return (
            f"One row for each {self.every} of {dataset}, by {self.time}: {measures}.\n\n"
            f"Of moments with a zone, the days are those of {self.time_zone}."
        )

    def columns_read(self) -> Sequence[str]:
        """See `IReadyMade`."""
        return [self.time, *self.measured_columns()]

    def query(self, table: str, types: Types) -> str:
        """See `IReadyMade`."""
        step, begin = f"1 {self.every}", "moment"
        if self._has_hours_of_zone(types):  # some zones change by half an hour
            step, begin = "30 minutes", self._begin("moment", types)
        filled = ", ".join(f"coalesce(f.{each}, 0) AS {each}" for each in map(quoted, self.counts()))
        measures = f"f.* EXCLUDE ({PERIOD})" + (f" REPLACE ({filled})" if filled else "")
        return (
            f"WITH _found AS ({self._found(table, types)}), _moments AS (SELECT unnest(generate_series("  # noqa: S608
            f"min({PERIOD}), max({PERIOD}), INTERVAL {step})) AS moment FROM _found), "
            f"_every_one AS (SELECT DISTINCT {begin} AS {PERIOD} FROM _moments) "
            f"SELECT e.{PERIOD}, {measures} FROM _every_one e LEFT JOIN _found f USING ({PERIOD}) ORDER BY 1"
        )

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        """See `IAnalysisKind`.

        Raises:
            InvalidQueryError: The table lacks a column, the column is no time, or there are too many periods.
        """
        name, types = self.types_of(tables)
        query, found = self.query(name, types), self._found(name, types)
        length = f"date_diff('{self.every}', min({PERIOD}), max({PERIOD})) + 1"
        with self.session(tables, "time_series", query) as session:
            [number] = session.rows(f"SELECT {length} AS n FROM ({found})")["n"].to_pylist()  # noqa: S608
            if number and number > MOST_PERIODS:
                reason = f"There are {number:,} periods, and at most {MOST_PERIODS:,} are shown"
                raise InvalidQueryError(query, reason, list(tables), "every")
            rows = session.rows(query)
        meaning = f"Start of the {self.every}" + (", a Monday" if self.every == "week" else "")
        if self._has_hours_of_zone(types):
            rows = rows.set_column(0, PERIOD, rows[PERIOD].cast(pa.timestamp("us", self.time_zone)))
        elif self.has_zone(types):
            meaning += f" in {self.time_zone}"
        rows = described(rows, {PERIOD: meaning} | self.measured_meanings())
        yield Answer(rows, shown_rows(rows), {"time_series/periods": rows.num_rows}, charts=self._charts(rows))

    def _found(self, table: str, types: Types) -> str:
        """Return SQL for the periods that have rows."""
        moment = self.moment_of(table, types)
        return (
            f"SELECT {self._begin(moment, types)} AS {PERIOD}, {self.measured(types)} "  # noqa: S608
            f"FROM {self.rows_of(table)} AND isfinite({moment}) GROUP BY 1"
        )

    def _begin(self, moment: str, types: Types) -> str:
        """Return SQL for the start of the period of a moment: without zone, but for hours of a zone."""
        local = self.local(moment, types)
        if self._has_hours_of_zone(types):  # at the end of summer time an hour comes twice
            return f"{moment} - ({local} - date_trunc('hour', {local}))"
        return f"date_trunc('{self.every}', {local})"

    def _has_hours_of_zone(self, types: Types) -> bool:
        return self.every == "hour" and self.has_zone(types)

    def _charts(self, rows: pa.Table) -> list[Chart]:
        numbers = [name for name in self.measures if is_number(rows.schema.field(name).type)]
        periods = rows[PERIOD].to_pylist()
        values = {name: [None if x is None else float(x) for x in rows[name].to_pylist()] for name in numbers}
        return [lines(f"{name} by {self.every}", periods, {name: values[name]}) for name in numbers if periods]
