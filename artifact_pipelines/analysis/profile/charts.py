"""The charts of a profile: for each column its histogram, or its most frequent values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import bars, histogram


def profile_charts(rows: Sequence[Mapping[str, Any]]) -> Iterator[Chart]:
    """Return a chart of each column that has a shape: none of constant columns, and none of keys that are no numbers.

    Args:
        rows: The `profile_rows`.
    """
    for row in rows:
        column, role = row["column"], row["role"]
        if role == "constant":
            continue
        if row["histogram"] and (row["distinct_count"] or 0) > len(row["top_values"] or ()):
            bins = [(each["low"], each["high"], each["share"]) for each in row["histogram"]]
            yield histogram(column, bins, column=column)
        elif row["top_values"] and role != "key candidate":
            shares = {each["value"]: round(100 * each["share"], 3) for each in row["top_values"]}
            yield bars(column, shares, " %", column=column)
