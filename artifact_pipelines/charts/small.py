"""A chart in fewer than 1,000 characters of Markdown.

Dagster shows so little Markdown at once, and more only after a click. So a small chart has one path for its marks, no
title, which the row beside it has, and fewer of them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import strongest_cells
from artifact_pipelines.charts.markdown import escaped
from artifact_pipelines.charts.numbers import compact, times_shown, told_apart
from artifact_pipelines.charts.svg import COLOURS, plain, shortened, width_px

MOST_CHARACTERS = 999
_WIDTH, _PLANE_PX, _LINE_PX = 300, 60, 14
_MOST_ROWS, _MOST_POINTS = 6, 40
_BAR_PX, _LEAST_PX = 90, 40
_WORDS = 120

_Small = tuple[str, Sequence[tuple[int, int, str]], int]
"""Path of the marks, texts with their places, and height."""


def small_image(chart: Chart) -> str | None:
    """Return a chart as Markdown that the Dagster UI shows without a click; None: it is too long."""
    found = _DRAWN_BY[chart.specification["kind"]](chart.specification)
    if found is None:
        return None
    path, texts, height = found
    stroke = f" stroke='{COLOURS['first']}'" if chart.specification["kind"] in ("lines", "intervals") else ""
    paint = f"fill='none'{stroke} stroke-width='2'" if stroke else f"fill='{COLOURS['first']}'"
    said = "".join(f"<text x='{x}' y='{y}'>{plain(words)}</text>" for x, y, words in texts)
    drawn = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{height}' font-family='sans-serif' "
        f"font-size='12' fill='{COLOURS['ink']}'><path {paint} d='{path}'/>{said}</svg>"
    )
    words = escaped(shortened(chart.description, _WORDS * 7))
    image = f"![{words}](<data:image/svg+xml,{quote(drawn, safe=_SAFE)}>)"
    return image if len(image) <= MOST_CHARACTERS else None


_SAFE = " /:='\",;()!*@+$?~-_."


def _histogram(found: Mapping[str, Any]) -> _Small | None:
    bins = found["bins"]
    if not bins or bins[0][0] == bins[-1][1]:
        return None
    most, width = max(share for _, _, share in bins) or 1, _WIDTH // len(bins)
    heights = [round(_PLANE_PX * share / most) for _, _, share in bins]
    path = "".join(f"M{at * width} {_PLANE_PX}v-{height}h{width - 1}v{height}" for at, height in enumerate(heights))
    low, high, end = compact(bins[0][0]), f"{compact(bins[-1][1])}{found['unit']}", _PLANE_PX + _LINE_PX
    return path, [(0, end, low), (width * len(bins) - 7 * len(high), end, high)], end + 4


def _bars(found: Mapping[str, Any]) -> _Small | None:
    series, labels = list(found["series"].values()), found["labels"]
    shown = list(range(len(labels)))
    if len(series) > 1:  # of two versions, the labels that changed most
        shown = sorted(shown, key=lambda at: -abs((series[-1][at] or 0) - (series[0][at] or 0)))
    rows = [
        (labels[at], series[-1][at], "".join(f"{_said(each[at])}{found['unit']} → " for each in series[:-1]))
        for at in sorted(shown[:_MOST_ROWS])
    ]
    return _rows([(label, value, f"{before}{_said(value)}{found['unit']}") for label, value, before in rows])


def _heat_map(found: Mapping[str, Any]) -> _Small | None:
    strongest = strongest_cells(found, _MOST_ROWS)
    return _rows([(f"{name}, {column}", cell, f"{cell:.2f}") for name, column, cell in strongest], whole=1)


def _rows(rows: Sequence[tuple[str, float | None, str]], whole: float = 0) -> _Small | None:
    """Return bars; the longest fills its place, or a bar of `whole` would: then weak values have short bars."""
    longest = max((abs(value) for _, value, _ in rows if value is not None), default=0)
    if not longest:
        return None
    lengths = [max(1, round(_BAR_PX * abs(value or 0) / max(longest, whole))) for _, value, _ in rows]
    path = "".join(f"M0 {_LINE_PX * at + 3}h{length}v10h-{length}" for at, length in enumerate(lengths))
    room = _WIDTH - _BAR_PX - 6
    shown = [f"{shortened(label, max(_LEAST_PX, room - width_px(f' {said}')))} {said}" for label, _, said in rows]
    texts = [(_BAR_PX + 6, _LINE_PX * at + 12, words) for at, words in enumerate(shown)]
    return path, texts, _LINE_PX * len(rows) + 4


def _lines(found: Mapping[str, Any]) -> _Small | None:
    values = next(iter(found["series"].values()), ())
    points = [(place, value) for place, value in zip(found["positions"], values, strict=True) if value is not None]
    points = points[:: -(-len(points) // _MOST_POINTS) or 1]
    if len(points) < 2:
        return None
    low, high = min(value for _, value in points), max(value for _, value in points)
    step, scale = _WIDTH * 2 / 3 / (len(points) - 1), (_PLANE_PX - 4) / ((high - low) or 1)
    path = "L".join(f"{round(at * step)} {round(2 + (high - value) * scale)}" for at, (_, value) in enumerate(points))
    ends = [points[0][0], points[-1][0]]
    first, last = times_shown(ends) if found["is_time"] else map(str, ends)
    right, end = round(_WIDTH * 2 / 3) + 6, _PLANE_PX + _LINE_PX
    least, most = told_apart(low, high)
    texts = [(right, 12, f"{most}{found['unit']}"), (right, _PLANE_PX, f"{least}{found['unit']}")]
    return f"M{path}", [*texts, (0, end, first), (right - 7 * len(last), end, last)], end + 4


def _intervals(found: Mapping[str, Any]) -> _Small | None:
    rows = [row for row in found["rows"] if None not in row][:_MOST_ROWS]
    if not rows:
        return None
    least, most = min(low for _, _, low, _ in rows), max(high for _, _, _, high in rows)
    scale = (_BAR_PX - 2) / ((most - least) or 1)
    path, texts = "", []
    for at, (label, estimate, low, high) in enumerate(rows):
        middle, x = _LINE_PX * at + 8, [round(1 + (each - least) * scale) for each in (low, high, estimate)]
        path += f"M{x[0]} {middle}H{x[1]}M{x[2]} {middle - 4}v8"
        texts.append((_BAR_PX + 6, middle + 4, f"{shortened(label, 130)} {_said(estimate)}{found['unit']}"))
    return path, texts, _LINE_PX * len(rows) + 4


def _said(value: float | None) -> str:
    return "?" if value is None else compact(value)


_DRAWN_BY: Mapping[str, Callable[[Mapping[str, Any]], _Small | None]] = {
    "bars": _bars,
    "heat_map": _heat_map,
    "histogram": _histogram,
    "intervals": _intervals,
    "lines": _lines,
}
