"""A chart as SVG: title, drawing, and the description as its accessible name."""

from collections.abc import Callable, Mapping
from typing import Any

from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.drawn_bars import draw_bars, draw_histogram
from artifact_pipelines.charts.drawn_cells import draw_heat_map
from artifact_pipelines.charts.drawn_points import draw_intervals, draw_lines
from artifact_pipelines.charts.svg import coloured, element, text

TITLE_PX = 22
"""Height of the line with the title."""

_MARGIN_PX = 8
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif"

Drawing = tuple[str, float, float]
"""Elements, width and height in pixels."""

_DRAWN_BY: Mapping[str, Callable[[Mapping[str, Any]], Drawing]] = {
    "bars": draw_bars,
    "heat_map": draw_heat_map,
    "histogram": draw_histogram,
    "intervals": draw_intervals,
    "lines": draw_lines,
}


def draw(chart: Chart) -> str:
    """Return the chart as one SVG element; equal charts give equal text."""
    elements, width, height = _DRAWN_BY[chart.specification["kind"]](chart.specification)
    title = coloured("ink", [text(chart.title, 0, 14, room_px=width)], font_weight="600")
    return element(
        "svg",
        title + element("g", elements, transform=f"translate(0 {TITLE_PX})"),
        xmlns="http://www.w3.org/2000/svg",
        class_="chart",
        role="img",
        aria_label=f"{chart.title}. {chart.description}",
        viewBox=f"{-_MARGIN_PX} 0 {width + 2 * _MARGIN_PX:.0f} {height + TITLE_PX:.0f}",
        width=f"{width + 2 * _MARGIN_PX:.0f}",
        height=f"{height + TITLE_PX:.0f}",
        font_family=_FONT,
        font_size=12,
    )
