"""The profile as one table in Markdown, for the asset's page: all columns, numbers rounded for people."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from artifact_pipelines.analysis.profile.engine import TableProfile
from artifact_pipelines.analysis.profile.estimated import repeated
from artifact_pipelines.analysis.profile.findings import findings
from artifact_pipelines.analysis.readable import markdown_line, percentage, plain_text, rounded, unbroken
from artifact_pipelines.core.wording import counted

MOST_COLUMNS = 200
"""Columns shown; a page of more would choke the UI and Dagster's event log."""

_TOP_SHOWN = 3
_EXTREME_CHARACTERS = 10
_NAME_CHARACTERS = 20
_BARS = "▁▂▃▄▅▆▇█"
_HEADINGS = ("column", "type", "nulls", "distinct", "minimum", "median", "maximum", "mean", "shape", "most frequent")


def profile_page(found: TableProfile, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of a profile.

    Args:
        found: The profile.
        rows: Its `profile_rows`.
    """
    lines = [_summary(found), "", *findings(rows), "", markdown_line(_HEADINGS), "|" + "---|" * len(_HEADINGS)]
    lines += [markdown_line(_cells(row)) for row in rows[:MOST_COLUMNS]]
    if len(rows) > MOST_COLUMNS:
        lines += ["", f"The first {MOST_COLUMNS} of {len(rows):,} columns. The artifact has all of them."]
    if found.sample.num_rows < found.row_count:
        estimated = "Medians, shapes and shares with ~ are estimated from"
        lines += ["", f"{estimated} {found.sample.num_rows:,} rows at random; distinct values with ~ to about 1.6 %."]
    return "\n".join(lines)


def profile_summary(found: TableProfile, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what to know first: the size of the table, and what stands out in its columns."""
    return "\n".join([_summary(found), "", *findings(rows)])


def shown_columns(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the statistics that matter first, for each column, as cells of few characters.

    Args:
        rows: The `profile_rows`.
    """
    return [
        {
            "column": _short_name(row["column"]),
            "nulls": unbroken(percentage(row["null_count"] / row["row_count"])) if row["row_count"] else "",
            "distinct": _distinct(row),
            "values": _values(row),
        }
        for row in rows[:MOST_COLUMNS]
    ]


def _short_name(name: str) -> str:
    """Return the name of a column with the middle of its long words cut out, where a line of the page cannot break."""
    half = _NAME_CHARACTERS // 2
    return " ".join(
        word if len(word) <= _NAME_CHARACTERS else f"{word[: half + 2]}…{word[3 - half :]}" for word in name.split(" ")
    )


def _values(row: Mapping[str, Any]) -> str:
    """Return the extreme values and the mean of a column as plain text: of a time, the day."""
    shown = [_bound(row, name) if row["zero_share"] is not None else row[name] or "" for name in ("minimum", "maximum")]
    extremes = " to ".join(dict.fromkeys(text[:_EXTREME_CHARACTERS] for text in shown))
    return extremes if row["mean"] is None or row["role"] else f"{extremes}, mean {rounded(row['mean'])}"


def _summary(found: TableProfile) -> str:
    cells, nulls = found.row_count * len(found.schema), sum(column.nulls for column in found.columns)
    facts = [
        f"**{counted(found.row_count, 'row')}, {counted(len(found.schema), 'column')}, {found.size_bytes:,} bytes**"
    ]
    facts += [f"{percentage(nulls / cells)} of all cells are null"] if cells else []
    key = f"({', '.join(map(plain_text, found.key))})"
    repeats = [("row repeats", "rows repeat", found.rows), (f"key {key} repeats", f"keys {key} repeat", found.keys)]
    for one, many, distinct in repeats:
        count = repeated(found, distinct)
        if distinct is not None and distinct.is_all:
            facts.append(f"{counted(count or 0, one, many)} another one")
        elif distinct is not None:
            seen = f"{distinct.most:,} at random"
            facts.append(f"~{counted(count, one, many)} another one" if count else f"no {many} among {seen}")
    return ", ".join(facts)


def _cells(row: Mapping[str, Any]) -> list[str]:
    nulls = percentage(row["null_count"] / row["row_count"]) if row["row_count"] else ""
    numbers = [_bound(row, "minimum"), _median(row), _bound(row, "maximum"), rounded(row["mean"])]
    texts = [plain_text(row["column"]), plain_text(row["type"]), nulls, _distinct(row)]
    return [*texts, *numbers, _bars(row["histogram"] or row["time_histogram"]), _top(row)]


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


def _median(row: Mapping[str, Any]) -> str:
    times = row["time_quantiles"]
    return plain_text(times["median"]) if times and times["median"] else rounded(row["median"])


def _bars(histogram: Sequence[Mapping[str, Any]] | None) -> str:
    if not histogram:
        return ""
    shares = [each["share"] for each in histogram]
    shares = [statistics.fmean(shares[at : at + 2]) for at in range(0, len(shares), 2)]  # the last may be alone
    return "".join(_BARS[round(share / max(shares) * (len(_BARS) - 1))] for share in shares)


def _top(row: Mapping[str, Any]) -> str:
    sign = "" if row["distinct_is_exact"] else "~"
    if row["role"] == "key candidate":
        return ""
    shown = (row["top_values"] or [])[:_TOP_SHOWN]
    return ", ".join(f"{plain_text(each['value'])} {sign}{percentage(each['share'])}" for each in shown)
