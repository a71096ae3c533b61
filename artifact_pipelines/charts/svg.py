"""Elements of SVG as text: escaped, and with numbers of one decimal, so that equal charts are equal text.

A colour stands twice: as an attribute that is readable on white and on black, for an image by itself; and as a class,
which the style sheet of a page can replace.
"""

import re
import unicodedata
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

WIDTH = 344
"""Width of a chart in pixels, without its margins; it fits on a phone."""

COLOURS = {"ink": "#757575", "first": "#2f7fbf", "second": "#d55e00"}
"""Colours by role. Those of marks differ for colour-blind people, too (Okabe and Ito: blue and vermilion)."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_WIDE_PX, _NARROW_PX = 12.5, 7.2
_ROUNDING_PX = 0.1


def element(tag: str, content: str = "", /, **attributes: str | float | None) -> str:
    """Return an element.

    Args:
        content: Elements or escaped text inside of it.
        attributes: Its attributes, with `_` for `-`; None: left out.
    """
    said = "".join(
        f" {name.strip('_').replace('_', '-')}={_value(value)}"
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{said}>{content}</{tag}>" if content else f"<{tag}{said}/>"


def printable(text: str) -> str:
    """Return a text in which characters that XML forbids, or that turn text around, are replaced by �."""
    return _NOT_XML.sub("\ufffd", text)


def plain(text: str) -> str:
    """Return a text as content of an element: printable and escaped."""
    return escape(printable(text))


def coloured(colour: str, elements: Iterable[str], **attributes: str | float | None) -> str:
    """Return a group of elements that are filled with a colour of `COLOURS`."""
    return element("g", "".join(elements), class_=f"chart-{colour}", fill=COLOURS[colour], **attributes)


def mark(tag: str, tip: str, **attributes: str | float | None) -> str:
    """Return a mark whose value shows under the pointer."""
    return element(tag, element("title", plain(tip)), **attributes)


def text(content: str, x: float, y: float, anchor: str | None = None, room_px: float = WIDTH) -> str:
    """Return a text, shortened to the room; its end is at x if the anchor is `end`, else its middle or start."""
    return element("text", plain(shortened(content, room_px)), x=x, y=y, text_anchor=anchor)


def width_px(content: str) -> float:
    """Return about how wide a text of 12 pixels is; no font is asked, so it is the same on every machine."""
    return sum(_WIDE_PX if unicodedata.east_asian_width(each) in "WF" else _NARROW_PX for each in content)


def shortened(content: str, room_px: float) -> str:
    """Return as much of the beginning of a text as fits into the room."""
    line = " ".join(content[: int(room_px)].split())
    if width_px(line) <= room_px + _ROUNDING_PX and len(content) <= room_px:
        return line
    while line and width_px(line) > room_px - _WIDE_PX:
        line = line[:-1]
    return f"{line}…"


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return quoteattr(printable(value))
    return f'"{value:.1f}"'.replace('.0"', '"').replace('"-0"', '"0"')
