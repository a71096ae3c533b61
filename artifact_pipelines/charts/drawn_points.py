"""Drawings on a plane: lines over time or over versions, and estimates with their intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

from artifact_pipelines.charts.drawn_bars import COLOUR_ORDER, legend, legend_height
from artifact_pipelines.charts.numbers import compact, seconds, ticks, times_shown
from artifact_pipelines.charts.svg import COLOURS, WIDTH, coloured, element, mark, text, width_px

_PLANE_PX, _AXIS_PX, _TOP_PX = 120, 18, 6
_ROW_PX, _LABEL_PX = 20, 130
_MOST_MARKS = 60
_EDGE_PX = 5


def draw_lines(found: Mapping[str, Any]) -> tuple[str, float, float]:
    """Return the drawing of `kinds.lines`."""
    series, unit = found["series"], found["unit"]
    values = [each for line in series.values() for each in line if each is not None]
    if not values:
        return coloured("ink", [text("no values", 0, 14)]), WIDTH, 24
    shown = dict(list(series.items())[: len(COLOUR_ORDER)])
    heights = ticks(min(values), max(values))
    left = max(width_px(f"{compact(each)}{unit}") for each in heights) + 6
    top = legend_height(shown) + _TOP_PX
    places = _places(found)
    xs = [left + _EDGE_PX + (WIDTH - left - 2 * _EDGE_PX) * place for place in places]
    scale = _PLANE_PX / (heights[-1] - heights[0])
    parts = [legend(shown), _grid(heights, unit, left, top, scale)]
    for colour, (name, line) in zip(COLOUR_ORDER, shown.items(), strict=False):
        points = [
            (x, top + (heights[-1] - y) * scale, f"{place}{f', {name}' if name else ''}: {y:,.6g}{unit}")
            for x, y, place in zip(xs, line, found["positions"], strict=True)
            if y is not None
        ]
        parts.append(_line(points, colour))
    bottom = top + _PLANE_PX
    parts.append(coloured("ink", _places_shown(found, xs, left, bottom + 15)))
    return "".join(parts), WIDTH, bottom + _AXIS_PX


def draw_intervals(found: Mapping[str, Any]) -> tuple[str, float, float]:
    """Return the drawing of `kinds.intervals`."""
    rows, unit = found["rows"], found["unit"]
    ends = [each for _, *numbers in rows for each in numbers if each is not None]
    if not ends:
        return coloured("ink", [text("no values", 0, 14)]), WIDTH, 24
    label_px = min(_LABEL_PX, max(width_px(label) for label, *_ in rows) + 8)
    scale = ticks(min(ends), max(ends))
    per_unit = (WIDTH - label_px - 2 * _EDGE_PX) / (scale[-1] - scale[0])

    def x_of(value: float) -> float:
        return label_px + _EDGE_PX + (value - scale[0]) * per_unit

    labels, marks = [], []
    for at, (label, estimate, low, high) in enumerate(rows):
        y = _ROW_PX * at + _ROW_PX / 2
        labels.append(text(label, label_px - 6, y + 4, "end", label_px - 8))
        if low is not None and high is not None:
            line = f"M{x_of(low):.1f} {y - 4:.1f}v8m0 -4H{x_of(high):.1f}m0 -4v8"
            marks.append(element("path", d=line, stroke=COLOURS["first"], stroke_width=2, fill="none"))
        if estimate is not None:
            tip = f"{label}: {estimate:,.6g}{unit}" + ("" if None in (low, high) else f" ({low:,.6g} to {high:,.6g})")
            marks.append(mark("circle", tip, cx=x_of(estimate), cy=y, r=4))
    foot = _ROW_PX * len(rows)
    axis = [
        text(f"{compact(each)}{unit}", x_of(each), foot + 14, _anchor(each, scale)) for each in scale[:: len(scale) - 1]
    ]
    rule = element("path", d=f"M{label_px:.1f} {foot}.5H{WIDTH}", stroke=COLOURS["ink"], stroke_opacity=".6")
    return rule + coloured("first", marks) + coloured("ink", [*labels, *axis]), WIDTH, foot + _AXIS_PX


def _anchor(value: float, scale: Sequence[float]) -> str | None:
    return "end" if value == scale[-1] else None


def _places(found: Mapping[str, Any]) -> list[float]:
    """Return the place of each point between 0 and 1."""
    given = found["positions"]
    if found["is_time"]:
        given = [seconds(each) for each in given]
    elif any(isinstance(each, str) for each in given):
        given = range(len(given))
    low, high = min(given), max(given)
    return [(each - low) / (high - low) if high > low else 0.5 for each in given]


def _grid(heights: Sequence[float], unit: str, left: float, top: float, scale: float) -> str:
    ys = [top + (heights[-1] - each) * scale for each in heights]
    path = "".join(f"M{left:.1f} {y:.1f}H{WIDTH}" for y in ys)
    said = [text(f"{compact(each)}{unit}", left - 5, y + 4, "end") for each, y in zip(heights, ys, strict=True)]
    return element("path", d=path, stroke=COLOURS["ink"], stroke_opacity=".3") + coloured("ink", said)


def _line(points: Sequence[tuple[float, float, str]], colour: str) -> str:
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points)
    line = element("path", d=path, stroke=COLOURS[colour], stroke_width=2, stroke_linejoin="round", fill="none")
    if len(points) > _MOST_MARKS:
        return coloured(colour, [line])
    return coloured(colour, [line, *(mark("circle", tip, cx=x, cy=y, r=3) for x, y, tip in points)])


def _places_shown(found: Mapping[str, Any], xs: Sequence[float], left: float, y: float) -> list[str]:
    """Return the texts of the first, the middle and the last place."""
    given = found["positions"]
    chosen = sorted({0, len(given) // 2, len(given) - 1})
    places = [given[at] for at in chosen]
    said = (
        times_shown(places)
        if found["is_time"]
        else [each if isinstance(each, str) else compact(each) for each in places]
    )
    room = (WIDTH - left) / len(chosen) - 4
    anchors = {0: None, len(given) - 1: "end"} if len(given) > 1 else {}
    starts = {0: left} if len(given) > 1 else {}
    shown = zip(chosen, said, strict=True)
    return [text(name, starts.get(at, xs[at]), y, anchors.get(at, "middle"), room) for at, name in shown]
