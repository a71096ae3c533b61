"""The statistics of a profile: their names, types and meanings, and how they follow from a column's summary."""

import dataclasses
import decimal
import re
from typing import Any

import polars as pl
import pyarrow as pa

from artifact_pipelines.analysis.profile.columns import ColumnSummary, value_type
from artifact_pipelines.analysis.profile.engine import TableProfile
from artifact_pipelines.tabular.arrow_types import is_string
from artifact_pipelines.tabular.footer import format_cell

_YEAR_BEYOND_9999 = re.compile(r"[0-9]{5,}-")
SHOWN_CHARACTERS = 200
"""Characters shown of a longer text."""


@dataclasses.dataclass(frozen=True, slots=True)
class Statistic:
    """A column of the profile.

    Attributes:
        meaning: Meaning and unit, for the people who read the profile.
    """

    type: pl.DataType
    meaning: str


_COUNT, _NUMBER, _TEXT, _FLAG = pl.Int64(), pl.Float64(), pl.String(), pl.Boolean()

STATISTICS: dict[str, Statistic] = {
    "column": Statistic(_TEXT, "Name of the column"),
    "type": Statistic(_TEXT, "Type of its values, in the words of Arrow"),
    "row_count": Statistic(_COUNT, "Rows of the table"),
    "null_count": Statistic(_COUNT, "Rows without a value"),
    "distinct_count": Statistic(
        _COUNT, "Different values, null not counted; NaN is one value. Empty for nested columns, which are not compared"
    ),
    "distinct_is_exact": Statistic(
        _FLAG, "True: counted (fewer than 4,096); false: estimated, with a standard error of at most 1.6 %"
    ),
    "role": Statistic(
        _TEXT,
        "`constant`: one value and no null; `key candidate`: no null, and no value repeats (no repetition was found "
        "among 4,096 values at random, where distinct values are estimated)",
    ),
    "minimum": Statistic(_TEXT, "Smallest value, NaN left out; texts in the order of their bytes; moments in UTC"),
    "maximum": Statistic(_TEXT, "Largest value, likewise"),
    "mean": Statistic(_NUMBER, "Mean of the finite numbers, in the unit of the column; of booleans, the share of true"),
    "standard_deviation": Statistic(_NUMBER, "Standard deviation of the finite numbers, with n - 1, in their unit"),
    "skewness": Statistic(_NUMBER, "Third standardized moment, without a unit: 0 symmetric, above 0 a long right tail"),
    "zero_share": Statistic(_NUMBER, "Share of the values that are 0, from 0 to 1"),
    "negative_share": Statistic(_NUMBER, "Share of the values that are below 0, from 0 to 1"),
    "nan_count": Statistic(_COUNT, "Floats that are NaN"),
    "infinity_count": Statistic(_COUNT, "Floats that are infinite, with either sign"),
    "empty_count": Statistic(_COUNT, "Texts without a character"),
    "shortest": Statistic(_COUNT, "Length of the shortest text, in characters; of binaries, in bytes"),
    "mean_length": Statistic(_NUMBER, "Mean length, likewise"),
    "longest": Statistic(_COUNT, "Length of the longest text, likewise"),
}


def profile_rows(found: TableProfile) -> pl.DataFrame:
    """Return one row for each column of the table, with the columns of `STATISTICS`."""
    rows = [_row(field, summary) for field, summary in zip(found.schema, found.columns, strict=True)]
    return pl.DataFrame(rows, schema={name: each.type for name, each in STATISTICS.items()})


def _row(field: pa.Field, summary: ColumnSummary) -> dict[str, Any]:
    kind = value_type(field.type)
    known = {
        "column": field.name,
        "type": str(field.type).replace("large_", ""),
        "row_count": summary.rows,
        "null_count": summary.nulls,
        "minimum": shown_value(summary.low, kind),
        "maximum": shown_value(summary.high, kind),
    }
    return {**known, **_distinct(summary), **_spread(summary, kind), **_lengths(summary)}


def _distinct(summary: ColumnSummary) -> dict[str, Any]:
    if summary.smallest is None:
        return {}
    values = summary.rows - summary.nulls
    distinct = summary.smallest.distinct_of(values - summary.nans) + bool(summary.nans)
    return {
        "distinct_count": distinct,
        "distinct_is_exact": summary.smallest.is_all,
        "role": None if summary.nulls or not values else _role(distinct, values),
    }


def _role(distinct: int, values: int) -> str | None:
    return "constant" if distinct == 1 else "key candidate" if distinct == values else None


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


def shown_value(value: Any, kind: pa.DataType) -> str | None:
    """Return a value, as a summary holds it, as people read it."""
    types = pa.types
    if value is None or types.is_null(kind):
        return None
    if isinstance(value, bytes):
        text = value.decode(errors="replace") if is_string(kind) else str(value)[2:-1]
        return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    if types.is_boolean(kind):
        return "true" if value else "false"
    if types.is_decimal(kind):
        return str(decimal.Decimal(value).scaleb(-kind.scale, decimal.Context(prec=40)))
    if types.is_temporal(kind):
        return _shown_time(value, kind)
    return str(value)


def _shown_time(value: int, kind: pa.DataType) -> str:
    """Return a time; a year beyond 9999 has a sign, as in ISO 8601, and DuckDB's infinities have their names."""
    bits = kind.bit_width
    if abs(value) == 2 ** (bits - 1) - 1:
        return "infinity" if value > 0 else "-infinity"
    shown = str(format_cell(pa.array([value], f"int{bits}").view(kind)[0]))
    return f"+{shown}" if _YEAR_BEYOND_9999.match(shown) else shown
