"""Estimates as Markdown and charts, for the asset's page."""

from collections.abc import Iterator, Mapping
from typing import Any

from artifact_pipelines.analysis.estimates.domains import ALL
from artifact_pipelines.analysis.estimates.estimation import Estimates
from artifact_pipelines.analysis.readable import plain_text, rounded
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import Interval, intervals
from artifact_pipelines.charts.markdown import escaped
from artifact_pipelines.core.wording import counted

MOST_ROWS = 200
_MOST_SAID = 8

_HEADINGS = ("estimate", "domain", "value", "from", "to", "standard error", "design effect", "rows")


def estimates_page(found: Estimates, sample: str, confidence: float) -> str:
    """Return the page of some estimates.

    Args:
        sample: Asset key of the sample, with its version.
    """
    shown = f"{100 * confidence:g} %"
    lines = [
        _headline(found, sample),
        "",
        "| " + " | ".join(_HEADINGS) + " |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
        *(_line(row) for row in found.rows.head(MOST_ROWS).iter_rows(named=True)),
        "",
    ]
    if found.rows.height > MOST_ROWS:
        lines += [f"The first {MOST_ROWS} of {found.rows.height:,} rows. The artifact has all of them.", ""]
    lines += [
        f"About {shown} of all samples that the design can draw have an interval that holds the true value.",
        "",
        f"- Design: {found.words}.",
        "- Design effect: the variance, divided by that of a simple random sample of as many rows.",
        *(f"- {note}" for note in _notes(found)),
    ]
    return "\n".join(lines)


def estimates_summary(found: Estimates, sample: str, confidence: float) -> str:
    """Return the estimates of the whole, what they are of, and what their intervals say."""
    said = f"About {100 * confidence:g} % of all samples have an interval that holds the true value."
    whole = [row for row in found.rows.iter_rows(named=True) if _is_whole(row, found)][:_MOST_SAID]
    values = [f"- {plain_text(_name(row))}: **{rounded(row['value'])}**, {_interval(row)}" for row in whole]
    return "\n".join([_headline(found, sample), "", *values, "", said, *(f"- {note}" for note in _notes(found))])


def shown_estimates(found: Estimates) -> list[dict[str, str]]:
    """Return each estimate with its interval, as cells of few characters."""
    return [
        {
            "estimate": _name(row).replace("/", "/ "),  # a line of the page can break there
            "domain": str(row["domain"]),
            "value": rounded(row["value"]),
            "interval": _interval(row),
        }
        for row in found.rows.head(MOST_ROWS).iter_rows(named=True)
    ]


def _interval(row: Mapping[str, Any]) -> str:
    return " to ".join(rounded(row[name]) for name in ("lower", "upper") if row[name] is not None)


def _headline(found: Estimates, sample: str) -> str:
    rows = found.design.frame.population_size
    return f"**Estimates for {counted(rows, 'row')}, from {found.sample_rows:,} of them** ({sample})"


def figures(found: Estimates) -> dict[str, int | float]:
    """Return the estimates for the whole population, then their standard errors; Dagster plots them over time."""
    whole = [row for row in found.rows.iter_rows(named=True) if _is_whole(row, found)]
    return {
        f"{prefix}/{_name(row)}": row[column]
        for prefix, column in (("estimate", "value"), ("standard_error", "standard_error"))
        for row in whole
        if row[column] is not None
    }


def charts(found: Estimates) -> Iterator[Chart]:
    """Return the intervals of each estimate that has domains; the coefficients of a regression each have a chart."""
    for (name, part, of), rows in found.rows.group_by("estimate", "part", "of", maintain_order=True):
        if rows.height > 1:
            shown = [Interval(*row) for row in rows.select("domain", "value", "lower", "upper").iter_rows()]
            title = name if part is None else f"{name}: {part}"
            yield intervals(f"{title} ({of})", shown)


def _is_whole(row: Mapping[str, Any], found: Estimates) -> bool:
    first = found.rows.columns.index("domain") + 1
    by = found.rows.columns[first : found.rows.columns.index("value")]
    return row["domain"] == ALL and all(row[name] is None for name in by)


def _name(row: Mapping[str, Any]) -> str:
    return "/".join(part for part in (row["estimate"], row["part"]) if part is not None)


def _line(row: Mapping[str, Any]) -> str:
    numbers = [rounded(row[name]) for name in ("value", "lower", "upper", "standard_error", "design_effect")]
    texts = [escaped(text[:80]) for text in (_name(row), str(row["domain"]))]
    return "| " + " | ".join([*texts, *numbers, f"{row['rows']:,}"]) + " |"


def _notes(found: Estimates) -> list[str]:
    notes = list(found.design.notes)
    if found.design.empty_strata:
        rows = sum(each.population_size for each in found.design.empty_strata)
        notes.append(f"Strata without a drawn row: the estimates say nothing about their {counted(rows, 'row')}.")
    if missing := max(found.rows["missing_rows"].to_list(), default=0):
        notes.append(
            f"Rows without a value are left out, up to {missing:,} of an estimate: it is for rows that have one."
        )
    if found.rows["value"].is_not_null().any() and found.rows["lower"].null_count():
        notes.append("A domain without an interval has too few rows or clusters for one.")
    return notes
