"""Numbers and texts as people read them on a page of Markdown."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.charts.numbers import with_commas
from artifact_pipelines.tabular.footer import format_cell

_CELL_CHARACTERS = 40
_FIRST_ROWS = 20
_WORD_CHARACTERS = 12
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&-])")


def rounded(number: float | None) -> str:
    """Return a number with four digits that matter, or all digits of its integer part."""
    if number is None:
        return ""
    if not math.isfinite(number) or number == 0:
        return f"{number:g}"
    digits = math.floor(math.log10(abs(number)))
    if not -4 <= digits < 15:
        return f"{number:.3e}"
    text = with_commas(number, f".{max(0, 3 - digits)}f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def percentage(share: float) -> str:
    """Return a share in per cent; only none and all are 0 % and 100 %."""
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    return "<0.1 %" if share < 0.001 else ">99.9 %" if share > 0.999 else f"{100 * share:.1f} %"


def unbroken(text: str) -> str:
    """Return a text in which no line breaks, such as `20.5 %` in a narrow column."""
    return text.replace(" ", "\u00a0")


def plain_text(value: str | None) -> str:
    """Return a text that no Markdown changes, on one line."""
    if not value:
        return "''"
    short = value if len(value) <= _CELL_CHARACTERS else value[: _CELL_CHARACTERS - 1] + "…"
    return _SPECIAL.sub(r"\\\1", " ".join(short.split())) or "' '"


def short_words(text: str) -> str:
    """Return a text with its long words cut, where a line of the asset's page cannot break."""
    return " ".join(
        each if len(each) <= _WORD_CHARACTERS else f"{each[: _WORD_CHARACTERS - 1]}…" for each in text.split(" ")
    )


def markdown_line(cells: Sequence[str]) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def showable(rows: pa.Table) -> pa.Table:
    """Return a table with its times in nanoseconds as texts: Python has a type for them only with pandas."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_temporal(field.type) and getattr(field.type, "unit", None) == "ns":
            texts = pa.array([format_cell(value) for value in rows[place]], pa.string())
            rows = rows.set_column(place, field.name, texts)
    return rows


def first_rows(rows: pa.Table) -> Sequence[Mapping[str, str]]:
    """Return the first rows of a table, with numbers rounded for people."""
    shown = showable(with_days(rows.slice(0, _FIRST_ROWS))).to_pylist()
    return [{name: plain_cell(value) for name, value in row.items()} for row in shown]


def with_days(rows: pa.Table) -> pa.Table:
    """Return rows with days in place of moments without a zone, in columns that have no time of day."""
    for at, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is None:
            values = rows[field.name]
            if pc.all(pc.equal(values, pc.floor_temporal(values, unit="day"))).as_py():
                rows = rows.set_column(at, field.name, values.cast(pa.date32()))
    return rows


def plain_cell(value: Any) -> str:
    """Return a value as a cell that is no Markdown."""
    if isinstance(value, float):
        return rounded(value)
    return "" if value is None else with_commas(value) if type(value) is int else str(value)[: 2 * _CELL_CHARACTERS]
