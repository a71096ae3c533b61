"""The statistics of a profile: their names, types and meanings, and how they follow from a column's summary."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from artifact_pipelines.analysis.described import described
from artifact_pipelines.analysis.profile.associations import MEASURES, correlations
from artifact_pipelines.analysis.profile.days import gaps_of
from artifact_pipelines.analysis.profile.engine import TableProfile
from artifact_pipelines.analysis.profile.estimated import distinct_of, repeated
from artifact_pipelines.analysis.profile.missing import missing_together
from artifact_pipelines.analysis.profile.shape import QUANTILES, shape_of
from artifact_pipelines.analysis.profile.shown import shown_value
from artifact_pipelines.analysis.profile.stored_values import value_type
from artifact_pipelines.analysis.profile.summary import ColumnSummary
from artifact_pipelines.tabular.type_names import type_name


@dataclasses.dataclass(frozen=True, slots=True)
class Statistic:
    """A column of the profile.

    Attributes:
        meaning: Meaning and unit, for the people who read the profile.
    """

    type: pl.DataType
    meaning: str


MOST_MEANS = 20
_COUNT, _NUMBER, _TEXT, _FLAG = pl.Int64(), pl.Float64(), pl.String(), pl.Boolean()

_QUANTILE = "{} % of the finite numbers are this value or smaller, in the unit of the column."


def _list(fields: dict[str, pl.DataType]) -> pl.DataType:
    return pl.List(pl.Struct(fields))


STATISTICS: dict[str, Statistic] = {
    "column": Statistic(_TEXT, "Name of the column"),
    "type": Statistic(_TEXT, "Type of its values, as a YAML file declares it"),
    "row_count": Statistic(_COUNT, "Rows of the table"),
    "null_count": Statistic(_COUNT, "Rows without a value"),
    "distinct_count": Statistic(
        _COUNT, "Different values, null not counted; NaN is one value. Empty for nested columns, which are not compared"
    ),
    "distinct_is_exact": Statistic(
        _FLAG, "True: counted (fewer than 4096); false: estimated, with a standard error of at most 1.6 %"
    ),
    "role": Statistic(
        _TEXT,
        "`constant`: one value and no null; `key candidate`: no null, and no value repeats (where distinct "
        "values are estimated: 4096 values chosen at random do not repeat, and none is frequent in the row sample)",
    ),
    "top_values": Statistic(
        _list({"value": _TEXT, "count": _COUNT, "share": _NUMBER}),
        "Up to 10 most frequent values with their share of the values; counted if the distinct values are, else "
        "estimated from the row sample, without a count",
    ),
    "minimum": Statistic(_TEXT, "Smallest value, NaN left out; texts in the order of their bytes; moments in UTC"),
    "median": Statistic(
        _NUMBER, f"{_QUANTILE.format(50)} With more than 65,536 rows, quantiles are those of the row sample"
    ),
    "maximum": Statistic(_TEXT, "Largest value, by the same rules"),
    "mean": Statistic(_NUMBER, "Mean of the finite numbers, in the unit of the column; of booleans, the share of true"),
    "standard_deviation": Statistic(
        _NUMBER, "Standard deviation of the finite numbers, with n - 1, in the unit of the column"
    ),
    **{name: Statistic(_NUMBER, _QUANTILE.format(int(name[1:]))) for name in ("p05", "p25", "p75", "p95")},
    "histogram": Statistic(
        _list({"low": _NUMBER, "high": _NUMBER, "share": _NUMBER}),
        "Shares of the finite numbers in 20 equally wide bins, from the row sample; the last bin has its upper end. "
        "Whole numbers with at most 31 from the smallest to the largest, such as days of a month, have a bin each: its "
        "two ends are the number",
    ),
    "skewness": Statistic(_NUMBER, "Third standardized moment, without a unit: 0 symmetric, above 0 a long right tail"),
    "zero_share": Statistic(_NUMBER, "Share of the values that are 0, from 0 to 1"),
    "negative_share": Statistic(_NUMBER, "Share of the values that are below 0, from 0 to 1"),
    "nan_count": Statistic(_COUNT, "Floats that are NaN"),
    "infinity_count": Statistic(_COUNT, "Floats that are infinite, with either sign"),
    "empty_count": Statistic(_COUNT, "Texts without characters"),
    "patterns": Statistic(
        _list({"pattern": _TEXT, "share": _NUMBER}),
        "Up to 5 most frequent shapes of texts and their share, from the row sample: a run of capitals is A, of other "
        "letters a, of digits 9",
    ),
    "shortest": Statistic(_COUNT, "Length of the shortest text, in characters; of binaries, in bytes"),
    "mean_length": Statistic(_NUMBER, "Mean length, in the same unit"),
    "longest": Statistic(_COUNT, "Length of the longest text, in the same unit"),
    "time_quantiles": Statistic(
        pl.Struct(dict.fromkeys(QUANTILES, _TEXT)),
        "Quantiles of dates, moments, times of day and durations, each one of the values, from the row sample",
    ),
    "time_histogram": Statistic(
        _list({"low": _TEXT, "high": _TEXT, "share": _NUMBER}),
        "Shares of the same values in equally wide bins, from the row sample",
    ),
    "day_count": Statistic(
        _COUNT, "Different days of dates and moments, in UTC. Empty with more than 40,000 days; then gaps are empty too"
    ),
    "missing_days": Statistic(_COUNT, "Days without a row between the first and the last day"),
    "longest_gap_days": Statistic(_COUNT, "Days of the longest run of days without a row"),
    "longest_gap_start": Statistic(_TEXT, "First day of that run; of the earliest if several are equally long"),
    "correlations": Statistic(
        _list({"column": _TEXT, **dict.fromkeys(MEASURES, _NUMBER)}),
        "Relation to other columns, from the row sample, on rows where both have a value: `pearson` and `spearman` (-1 "
        "to 1) of two numbers; `cramers_v` (0 to 1) of two categories, which are booleans and texts with 2 to 256 "
        "values; `correlation_ratio` (0 to 1) of a number and a category. Ranks are those in the whole column; the "
        "last two are corrected for chance. Empty beyond the first 64 such columns, and with fewer than 10 rows",
    ),
    "missing_together": Statistic(
        _list({"column": _TEXT, "share": _NUMBER, "correlation": _NUMBER}),
        "Up to 10 columns that are null in the same rows, from the row sample: the share of this column's nulls in "
        "which the other one is null too, and the correlation of the nulls (0.1 to 1)",
    ),
}


def profile_rows(found: TableProfile) -> pa.Table:
    """Return one row for each column of the table, with the columns of `STATISTICS`, each with its meaning."""
    together = correlations(found.schema, found.sample), missing_together(found.schema, found.sample)
    columns = zip(found.schema, found.columns, found.sample.columns, *together, strict=True)
    rows = [
        {**_row(field, summary, sample), "correlations": correlated, "missing_together": missing}
        for field, summary, sample, correlated, missing in columns
    ]
    table = pl.DataFrame(rows, schema={name: each.type for name, each in STATISTICS.items()}).to_arrow()
    return described(table, {name: each.meaning for name, each in STATISTICS.items()})


def _row(field: pa.Field, summary: ColumnSummary, sample: pa.ChunkedArray) -> dict[str, Any]:
    kind = value_type(field.type)
    known: dict[str, Any] = {
        "column": field.name,
        "type": type_name(str(field.type)),
        "row_count": summary.rows,
        "null_count": summary.nulls,
        "minimum": shown_value(summary.low, kind),
        "maximum": shown_value(summary.high, kind),
    }
    shape = shape_of(summary, sample, kind)
    distinct = _distinct(summary, has_frequent=bool(shape.get("top_values")))
    known |= distinct | _spread(summary, kind) | _lengths(summary) | gaps_of(summary.days)
    return known | shape


def _distinct(summary: ColumnSummary, has_frequent: bool) -> dict[str, Any]:
    found = summary.smallest
    if found is None:
        return {}
    values = summary.rows - summary.nulls
    distinct = distinct_of(found, values - summary.nans, has_frequent=has_frequent) + bool(summary.nans)
    role = None
    if values and not summary.nulls:
        may_be_key = distinct == values and (found.is_all or not has_frequent)
        role = "constant" if distinct == 1 else "key candidate" if may_be_key else None
    return {"distinct_count": distinct, "distinct_is_exact": found.is_all, "role": role}


def _spread(summary: ColumnSummary, kind: pa.DataType) -> dict[str, Any]:
    moments = summary.moments
    if moments is None:
        return {}
    found = {"mean": moments.mean, "standard_deviation": moments.standard_deviation, "skewness": moments.skewness}
    if pa.types.is_boolean(kind):
        return {"mean": moments.mean}
    if pa.types.is_floating(kind):
        found |= {"nan_count": summary.nans, "infinity_count": summary.infinities}
    values = summary.rows - summary.nulls
    if values:
        found |= {"zero_share": summary.zeros / values, "negative_share": summary.negatives / values}
    return found


def _lengths(summary: ColumnSummary) -> dict[str, Any]:
    lengths, values = summary.lengths, summary.rows - summary.nulls
    if lengths is None:
        return {}
    mean = lengths.total / values if values else None
    shown = {"shortest": lengths.shortest, "mean_length": mean, "longest": lengths.longest}
    return {"empty_count": lengths.empty, **shown}


def mean_figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the means of the first columns with numbers, which Dagster plots over time.

    Args:
        rows: The `profile_rows`.
    """
    means = {row["column"]: row["mean"] for row in rows if row["mean"] is not None and row["role"] is None}
    return {f"mean/{column}": mean for column, mean in list(means.items())[:MOST_MEANS]}


def table_figures(found: TableProfile) -> dict[str, int | float]:
    """Return the numbers of the whole table that are worth a plot over time."""
    cells = found.row_count * len(found.schema)
    nulls = sum(column.nulls for column in found.columns)
    figures: dict[str, int | float] = {"profile/rows": found.row_count, "profile/bytes": found.size_bytes}
    figures["profile/null_share"] = nulls / cells if cells else 0.0
    for name, distinct in (("rows", found.rows), ("keys", found.keys)):
        count = repeated(found, distinct)
        if count is not None:
            figures[f"profile/duplicate_{name}"] = count
    return figures
