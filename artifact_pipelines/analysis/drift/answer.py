"""Answers a drift analysis: profiles both versions, compares them, and reports."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from artifact_pipelines.analysis.drift.comparison import ColumnDrift, compare_tables
from artifact_pipelines.analysis.drift.table import (
    distributions_check,
    drift_page,
    drift_rows,
    row_change,
    row_count_check,
    schema_check,
    shown_columns,
)
from artifact_pipelines.analysis.interfaces import Answer, Table
from artifact_pipelines.analysis.profile.engine import TableProfile, profile_table
from artifact_pipelines.analysis.profile.stored_values import value_type
from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.charts.kinds import before_after
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.core.exceptions import InvalidArgumentError

_MOST_CHARTS = 6


def answer_drift(
    before: Table | None,
    about: Table,
    thresholds: Mapping[str, float],
    columns: Sequence[str] | None,
    *,
    max_row_change: float,
    is_error: bool,
    missing: str,
) -> Answer:
    """Return how a table differs from its baseline.

    Args:
        before: The baseline; None: there is none.
        columns: Those that are judged; None: all but dates, times and a key of one column.
        missing: Why there is no baseline.

    Raises:
        InvalidArgumentError: The table lacks one of the columns.
    """
    now = profile_table(about.path)
    old = profile_table(before.path) if before else None
    found = compare_tables(old, now, thresholds, _ignored(now, about, columns))
    rows = drift_rows(found, thresholds)
    if before is None or old is None:
        checks = [CheckResult(name, True, is_error, missing) for name in ("schema", "row_count", "distributions")]
        return Answer(rows, missing, {}, checks, shown=[])
    checks = [
        schema_check(found, is_error),
        row_count_check(old.row_count, now.row_count, max_row_change, is_error),
        distributions_check(found, thresholds, is_error),
    ]
    summary = f"**Version {about.version} against {before.version}.** " + " ".join(each.text for each in checks)
    figures = _figures(found, old.row_count, now.row_count)
    charts = _charts(found, thresholds, (f"v{before.version}", f"v{about.version}"))
    listed = rows.to_pylist()
    return Answer(rows, drift_page(listed, summary), figures, checks, charts, summary, shown_columns(listed))


def _charts(found: Sequence[ColumnDrift], thresholds: Mapping[str, float], names: tuple[str, str]) -> Sequence[Chart]:
    """Return the distributions of the columns that drifted most, or came nearest to it, in percent of the rows."""

    def rank(each: ColumnDrift) -> tuple[bool, float]:
        ratio = each.statistics[each.statistic] / thresholds[each.statistic] if each.statistic else 0.0
        return each.verdict != "drifted", -ratio

    judged = sorted((each for each in found if each.verdict in ("drifted", "stable")), key=rank)
    return [
        before_after(
            f"{each.column}: {each.verdict}",
            known.labels,
            (100 * known.before).tolist(),
            (100 * known.after).tolist(),
            " %",
            names=names,
            column=each.column,
        )
        for each in judged[:_MOST_CHARTS]
        if (known := each.distributions)
    ]


def _ignored(now: TableProfile, about: Table, columns: Sequence[str] | None) -> Sequence[str]:
    names = now.schema.names
    if columns is None:
        key = about.source.get("key", [])
        moving = [field.name for field in now.schema if pa.types.is_temporal(value_type(field.type))]
        return [*moving, *(key if len(key) == 1 else [])]
    if missing := [name for name in columns if name not in names]:
        raise InvalidArgumentError("columns", missing, f"among the columns: {', '.join(names)}")
    return [name for name in names if name not in columns]


def _figures(found: Sequence[ColumnDrift], rows_before: int, rows: int) -> Mapping[str, int | float]:
    psi = [each.statistics.get("psi", 0.0) for each in found if each.verdict in ("stable", "drifted")]
    return {
        "drift/drifted_columns": sum(each.verdict == "drifted" for each in found),
        "drift/highest_psi": max(psi, default=0.0),
        "drift/row_change": row_change(rows_before, rows),
    }
