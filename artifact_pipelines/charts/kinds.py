"""Each kind of chart: a function from plain values to a `Chart`, whose description says what the picture shows.

Numbers may be None, not finite or beyond 1e150: such a mark is left out. A chart shows as many marks as people can
read, and says how many it leaves out.
"""

import dataclasses
import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.numbers import compact
from artifact_pipelines.core.wording import counted

MOST_BARS = 30
MOST_POINTS = 1000
MOST_NAMES = 25
MOST_LABEL_CHARACTERS = 100
"""Characters kept of a longer label: a chart has no room for more, and is stored with its answer."""
_SAID = 5
_MOST = 1e150

Number = float | None
Position = float | str | datetime.date
"""A place on the x axis; a `datetime.datetime` is a date, too."""


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval."""

    label: str
    estimate: Number
    low: Number
    high: Number


def bars(title: str, values: Mapping[str, Number], unit: str = "", *, column: str | None = None) -> Chart:
    """Return horizontal bars, such as top values, in the given order.

    Args:
        values: Lengths by label.
        unit: Unit of the lengths, behind each number: `%`, ` rows`.
    """
    return _paired(title, list(values), {"": list(values.values())}, unit, column)


def before_after(
    title: str, labels: Sequence[str], before: Sequence[Number], after: Sequence[Number], unit: str = "",
    *, names: tuple[str, str] = ("before", "after"), column: str | None = None,
) -> Chart:  # fmt: skip
    """Return two bars for each label, such as the shares of a column's bins in two versions."""
    return _paired(title, labels, {names[0]: before, names[1]: after}, unit, column)


def planned_drawn(title: str, strata: Sequence[str], planned: Sequence[Number], drawn: Sequence[Number]) -> Chart:
    """Return the rows of each stratum that a sample's design planned, and those drawn."""
    return _paired(title, strata, {"planned": planned, "drawn": drawn}, "", None)


def histogram(
    title: str, bins: Sequence[tuple[float, float, float]], unit: str = "", *, column: str | None = None
) -> Chart:
    """Return adjoining columns of equal width.

    Args:
        bins: Lower end, upper end, and share of the values in between, from 0 to 1; in ascending order. A
            bin of a single number has it as both ends.
        unit: Unit of the ends.
    """
    shown = [(low, high, share) for low, high, share in bins if None not in map(_finite, (low, high, share))]
    if not shown:
        return _nothing(title, "histogram", column)
    low, high, share = max(shown, key=lambda each: each[2])
    description = (
        f"Histogram from {compact(shown[0][0])} to {compact(shown[-1][1])}{unit}; "
        f"most values, {100 * share:.3g} %, {'are' if low == high else 'lie between'} {compact(low)}"
        f"{'' if low == high else f' and {compact(high)}'}."
    )
    return Chart(title, description, {"kind": "histogram", "bins": shown, "unit": unit}, column)


def lines(
    title: str, positions: Sequence[Position], series: Mapping[str, Sequence[Number]], unit: str = "",
    *, column: str | None = None,
) -> Chart:  # fmt: skip
    """Return one line for each series, such as a metric over versions, or a sum over months.

    Args:
        positions: Places of the points: all numbers, all times, or all texts, which then are equally far apart.
        series: Values at these places, by name of the line.
        unit: Unit of the values.
    """
    step = math.ceil(len(positions) / MOST_POINTS) or 1
    places = [each.isoformat() if isinstance(each, datetime.date) else each for each in positions][::step]
    kept = {name: [_finite(value) for value in values][::step] for name, values in list(series.items())[:_SAID]}
    said = [f"{name or 'values'}: {_course(places, values, unit)}" for name, values in kept.items()]
    is_time = any(isinstance(each, datetime.date) for each in positions)
    found = {"kind": "lines", "positions": places, "is_time": is_time, "series": kept, "unit": unit}
    return Chart(title, f"Lines over {len(places):,} points. {'. '.join(said)}.", found, column)


def over_versions(title: str, values: Mapping[int, Number], unit: str = "") -> Chart:
    """Return the line of a metric over versions, such as the number of rows.

    Args:
        values: By number of the version, in any order.
        unit: Unit of the values.
    """
    ordered = sorted(values)
    return lines(title, [f"v{version}" for version in ordered], {"": [values[version] for version in ordered]}, unit)


def heat_map(
    title: str, names: Sequence[str], cells: Sequence[Sequence[Number]], columns: Sequence[str] | None = None
) -> Chart:
    """Return coloured cells, such as correlations, from -1 to 1.

    Args:
        names: Names of the rows.
        cells: A row of numbers for each name.
        columns: Names of the columns; None: those of the rows, and the cells are symmetric.
    """
    rows, tops = (_labels(each[:MOST_NAMES]) for each in (names, names if columns is None else columns))
    shown = [[_finite(cell) for cell in row[:MOST_NAMES]] for row in cells[:MOST_NAMES]]
    found = {"kind": "heat_map", "names": rows, "cells": shown}
    found |= {} if columns is None else {"columns": tops}
    said = ", ".join(f"{left} and {right} {cell:.2f}" for left, right, cell in strongest_cells(found, _SAID)) or "none"
    more = len(names) - len(rows) + (0 if columns is None else len(columns) - len(tops))
    left_out = f" {counted(more, 'more is', 'more are')} left out." if more else ""
    description = f"Heat map of {len(rows):,} by {len(tops):,} values; the strongest: {said}.{left_out}"
    return Chart(title, description, found)


def strongest_cells(found: Mapping[str, Any], most: int) -> list[tuple[str, str, float]]:
    """Return the names and the number of the cells that are furthest from 0; of a symmetric map, each pair once."""
    names, columns = found["names"], found.get("columns", found["names"])
    pairs = [
        (name, columns[j], cell)
        for i, (name, row) in enumerate(zip(names, found["cells"], strict=True))
        for j, cell in enumerate(row if "columns" in found else row[:i])
        if cell
    ]
    return sorted(pairs, key=lambda each: (-abs(each[2]), each[:2]))[:most]


def intervals(title: str, estimates: Sequence[Interval], unit: str = "") -> Chart:
    """Return a point with its interval for each estimate."""
    kept = [
        dataclasses.replace(each, label=label)
        for each, label in zip(estimates, _labels([each.label for each in estimates[:MOST_BARS]]), strict=False)
    ]
    rows = [[each.label, *map(_finite, (each.estimate, each.low, each.high))] for each in kept]
    said = [
        f"{each.label} {_said(each.estimate, unit)} ({_said(each.low, unit)} to {_said(each.high, unit)})"
        for each in kept[:_SAID]
    ]
    description = f"Estimates with confidence intervals: {', '.join(said)}.{_left_out(estimates, kept[:_SAID])}"
    return Chart(title, description, {"kind": "intervals", "rows": rows, "unit": unit})


def _paired(
    title: str, labels: Sequence[str], series: Mapping[str, Sequence[Number]], unit: str, column: str | None
) -> Chart:
    kept = _labels(labels[:MOST_BARS])
    values = {name: [_finite(each) for each in given[:MOST_BARS]] for name, given in series.items()}
    said = []
    for at, label in enumerate(kept[:_SAID]):
        numbers = ", ".join(f"{name} {_said(given[at], unit)}".strip() for name, given in values.items())
        said.append(f"{label} {numbers}")
    description = f"Bars: {'; '.join(said) or 'none'}.{_left_out(labels, kept[:_SAID])}"
    found = {"kind": "bars", "labels": kept, "series": values, "unit": unit, "left_out": len(labels) - len(kept)}
    return Chart(title, description, found, column)


def _labels(labels: Sequence[str]) -> list[str]:
    return [each if len(each) <= MOST_LABEL_CHARACTERS else f"{each[: MOST_LABEL_CHARACTERS - 1]}…" for each in labels]


def _nothing(title: str, kind: str, column: str | None) -> Chart:
    return Chart(title, "There are no finite values.", {"kind": kind, "bins": [], "unit": ""}, column)


def _course(places: Sequence[object], values: Sequence[Number], unit: str) -> str:
    found = [(place, value) for place, value in zip(places, values, strict=True) if value is not None]
    if not found:
        return "no values"
    numbers = [value for _, value in found]
    first, last = (f"{compact(value)}{unit} at {place}" for place, value in (found[0], found[-1]))
    return f"{first}, {last}, lowest {compact(min(numbers))}{unit}, highest {compact(max(numbers))}{unit}"


def _finite(value: Number) -> Number:
    """Return a value that can be drawn: sums and differences of such values are finite, too, and quotients."""
    if value is None or not abs(value) <= _MOST:
        return None
    return value if abs(value) >= 1 / _MOST else 0.0


def _said(value: Number, unit: str) -> str:
    return "unknown" if _finite(value) is None else f"{compact(value or 0.0)}{unit}"


def _left_out(given: Sequence[object], said: Sequence[object]) -> str:
    more = len(given) - len(said)
    return f" {counted(more, 'more is', 'more are')} left out." if more else ""
