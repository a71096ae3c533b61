"""The answer of a drift analysis: a row for each column, a page, checks and figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from artifact_pipelines.analysis.described import described
from artifact_pipelines.analysis.drift.comparison import ColumnDrift
from artifact_pipelines.analysis.drift.distributions import Column
from artifact_pipelines.analysis.profile.markdown import MOST_COLUMNS
from artifact_pipelines.analysis.readable import markdown_line, percentage, plain_text, rounded, short_words
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.core.wording import counted
from artifact_pipelines.tabular.type_names import type_name

_NUMBER, _TEXT = pl.Float64(), pl.String()

DRIFT_COLUMNS: Mapping[str, tuple[pl.DataType, str]] = {
    "column": (_TEXT, "Name of the column"),
    "verdict": (
        _TEXT,
        "`stable`, `drifted`, `added`, `removed`, `type changed` (the values cannot be compared), `not judged`, or "
        "`no baseline`",
    ),
    "statistic": (_TEXT, "The statistic that decides: of those with a threshold, the highest in proportion to it"),
    "value": (_NUMBER, "Its value"),
    "threshold": (_NUMBER, "Its threshold: a higher value is drift, unless chance explains it"),
    "chance": (
        _NUMBER,
        "Probability, from 0 to 1, of such a difference between two samples of one population (chi-square test)",
    ),
    "psi": (_NUMBER, "Population stability index, without a unit: 0 equal; a share below 0.0001 counts as 0.0001"),
    "jensen_shannon": (_NUMBER, "Jensen-Shannon distance, from 0 (equal) to 1 (no category in common)"),
    "kolmogorov_smirnov": (_NUMBER, "Largest difference of the distribution functions of numbers, from 0 to 1"),
    "wasserstein": (_NUMBER, "How far numbers move on average, in standard deviations of the baseline"),
    "chi_square": (_NUMBER, "Chi-square statistic of the categories, for `chance`"),
    "type_before": (_TEXT, "Type in the baseline, as a YAML file declares it"),
    "type": (_TEXT, "Type now"),
    "null_share_before": (_NUMBER, "Share of rows without a value in the baseline, from 0 to 1"),
    "null_share": (_NUMBER, "Share of rows without a value now"),
    "mean_before": (_NUMBER, "Mean of the finite numbers in the baseline, in the unit of the column"),
    "mean": (_NUMBER, "Mean of the finite numbers now"),
    "changed_most": (_TEXT, "The value, or range of numbers, whose share of the rows changed most"),
    "changed_from": (_NUMBER, "Its share in the baseline, from 0 to 1"),
    "changed_to": (_NUMBER, "Its share now"),
}
_HEADINGS = ("column", "verdict", "statistic", "threshold", "nulls", "mean", "changed most")
_SHORT = {"psi": "PSI", "kolmogorov_smirnov": "KS", "jensen_shannon": "JS"}
"""Names on the asset's page, where a long word makes the page too wide."""
_LABEL_CHARACTERS = 40


def drift_rows(found: Sequence[ColumnDrift], thresholds: Mapping[str, float]) -> pa.Table:
    """Return one row for each column, with the columns of `DRIFT_COLUMNS`, each with its meaning."""
    rows = [_row(each, thresholds) for each in found]
    table = pl.DataFrame(rows, schema={name: kind for name, (kind, _) in DRIFT_COLUMNS.items()}).to_arrow()
    return described(table, {name: meaning for name, (_, meaning) in DRIFT_COLUMNS.items()})


def _row(found: ColumnDrift, thresholds: Mapping[str, float]) -> dict[str, Any]:
    before, after = found.before, found.after
    changed = dict(zip(("changed_most", "changed_from", "changed_to"), found.largest_change or (), strict=False))
    return {
        "column": found.column,
        "verdict": found.verdict,
        "statistic": found.statistic,
        "value": found.statistics[found.statistic] if found.statistic else None,
        "threshold": thresholds[found.statistic] if found.statistic else None,
        "chance": found.chance,
        **found.statistics,
        "type_before": before and _type(before),
        "type": after and _type(after),
        "null_share_before": before and before.null_share,
        "null_share": after and after.null_share,
        "mean_before": before and _mean(before),
        "mean": after and _mean(after),
        **changed,
    }


def _type(column: Column) -> str:
    return type_name(str(column.type))


def _mean(column: Column) -> float | None:
    return column.summary.moments.mean if column.summary.moments else None


def drift_page(rows: Sequence[Mapping[str, Any]], summary: str) -> str:
    """Return the answer in Markdown: drifted columns first.

    Args:
        rows: As `drift_rows` returns them.
        summary: What was compared.
    """
    ranked = _drifted_first(rows)
    lines = [summary, "", markdown_line(_HEADINGS), "|" + "---|" * len(_HEADINGS)]
    lines += [markdown_line(_cells(row)) for row in ranked[:MOST_COLUMNS]]
    if len(rows) > MOST_COLUMNS:
        lines += ["", f"The first {MOST_COLUMNS} of {len(rows):,} columns. The artifact has all of them."]
    return "\n".join(lines)


def shown_columns(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return verdict and largest change of each column, as cells of few characters: drifted columns first.

    Args:
        rows: As `drift_rows` returns them.
    """
    return [
        {
            "column": row["column"],
            "verdict": row["verdict"],
            "statistic": _statistic(row),
            "change": short_words(_changed_most(row, row["changed_most"])),
        }
        for row in _drifted_first(rows)[:MOST_COLUMNS]
    ]


def _statistic(row: Mapping[str, Any]) -> str:
    name = row["statistic"]
    return f"{_SHORT.get(name, name)} {rounded(round(row['value'], 3))}" if name else ""


def _drifted_first(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    order = ["drifted", "type changed", "removed", "added"]
    return sorted(rows, key=lambda row: order.index(row["verdict"]) if row["verdict"] in order else len(order))


def _changed_most(row: Mapping[str, Any], value: str | None) -> str:
    return "" if value is None else f"{value}: {_change(row['changed_from'], row['changed_to'], percentage)}"


def _cells(row: Mapping[str, Any]) -> list[str]:
    verdict = f"**{row['verdict']}**" if row["verdict"] == "drifted" else row["verdict"]
    if row["type_before"] and row["type"] and row["type_before"] != row["type"]:
        verdict += f" ({plain_text(row['type_before'])} → {plain_text(row['type'])})"
    statistic = f"{row['statistic'].replace('_', ' ')} {rounded(row['value'])}" if row["statistic"] else ""
    nulls = _change(row["null_share_before"], row["null_share"], percentage)
    value = row["changed_most"]
    changed = _changed_most(row, None if value is None else plain_text(value))
    mean = _change(row["mean_before"], row["mean"], rounded)
    return [plain_text(row["column"]), verdict, statistic, rounded(row["threshold"]), nulls, mean, changed]


def _change(before: float | None, after: float | None, shown: Any) -> str:
    left, right = ("" if each is None else shown(each) for each in (before, after))
    return left if left == right else f"{left} → {right}"


def schema_check(found: Sequence[ColumnDrift], is_error: bool) -> CheckResult:
    """Return the check that no column was added, removed or changed its type."""
    added = [f"{each.column} is new" for each in found if each.verdict == "added"]
    removed = [f"{each.column} is missing" for each in found if each.verdict == "removed"]
    changed = [
        f"{each.column} was {_type(each.before)} and is {_type(each.after)}"
        for each in found
        if each.before and each.after and each.before.kind != each.after.kind
    ]
    changes = [*added, *removed, *changed]
    return CheckResult("schema", not changes, is_error, _listed(changes) or "The same columns and types.")


def row_count_check(before: int, after: int, most_change: float, is_error: bool) -> CheckResult:
    """Return the check that the number of rows did not change too much."""
    change = row_change(before, after)
    text = f"{counted(after, 'row')}, {before:,} before: {100 * change:+.1f} %"
    text += f"; allowed are {100 * most_change:g} % either way."
    return CheckResult("row_count", abs(change) <= most_change, is_error, text)


def row_change(before: int, after: int) -> float:
    """Return the change of a number of rows, as a share of those before."""
    return (after - before) / before if before else float(after > 0)


def distributions_check(found: Sequence[ColumnDrift], thresholds: Mapping[str, float], is_error: bool) -> CheckResult:
    """Return the check that no column drifted."""
    drifted = [_drifted(each, thresholds) for each in found if each.verdict == "drifted"]
    judged = sum(each.verdict in ("stable", "drifted") for each in found)
    text = f"{len(drifted)} of {judged} judged columns drifted: {_listed(drifted)}" if drifted else ""
    return CheckResult("distributions", not drifted, is_error, text or f"None of {judged} judged columns drifted.")


def _drifted(found: ColumnDrift, thresholds: Mapping[str, float]) -> str:
    """Return which values of a column became more or less frequent, and by which statistic that is too much."""
    name, change = found.statistic, found.largest_change
    if name is None or change is None:
        return found.column
    label, before, after = change
    moved = f"{label:.{_LABEL_CHARACTERS}}: {_change(before, after, percentage)} of the rows"
    return (
        f"{found.column} ({moved}, {_SHORT.get(name, name)} {rounded(found.statistics[name])} > {thresholds[name]:g})"
    )


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - 10:,} more" if len(texts) > 10 else ""
    return "; ".join(texts[:10]) + more + "." if texts else ""
