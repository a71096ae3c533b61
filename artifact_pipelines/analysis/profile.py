"""A profile describes every column of a table, in one pass: map over batches, merge, finish.

Batches have a fixed size and are merged in order, so that the same table gives the same profile to the last bit,
whatever the number of threads.
"""

import dataclasses
import functools
import math
from typing import Any, BinaryIO

import polars as pl
import pyarrow.parquet as pq

from artifact_pipelines.tabular.random_numbers import permanent_random_numbers

BATCH_ROWS = 65_536
DISTINCT_LIMIT = 4096
"""Up to here distinct values are counted, above they are estimated, with a standard error of 1 / sqrt(4096) = 1.6 %."""

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


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnPart:
    """What is known of one column after some batches.

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


def profile(source: BinaryIO) -> pl.DataFrame:
    """Describe every column of a Parquet file.

    Args:
        source: Seekable stream of the file.

    Returns:
        One row for each column: `column`, `type`, `row_count`, `null_count`, `distinct_count` (without nulls; see
        `distinct_is_exact`), `minimum` and `maximum` as text, `mean` and `standard_deviation` (n - 1) of numbers.

    Source:
        Moments: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
        1979. Distinct values: Bar-Yossef et al., "Counting distinct elements in a data stream", RANDOM 2002.
    """
    file = pq.ParquetFile(source)
    empty = pl.DataFrame(pl.from_arrow(file.schema_arrow.empty_table()))
    parts = {column.name: measure(column) for column in empty.iter_columns()}
    for batch in file.iter_batches(batch_size=BATCH_ROWS):
        for column in pl.DataFrame(pl.from_arrow(batch)).iter_columns():
            parts[column.name] = merge(parts[column.name], measure(column))
    return pl.DataFrame([finish(name, part) for name, part in parts.items()], schema=_SCHEMA, orient="row")


def measure(column: pl.Series) -> ColumnPart:
    """Map: describe one batch of a column."""
    values = column.drop_nulls()
    kind = column.dtype
    numbers = values.cast(pl.Float64) if kind.is_numeric() else None
    mean = float(numbers.mean()) if numbers is not None and values.len() else None  # type: ignore[arg-type]
    squares = 0.0 if numbers is None or mean is None else float(((numbers - mean) ** 2).sum())
    ordered = not kind.is_nested() and kind not in (pl.Binary, pl.Null, pl.Object)
    texts = values.cast(pl.String) if kind in (pl.Categorical, pl.Enum) else values
    return ColumnPart(
        type=str(kind),
        row_count=column.len(),
        count=values.len(),
        minimum=texts.min() if ordered else None,
        maximum=texts.max() if ordered else None,
        mean=mean,
        squares=squares,
        smallest=None if kind.is_nested() else _smallest(permanent_random_numbers(values.to_frame(), seed=0)),
    )


def merge(left: ColumnPart, right: ColumnPart) -> ColumnPart:
    """Merge: describe two runs of batches as one."""
    mean, squares = _merged_moments(left, right)
    smallest = (
        _smallest(left.smallest.append(right.smallest))
        if left.smallest is not None and right.smallest is not None
        else None
    )
    return ColumnPart(
        type=left.type,
        row_count=left.row_count + right.row_count,
        count=left.count + right.count,
        minimum=_extreme(min, left.minimum, right.minimum),
        maximum=_extreme(max, left.maximum, right.maximum),
        mean=mean,
        squares=squares,
        smallest=smallest,
    )


def finish(name: str, part: ColumnPart) -> tuple[Any, ...]:
    """Finish: return the row of a column, as `profile` has it."""
    distinct, exact = _distinct(part.smallest)
    deviation = math.sqrt(part.squares / (part.count - 1)) if part.mean is not None and part.count > 1 else None
    return (
        name,
        part.type,
        part.row_count,
        part.row_count - part.count,
        distinct,
        exact,
        None if part.minimum is None else str(part.minimum),
        None if part.maximum is None else str(part.maximum),
        part.mean,
        deviation,
    )


def _merged_moments(left: ColumnPart, right: ColumnPart) -> tuple[float | None, float]:
    if left.mean is None or right.mean is None:
        known = left if right.mean is None else right
        return known.mean, known.squares
    count, step = left.count + right.count, right.mean - left.mean
    mean = left.mean + step * right.count / count
    return mean, left.squares + right.squares + step * step * left.count * right.count / count


def _smallest(numbers: pl.Series) -> pl.Series:
    return numbers.unique().bottom_k(DISTINCT_LIMIT).sort()


def _distinct(smallest: pl.Series | None) -> tuple[int | None, bool | None]:
    if smallest is None:
        return None, None
    if smallest.len() < DISTINCT_LIMIT:
        return smallest.len(), True
    return round((DISTINCT_LIMIT - 1) * 2**64 / int(smallest[-1])), False


def _extreme(choose: Any, left: Any, right: Any) -> Any:
    known = [value for value in (left, right) if value is not None]
    return functools.reduce(choose, known) if known else None
