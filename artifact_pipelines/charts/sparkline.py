"""A chart as a shape without words, of the size of a word: for a grid of many columns."""

from collections.abc import Sequence

from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.svg import element

WIDTH, HEIGHT = 120, 28
_MOST_MARKS = 31
_LEAST_PX = 1


def sparkline(chart: Chart) -> str:
    """Return a histogram, bars or the first of some lines as columns; empty: another kind, or nothing to draw."""
    found = chart.specification
    if found["kind"] == "histogram":
        return _columns([share for _, _, share in found["bins"]], gap_px=0)
    if found["kind"] in ("bars", "lines"):
        values = next(iter(found["series"].values()), ())
        return _columns([value or 0.0 for value in values], gap_px=2 if found["kind"] == "bars" else 0)
    return ""


def _columns(values: Sequence[float], gap_px: int) -> str:
    values = [max(0.0, value) for value in values[:_MOST_MARKS]]
    if not any(values):
        return ""
    most, step = max(values), WIDTH / len(values)
    path = ""
    for at, value in enumerate(values):
        height = max(HEIGHT * value / most, _LEAST_PX) if value else 0
        path += f"M{at * step:.1f} {HEIGHT}v-{height:.1f}h{step - gap_px:.1f}v{height:.1f}"
    return element(
        "svg",
        element("path", d=path),
        class_="sparkline",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
