"""The charts of a profile: for each column its histogram, its course over time, or its most frequent values."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from artifact_pipelines.analysis.profile.associations import MEASURES
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import bars, heat_map, histogram, lines


def profile_charts(rows: Sequence[Mapping[str, Any]]) -> Iterator[Chart]:
    """Return the correlations, and a chart of each column with a shape: no constant, and no key that is no number.

    Args:
        rows: The `profile_rows`.
    """
    yield from _correlation_map(rows)
    for row in rows:
        column, role = row["column"], row["role"]
        if role == "constant":
            continue
        if (over_time := time_chart(row)) and (row["distinct_count"] or 0) > len(row["top_values"] or ()):
            yield over_time
        elif row["histogram"] and (row["distinct_count"] or 0) > len(row["top_values"] or ()):
            bins = [(each["low"], each["high"], each["share"]) for each in row["histogram"]]
            yield histogram(column, bins, column=column)
        elif row["top_values"] and role != "key candidate":
            shares = {each["value"]: round(100 * each["share"], 3) for each in row["top_values"]}
            yield bars(column, shares, " %", column=column)


def time_chart(row: Mapping[str, Any]) -> Chart | None:
    """Return how the values of a column lie in time; None: they are no dates or moments, or too few."""
    bins = row["time_histogram"] or ()
    try:
        begins = [datetime.datetime.fromisoformat(each["low"]) for each in bins]
    except ValueError:  # a time of day, or a year that Python does not know
        return None
    shares = [100 * each["share"] for each in bins]
    return lines(row["column"], begins, {"": shares}, " %", column=row["column"]) if len(bins) > 1 else None


def _correlation_map(rows: Sequence[Mapping[str, Any]]) -> Iterator[Chart]:
    """Yield the strongest measure of each pair of columns; with its sign, if it has one."""
    partners: dict[str, dict[str, float]] = {
        row["column"]: {
            each["column"]: max((each[name] or 0.0 for name in MEASURES), key=abs) for each in row["correlations"]
        }
        for row in rows
        if row["correlations"]
    }
    names = list(partners)
    if len(names) > 2:
        cells = [[1.0 if name == other else partners[name].get(other) for other in names] for name in names]
        yield heat_map("Correlations", names, cells)
