"""How many units come back after their first period, such as the customers of each month."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

import pyarrow as pa
import pydantic

from artifact_pipelines.analysis.described import described
from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import Answer, Table
from artifact_pipelines.analysis.questions.in_time import IInTime
from artifact_pipelines.analysis.questions.ready_made import Column, Types, key_of
from artifact_pipelines.analysis.readable import markdown_line, percentage, unbroken
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import heat_map
from artifact_pipelines.tabular.locked_duckdb import quoted

MOST_CELLS = 10_000
_MOST_SHOWN = 12
_MEANINGS = {
    "cohort": "Start of the {every} in which the units of the cohort have their first row",
    "periods_later": "{Every}s since then; 0 is the first one",
    "units": "Different values of {unit} in the cohort that have a row then",
    "share": "Their share of the cohort, from 0 to 1",
}


class Cohort(IInTime):
    """One row for each cohort and period: which share of the units that began together have rows then."""

    CODE_VERSION: ClassVar[str] = "2"
    kind: Literal["cohort"] = "cohort"
    unit: Column = pydantic.Field(description="Column that identifies who comes back, such as customer_id.")
    every: Literal["day", "week", "month", "quarter", "year"] = pydantic.Field(
        description="Length of a period; weeks begin on Monday."
    )

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        return f"Cohorts of {self.unit} in {dataset} by the {self.every} of their first {self.time}, and who came back."

    def columns_read(self) -> Sequence[str]:
        """See `IReadyMade`."""
        return [self.unit, self.time]

    def query(self, table: str, types: Types) -> str:
        """See `IReadyMade`."""
        later = f"date_diff('{self.every}', cohort, period)"
        return (
            f"WITH {self._sizes(table, types)}, "  # noqa: S608
            f"_seen AS (SELECT cohort, {later} AS periods_later, count(*) AS units "
            "FROM _active JOIN _first USING (unit) GROUP BY 1, 2) "
            "SELECT cohort, periods_later, coalesce(units, 0) AS units, coalesce(units, 0) / size AS share "
            "FROM (SELECT cohort, size, unnest(generate_series(0, age)) AS periods_later FROM _sizes) "
            "LEFT JOIN _seen USING (cohort, periods_later) ORDER BY 1, 2"
        )

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        """See `IAnalysisKind`.

        Raises:
            InvalidQueryError: The table lacks a column, the column is no time, or there are too many periods.
        """
        name, types = self.types_of(tables)
        query = self.query(name, types)
        count = f"WITH {self._sizes(name, types)} SELECT count(*) AS cohorts, sum(age + 1) AS cells FROM _sizes"  # noqa: S608
        with self.session(tables, "cohort", query) as session:
            [found] = session.rows(count).to_pylist()
            if (found["cells"] or 0) > MOST_CELLS:
                reason = (
                    f"There are {int(found['cells']):,} pairs of a cohort and a {self.every}, more than {MOST_CELLS:,}"
                )
                raise InvalidQueryError(query, reason, list(tables), "every")
            rows = session.rows(query)
        meanings = {
            name: text.format(every=self.every, Every=self.every.capitalize(), unit=self.unit)
            for name, text in _MEANINGS.items()
        }
        grid = _grid(rows)
        figures = {"cohort/cohorts": found["cohorts"], "cohort/units": sum(units for _, units, _ in grid)}
        yield Answer(
            described(rows, meanings), _page(grid, self.every), figures, charts=list(_charts(grid, self.every))
        )

    def _sizes(self, table: str, types: Types) -> str:
        """Return SQL for the periods of each unit, its first one, and the size and age of each cohort."""
        moment = self.moment_of(table, types)
        period = f"date_trunc('{self.every}', {self.local(moment, types)})"
        return (
            f"_active AS (SELECT DISTINCT {key_of(self.unit, types)} AS unit, {period} AS period "  # noqa: S608
            f"FROM {self.rows_of(table)} AND isfinite({moment}) AND {quoted(self.unit)} IS NOT NULL), "
            "_first AS (SELECT unit, min(period) AS cohort FROM _active GROUP BY 1), "
            f"_sizes AS (SELECT cohort, count(*) AS size, date_diff('{self.every}', cohort, "
            "(SELECT max(period) FROM _active)) AS age FROM _first GROUP BY 1)"
        )


_Grid = Sequence[tuple[str, int, Sequence[float]]]
"""Each cohort with its units and its shares, period by period."""


def _grid(rows: pa.Table) -> _Grid:
    shares: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    for row in rows.to_pylist():
        cohort = f"{row['cohort']:%Y-%m-%d}"
        shares.setdefault(cohort, []).append(row["share"])
        sizes.setdefault(cohort, row["units"])
    return [(cohort, sizes[cohort], shares[cohort]) for cohort in shares]


def _page(grid: _Grid, every: str) -> str:
    """Return the newest cohorts, and their shares in the first periods."""
    newest = grid[-_MOST_SHOWN:]
    periods = min(_MOST_SHOWN, max((len(shares) for _, _, shares in newest), default=0))
    head = ["cohort", "units", *(f"+{number}" for number in range(1, periods))]
    lines = [markdown_line(head), "|---" + "|--:" * (len(head) - 1) + "|"]
    for cohort, units, shares in newest:
        known = [unbroken(percentage(share)) for share in shares[1:periods]]
        lines.append(markdown_line([cohort, f"{units:,}", *known, *[""] * (len(head) - 2 - len(known))]))
    lines += ["", f"Share of each cohort that has a row so many {every}s after its first one."]
    if len(grid) > _MOST_SHOWN or any(len(shares) > periods for _, _, shares in newest):
        most = f"the newest {_MOST_SHOWN} cohorts and first {_MOST_SHOWN} periods"
        lines.append(f"Only {most} are shown. The artifact has all.")
    return "\n".join(lines)


def _charts(grid: _Grid, every: str) -> Iterator[Chart]:
    later = [(cohort, shares[1:]) for cohort, _, shares in grid]  # all of a cohort are there in its own period
    if most := max((len(shares) for _, shares in later), default=0):
        cells = [[*shares, *[None] * (most - len(shares))] for _, shares in later]
        names, columns = [cohort for cohort, _ in later], [f"+{number + 1}" for number in range(most)]
        yield heat_map(f"share that came back, {every}s later", names, cells, columns)
