"""The card of each column: its chart, and the statistics that matter for its type."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from artifact_pipelines.analysis.profile.charts import time_chart
from artifact_pipelines.analysis.readable import percentage, rounded
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.sparkline import sparkline
from artifact_pipelines.report.facts import ReportFacts
from artifact_pipelines.tabular.footer import ColumnSummary
from artifact_pipelines.tabular.type_names import type_name

MOST_CARDS = 200
"""Columns with a card; the table of columns has more."""

_MOST_RELATED, _MOST_PATTERNS = 3, 3
_LEAST_STRENGTH = 0.3
_TEXT_CHARACTERS = 60
_MEASURES = {"pearson": "r", "spearman": "rank r", "cramers_v": "V", "correlation_ratio": "η"}

Lines = Iterator[tuple[str, str]]
"""Names of statistics with their values."""


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """A column.

    Attributes:
        anchor: Its place in the page.
        role: `key`, `constant`, `key candidate`, or empty.
        nulls: Share of the rows without a value, in per cent; empty: it is not known.
        statistics: Names with values.
        chart: Its distribution; None: it has none.
        shape: The same as a tiny drawing; empty: it has none.
        gist: What stands in the place of the tiny drawing.
    """

    anchor: str
    name: str
    type: str
    role: str
    nulls: str
    has_nulls: bool
    distinct: str
    minimum: str
    maximum: str
    meaning: str
    statistics: Sequence[tuple[str, str]]
    chart: Chart | None
    shape: str
    gist: str


def cards(facts: ReportFacts) -> Sequence[Card]:
    """Return the card of each column of the table, in its order."""
    profiled = {row["column"]: row for row in facts.profile}
    key = set(facts.table.source.get("key", ()))
    of_profile = [each for each in facts.analyses if each.kind == "profile"][:1]
    charts = {chart.column: chart for each in of_profile for chart in each.charts if chart.column is not None}
    return [
        _card(at, column, profiled.get(column.name), charts.get(column.name), column.name in key, facts)
        for at, column in enumerate(facts.columns)
    ]


def _card(
    at: int, column: ColumnSummary, row: Mapping[str, Any] | None, chart: Chart | None, is_key: bool, facts: ReportFacts
) -> Card:
    rows = facts.table.row_count or 0
    chart = (time_chart(row) if row else None) or chart
    role = "key" if is_key else (row["role"] if row else None) or ""
    known = column.null_count is not None and rows > 0
    return Card(
        anchor=f"column-{at + 1}",
        name=column.name,
        type=type_name(column.type),
        role=role,
        nulls=percentage((column.null_count or 0) / rows) if known else "",
        has_nulls=bool(column.null_count),
        distinct=_distinct(column, row),
        minimum=_bound(row, "minimum") if row else _shown(column.minimum),
        maximum=_bound(row, "maximum") if row else _shown(column.maximum),
        meaning=column.description or "",
        statistics=list(_statistics(row)) if row else [],
        chart=chart,
        shape=sparkline(chart) if chart else "",
        gist=_gist(column, row, rows),
    )


def _gist(column: ColumnSummary, row: Mapping[str, Any] | None, rows: int) -> str:
    if rows and column.null_count == rows:
        return "no value"
    if row and row["role"] == "constant":
        return f"always {_shown(row['minimum'])}"
    return "all different" if row and row["role"] == "key candidate" else ""


def _statistics(row: Mapping[str, Any]) -> Lines:
    """Yield the statistics that mean something for the type of a column."""
    if row["role"] == "constant":
        yield "Value", _shown(row["minimum"])
        return
    if row["mean"] is not None and row["type"] != "BOOLEAN":
        yield from _numbers(row)
    if row["longest"] is not None:
        yield from _texts(row)
    if row["time_quantiles"] and row["time_quantiles"]["median"]:
        yield from _times(row)
    if row["type"] == "BOOLEAN" and row["mean"] is not None:
        yield "True", percentage(row["mean"])
    if related := list(_related(row)):
        yield "Goes with", ", ".join(related)


def _numbers(row: Mapping[str, Any]) -> Lines:
    deviation = row["standard_deviation"]
    yield "Mean", rounded(row["mean"]) + ("" if deviation is None else f" ± {rounded(deviation)}")
    yield "Median", rounded(row["median"])
    yield "Middle half", f"{rounded(row['p25'])} to {rounded(row['p75'])}"
    yield "Middle 90 %", f"{rounded(row['p05'])} to {rounded(row['p95'])}"
    yield "Range", f"{_bound(row, 'minimum')} to {_bound(row, 'maximum')}"
    if row["zero_share"]:
        yield "Zero", percentage(row["zero_share"])
    if row["negative_share"]:
        yield "Negative", percentage(row["negative_share"])
    if row["nan_count"]:
        yield "NaN", f"{row['nan_count']:,}"
    if row["infinity_count"]:
        yield "Infinite", f"{row['infinity_count']:,}"
    if row["skewness"] is not None and abs(row["skewness"]) >= 1:
        yield "Skewness", rounded(row["skewness"])


def _texts(row: Mapping[str, Any]) -> Lines:
    short, long = row["shortest"], row["longest"]
    length = f"{short:,}" if short == long else f"{short:,} to {long:,}, mean {rounded(row['mean_length'])}"
    yield "Length", length
    if row["empty_count"]:
        yield "Empty", f"{row['empty_count']:,}"
    if row["patterns"]:
        shown = [f"{_shown(each['pattern'])} {percentage(each['share'])}" for each in row["patterns"][:_MOST_PATTERNS]]
        yield "Patterns", ", ".join(shown)


def _times(row: Mapping[str, Any]) -> Lines:
    yield "First", _shown(row["minimum"])
    yield "Median", _shown(row["time_quantiles"]["median"])
    yield "Last", _shown(row["maximum"])
    if row["day_count"]:
        yield "Days", f"{row['day_count']:,}"
    if row["missing_days"]:
        longest = f"most in succession {row['longest_gap_days']:,}, from {row['longest_gap_start']}"
        yield "Days without a row", f"{row['missing_days']:,} ({longest})"


def _related(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the columns that go with this one, the strongest first."""
    found = []
    for each in row["correlations"] or ():
        known = {name: each[name] for name in _MEASURES if each[name] is not None}
        name = max(known, key=lambda measure: abs(known[measure]), default=None)
        if name is not None and abs(known[name]) >= _LEAST_STRENGTH:
            found.append((-abs(known[name]), f"{_shown(each['column'])} ({_MEASURES[name]} {known[name]:.2f})"))
    yield from (shown for _, shown in sorted(found)[:_MOST_RELATED])


def _distinct(column: ColumnSummary, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "" if column.distinct_at_most is None else f"at most {column.distinct_at_most:,}"
    if row["distinct_count"] is None:
        return ""
    return f"{'' if row['distinct_is_exact'] or row['role'] else '~'}{row['distinct_count']:,}"


def _bound(row: Mapping[str, Any], name: str) -> str:
    """Return an extreme value: of numbers, rounded."""
    value = row[name]
    try:
        return rounded(float(value)) if value is not None and row["zero_share"] is not None else _shown(value)
    except OverflowError:
        return _shown(value)


def _shown(value: object) -> str:
    """Return a value on one line; an empty text in quotes."""
    if value is None:
        return ""
    line = " ".join(str(value).split())
    return (line if len(line) <= _TEXT_CHARACTERS else line[: _TEXT_CHARACTERS - 1] + "…") or "''"
