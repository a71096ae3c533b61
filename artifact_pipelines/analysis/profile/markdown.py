"""The profile as one table in Markdown, for the asset's page: all columns, numbers rounded for people."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from artifact_pipelines.analysis.profile.engine import TableProfile

MOST_COLUMNS = 200
"""Columns shown; a page of more would choke the UI and Dagster's event log."""

_CELL_CHARACTERS = 40
_TOP_SHOWN = 3
_BARS = "▁▂▃▄▅▆▇█"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&-])")
_HEADINGS = ("column", "type", "nulls", "distinct", "minimum", "median", "maximum", "mean", "shape", "most frequent")


def profile_page(found: TableProfile, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of a profile.

    Args:
        found: The profile.
        rows: Its `profile_rows`.
    """
    lines = [_summary(found), "", markdown_line(_HEADINGS), "|" + "---|" * len(_HEADINGS)]
    lines += [markdown_line(_cells(row)) for row in rows[:MOST_COLUMNS]]
    if len(rows) > MOST_COLUMNS:
        lines += ["", f"The first {MOST_COLUMNS} of {len(rows):,} columns. The artifact has all of them."]
    if found.sample.num_rows < found.row_count:
        estimated = "Medians, shapes and shares with ~ are estimated from"
        lines += ["", f"{estimated} {found.sample.num_rows:,} rows at random; distinct values with ~ to about 1.6 %."]
    return "\n".join(lines)


def rounded(number: float | None) -> str:
    """Return a number with four digits that matter, or all digits of its integer part."""
    if number is None:
        return ""
    if not math.isfinite(number) or number == 0:
        return f"{number:g}"
    digits = math.floor(math.log10(abs(number)))
    if not -4 <= digits < 15:
        return f"{number:.3e}"
    text = f"{number:,.{max(0, 3 - digits)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percentage(share: float) -> str:
    """Return a share in per cent; only none and all are 0 % and 100 %."""
    if share in (0, 1):
        return f"{share:.0%}"
    return "<0.1 %" if share < 0.001 else ">99.9 %" if share > 0.999 else f"{100 * share:.1f} %"


def _summary(found: TableProfile) -> str:
    text = f"**{found.row_count:,} rows, {len(found.schema):,} columns, {found.size_bytes:,} bytes**"
    repeated = found.repeated(found.rows)
    if repeated is None or found.rows is None:
        return text
    sign = "" if found.rows.is_all or not repeated else "~"
    return f"{text}, {sign}{repeated:,} rows repeat another one"


def _cells(row: Mapping[str, Any]) -> list[str]:
    nulls = percentage(row["null_count"] / row["row_count"]) if row["row_count"] else ""
    numbers = [_bound(row, "minimum"), rounded(row["median"]), _bound(row, "maximum"), rounded(row["mean"])]
    texts = [plain_text(row["column"]), plain_text(row["type"]), nulls, _distinct(row)]
    return [*texts, *numbers, _bars(row["histogram"]), _top(row)]


def _distinct(row: Mapping[str, Any]) -> str:
    if row["distinct_count"] is None:
        return ""
    is_sure = row["distinct_is_exact"] or row["role"]
    return f"{'' if is_sure else '~'}{row['distinct_count']:,}" + (f", {row['role']}" if row["role"] else "")


def _bound(row: Mapping[str, Any], name: str) -> str:
    """Return an extreme value: of numbers, rounded."""
    value = row[name]
    if value is None:
        return ""
    try:
        return rounded(float(value)) if row["zero_share"] is not None else plain_text(value)
    except OverflowError:
        return plain_text(value)


def _bars(histogram: Sequence[Mapping[str, float]] | None) -> str:
    if not histogram:
        return ""
    shares = [left["share"] + right["share"] for left, right in zip(histogram[::2], histogram[1::2], strict=True)]
    return "".join(_BARS[round(share / max(shares) * (len(_BARS) - 1))] for share in shares)


def _top(row: Mapping[str, Any]) -> str:
    sign = "" if row["distinct_is_exact"] else "~"
    if row["role"] == "key candidate":
        return ""
    shown = (row["top_values"] or [])[:_TOP_SHOWN]
    return ", ".join(f"{plain_text(each['value'])} {sign}{percentage(each['share'])}" for each in shown)


def plain_text(value: str | None) -> str:
    """Return a text that no Markdown changes, on one line."""
    if not value:
        return "''"
    short = value if len(value) <= _CELL_CHARACTERS else value[: _CELL_CHARACTERS - 1] + "…"
    return _SPECIAL.sub(r"\\\1", " ".join(short.split())) or "' '"


def markdown_line(cells: Sequence[str]) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"
