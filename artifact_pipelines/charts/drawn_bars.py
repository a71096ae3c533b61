"""Drawings of bars: horizontal ones with labels, and the columns of a histogram."""

from collections.abc import Mapping, Sequence
from typing import Any

from artifact_pipelines.charts.numbers import compact
from artifact_pipelines.charts.svg import COLOURS, WIDTH, coloured, element, mark, text, width_px

COLOUR_ORDER = ("first", "second")
"""Colours of the series, in order."""

_ROW_PX, _BAR_PX, _GAP_PX = 7, 11, 8
_LABEL_PX = 130
_LEGEND_PX = 18
_COLUMNS_PX, _AXIS_PX, _TOP_PX = 96, 18, 16


def draw_bars(found: Mapping[str, Any]) -> tuple[str, float, float]:
    """Return the drawing of `kinds.bars` and of what two bars for each label show."""
    series: Mapping[str, Sequence[float | None]] = found["series"]
    labels, unit = found["labels"], found["unit"]
    label_px = min(_LABEL_PX, max(map(width_px, labels), default=0.0) + 8)
    shown = [f"{compact(each)}{unit}" for values in series.values() for each in values if each is not None]
    room = WIDTH - label_px - max(map(width_px, shown), default=0.0) - 6
    ends = [0.0, *(each for values in series.values() for each in values if each is not None)]
    zero, scale = label_px - room * min(ends) / (span := max(ends) - min(ends) or 1), room / span
    top = legend_height(series)
    row_px = _BAR_PX * len(series) + _ROW_PX
    parts = [legend(series)]
    middles = [top + row_px * at + _BAR_PX * len(series) / 2 + 4 for at in range(len(labels))]
    names = [text(label, label_px - 6, y, "end", label_px - 8) for label, y in zip(labels, middles, strict=True)]
    for place, (colour, (name, values)) in enumerate(zip(COLOUR_ORDER, series.items(), strict=False)):
        marks = []
        for at, (label, value) in enumerate(zip(labels, values, strict=True)):
            if value is None:
                continue
            y, end = top + row_px * at + _BAR_PX * place, zero + scale * value
            tip = f"{label}{f', {name}' if name else ''}: {value:,.6g}{unit}"
            marks.append(mark("rect", tip, x=min(zero, end), y=y, width=max(abs(end - zero), 1), height=_BAR_PX - 1))
            names.append(text(f"{compact(value)}{unit}", max(zero, end) + 4, y + _BAR_PX - 1))
        parts.append(coloured(colour, marks))
    if found["left_out"]:
        names.append(text(f"and {found['left_out']:,} more", label_px, top + row_px * len(labels) + 12))
    height = top + row_px * len(labels) + (20 if found["left_out"] else 2)
    return "".join([*parts, coloured("ink", names)]), WIDTH, height


def draw_histogram(found: Mapping[str, Any]) -> tuple[str, float, float]:
    """Return the drawing of `kinds.histogram`."""
    bins = found["bins"]
    if not bins:
        return coloured("ink", [text("no finite values", 0, 14)]), WIDTH, 24
    low, high, most = bins[0][0], bins[-1][1], max(share for _, _, share in bins) or 1
    marks, width = [], WIDTH / len(bins)
    for at, (left, right, share) in enumerate(bins):
        height = _COLUMNS_PX * share / most
        tip = f"{_ends(left, right)}{found['unit']}: {100 * share:.3g} %"
        y = _TOP_PX + _COLUMNS_PX - height
        marks.append(mark("rect", tip, x=at * width, y=y, width=max(width, 2) - 1, height=height))
    bottom = _TOP_PX + _COLUMNS_PX
    line = element("path", d=f"M0 {bottom}.5H{WIDTH}", stroke=COLOURS["ink"], stroke_opacity=".6")
    said = [
        text(f"highest {100 * most:.3g} %", 0, 11),
        text(compact(low), 0, bottom + 14),
        text(compact((low + high) / 2), WIDTH / 2, bottom + 14, "middle"),
        text(f"{compact(high)}{found['unit']}", WIDTH, bottom + 14, "end"),
    ]
    return coloured("first", marks) + line + coloured("ink", said), WIDTH, bottom + _AXIS_PX


def _ends(left: float, right: float) -> str:
    return f"{left:,.6g}" if left == right else f"{left:,.6g} to {right:,.6g}"


def legend_height(series: Mapping[str, Any]) -> float:
    """Return the height of the legend; a single series without a name has none."""
    return _LEGEND_PX if any(series) else 0


def legend(series: Mapping[str, Any]) -> str:
    """Return the names of the series with their colours, in one line."""
    if not any(series):
        return ""
    parts, x = [], 0.0
    for colour, name in zip(COLOUR_ORDER, series, strict=False):
        parts += [coloured(colour, [element("rect", x=x, y=2, width=10, height=10)])]
        parts += [coloured("ink", [text(name, x + 14, 11, room_px=WIDTH / len(series) - 20)])]
        x += min(width_px(name), WIDTH / len(series) - 20) + 14 + 2 * _GAP_PX
    return "".join(parts)
