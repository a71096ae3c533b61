"""Describes every column of a table in one pass: map over batches, merge, finish.

The borders of batches depend on the table alone, and batches are merged in order, so the same table gives the same
profile to the last bit, with any number of threads.
"""

import dataclasses
import math
import pathlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, ClassVar, Literal

import polars as pl
import pyarrow.parquet as pq

from artifact_pipelines.analysis.interfaces import IAnalysisKind
from artifact_pipelines.tabular.bounded_batches import read_batches
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers

BATCH_ROWS = 65_536
DISTINCT_LIMIT = 4096
"""Fewer distinct values are counted, more are estimated with a standard error of 1 / sqrt(4096) = 1.6 %."""

_SCHEMA = {
    "column": pl.String,
    "type": pl.String,
    "row_count": pl.Int64,
    "null_count": pl.Int64,
    "distinct_count": pl.Int64,
    "distinct_is_exact": pl.Boolean,
    "minimum": pl.String,
    "maximum": pl.String,
    "mean": pl.Float64,
    "standard_deviation": pl.Float64,
}


class Profile(IAnalysisKind):
    """Describe every column of the dataset's table."""

    CODE_VERSION: ClassVar[str] = "2"
    ENGINES: ClassVar[frozenset[str]] = frozenset({"polars"})
    kind: Literal["profile"] = "profile"

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        return (
            f"One row for each column of {dataset}: type, nulls, distinct values, range, mean and spread.\n\n"
            "Caveats: above a limit the number of distinct values is an estimate; `distinct_is_exact` is then false."
        )

    @contextmanager
    def answer(self, tables: Mapping[str, pathlib.Path]) -> Iterator[pl.DataFrame]:
        """See `IAnalysisKind`."""
        [table] = tables.values()
        yield profile(table)


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnSummary:
    """Statistics of one column over some batches.

    Attributes:
        count: Values that are not null.
        mean: Their mean; None for columns that are not numbers.
        squares: Sum of squared deviations from the mean.
        smallest: The `DISTINCT_LIMIT` smallest permanent random numbers of distinct values; None for nested columns.
    """

    type: str
    row_count: int
    count: int
    minimum: Any
    maximum: Any
    mean: float | None
    squares: float
    smallest: pl.Series | None


def profile(source: pathlib.Path | BinaryIO) -> pl.DataFrame:
    """Describe every column of a Parquet file.

    Returns:
        One row for each column: `column`, `type`, `row_count`, `null_count`, `distinct_count` (without nulls; see
        `distinct_is_exact`), `minimum` and `maximum` as text, `mean` and `standard_deviation` (n - 1) of numbers.

    Source:
        Moments: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
        1979. Distinct values: Bar-Yossef et al., "Counting distinct elements in a data stream", RANDOM 2002.
    """
    with pq.ParquetFile(source) as file:
        empty = pl.DataFrame(pl.from_arrow(file.schema_arrow.empty_table()))
        summaries = {column.name: measure(column) for column in empty.iter_columns()}
        for batch in read_batches(file, BATCH_ROWS):
            for column in pl.DataFrame(pl.from_arrow(batch)).iter_columns():
                summaries[column.name] = merge(summaries[column.name], measure(column))
    return pl.DataFrame([finish(name, summary) for name, summary in summaries.items()], schema=_SCHEMA, orient="row")


def measure(column: pl.Series) -> ColumnSummary:
    """Map: return the statistics of one batch of a column."""
    values = column.drop_nulls()
    kind = column.dtype
    numbers = values.cast(pl.Float64) if kind.is_numeric() else None
    mean = float(numbers.mean()) if numbers is not None and values.len() else None  # type: ignore[arg-type]
    squares = 0.0 if numbers is None or mean is None else float(((numbers - mean) ** 2).sum())
    ordered = not kind.is_nested() and kind not in (pl.Binary, pl.Null, pl.Object)
    texts = values.cast(pl.String) if kind in (pl.Categorical, pl.Enum) else values
    return ColumnSummary(
        type=str(kind),
        row_count=column.len(),
        count=values.len(),
        minimum=texts.min() if ordered else None,
        maximum=texts.max() if ordered else None,
        mean=mean,
        squares=squares,
        smallest=None if kind.is_nested() else _smallest(_numbers(values)),
    )


def merge(left: ColumnSummary, right: ColumnSummary) -> ColumnSummary:
    """Merge: return the statistics of two runs of batches together."""
    mean, squares = _merged_moments(left, right)
    smallest = None
    if left.smallest is not None and right.smallest is not None:
        smallest = _smallest(left.smallest.append(right.smallest))
    return ColumnSummary(
        type=left.type,
        row_count=left.row_count + right.row_count,
        count=left.count + right.count,
        minimum=min(_known(left.minimum, right.minimum), default=None),
        maximum=max(_known(left.maximum, right.maximum), default=None),
        mean=mean,
        squares=squares,
        smallest=smallest,
    )


def finish(name: str, summary: ColumnSummary) -> tuple[Any, ...]:
    """Finish: return a column's row of the profile."""
    distinct, exact = _distinct(summary.smallest)
    deviation = (
        math.sqrt(summary.squares / (summary.count - 1)) if summary.mean is not None and summary.count > 1 else None
    )
    nulls = summary.row_count - summary.count
    minimum, maximum = (None if value is None else str(value) for value in (summary.minimum, summary.maximum))
    return name, summary.type, summary.row_count, nulls, distinct, exact, minimum, maximum, summary.mean, deviation


def _merged_moments(left: ColumnSummary, right: ColumnSummary) -> tuple[float | None, float]:
    if left.mean is None or right.mean is None:
        known = left if right.mean is None else right
        return known.mean, known.squares
    count, step = left.count + right.count, right.mean - left.mean
    mean = left.mean + step * right.count / count
    return mean, left.squares + right.squares + step * step * left.count * right.count / count


def _numbers(values: pl.Series) -> pl.Series:
    """Return a number for each value; texts as bytes, because `7.5` and `7.50` are two texts."""
    spelled = values.cast(pl.Binary) if values.dtype == pl.String else values
    return pl.Series(permanent_random_numbers(spelled.to_frame(), seed=0))


def _smallest(numbers: pl.Series) -> pl.Series:
    return numbers.unique().bottom_k(DISTINCT_LIMIT).sort()


def _distinct(smallest: pl.Series | None) -> tuple[int | None, bool | None]:
    if smallest is None:
        return None, None
    if smallest.len() < DISTINCT_LIMIT:
        return smallest.len(), True
    return round((DISTINCT_LIMIT - 1) * 2**64 / int(smallest[-1])), False


def _known(*values: Any) -> list[Any]:
    return [value for value in values if value is not None]
