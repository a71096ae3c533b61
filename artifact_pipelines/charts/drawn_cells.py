"""The drawing of coloured cells, from -1 to 1. Each number stands on its own colour, so both themes can read it."""

from collections.abc import Mapping
from typing import Any

from artifact_pipelines.charts.svg import WIDTH, coloured, element, mark, text, width_px

_LABEL_PX = 110
_LEAST_PX, _MOST_PX, _WITH_NUMBER_PX = 14, 44, 30
# White would dazzle on a dark page.
_ZERO, _LOW, _HIGH = (0xD0, 0xD0, 0xD0), (0xB3, 0x58, 0x06), (0x1F, 0x5F, 0x9E)
_DARK, _LIGHT = "#111111", "#ffffff"


def draw_heat_map(found: Mapping[str, Any]) -> tuple[str, float, float]:
    """Return the drawing of `kinds.heat_map`."""
    names, cells = found["names"], found["cells"]
    columns = found.get("columns", names)
    label_px = min(_LABEL_PX, max(map(width_px, names), default=0.0) + 8)
    side = min(_MOST_PX, max(_LEAST_PX, (WIDTH - label_px) / max(1, len(columns))))
    drawn, labels = [], []
    for at, (name, row) in enumerate(zip(names, cells, strict=True)):
        y = at * side
        labels.append(text(name, label_px - 6, y + side / 2 + 4, "end", label_px - 6))
        drawn += [_cell(cell, label_px + j * side, y, side, f"{name} and {columns[j]}") for j, cell in enumerate(row)]
    foot = side * len(names)
    below = [_below(name, label_px + at * side + side / 2 + 4, foot + 4) for at, name in enumerate(columns)]
    room = min(_LABEL_PX, max(map(width_px, columns), default=0.0)) + 8
    width = max(WIDTH, label_px + side * len(columns))
    return "".join([*drawn, coloured("ink", [*labels, *below])]), width, foot + room


def _cell(value: float | None, x: float, y: float, side: float, tip: str) -> str:
    if value is None:
        return mark("rect", f"{tip}: unknown", x=x, y=y, width=side - 1, height=side - 1, fill="none", stroke="#757575")
    colour = _colour(max(-1.0, min(1.0, value)))
    square = mark("rect", f"{tip}: {value:.3f}", x=x, y=y, width=side - 1, height=side - 1, fill=_hex(colour))
    if side < _WITH_NUMBER_PX:
        return square
    ink = _DARK if sum(colour) > 3 * 128 else _LIGHT
    number = f"{value:.2f}".replace("0.", ".").replace("-.00", ".00")
    middle = {"x": x + side / 2, "y": y + side / 2 + 4}
    return square + element(
        "text", number, text_anchor="middle", font_size=11, fill=ink, pointer_events="none", **middle
    )


def _below(name: str, x: float, y: float) -> str:
    return element("g", text(name, 0, 0, "end", _LABEL_PX), transform=f"translate({x:.1f} {y:.1f}) rotate(-90)")


def _colour(value: float) -> tuple[int, int, int]:
    end, share = (_HIGH if value > 0 else _LOW), abs(value)
    red, green, blue = (round(zero + (full - zero) * share) for zero, full in zip(_ZERO, end, strict=True))
    return red, green, blue


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
