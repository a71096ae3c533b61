"""Sizes and weights of rows, as the columns of a table say them."""

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.arithmetic.exact_sums import ExactSums
from artifact_pipelines.sampling.arithmetic.proportional_to_size import ProportionalToSize, proportional_to_size
from artifact_pipelines.sampling.engine.rows import Batch, Rows
from artifact_pipelines.sampling.engine.smallest_ranks import Ranked, SmallestRanks

LARGEST_SIZE = 1e300
LEAST_SIZE = 1e-300

Floats = npt.NDArray[np.float64]


def sizes_of(batch: Batch, column: str, field: str) -> Floats:
    """Return the sizes of a batch's rows.

    Args:
        field: The design's field that names the column, for errors.

    Raises:
        InvalidArgumentError: The column is not of numbers, or a value is null, NaN, negative or infinite, or neither 0
            nor between 1e-300 and 1e300.
    """
    values = numbers_of(batch, column, field)
    if len(values) and not (values.min() >= LEAST_SIZE and values.max() <= LARGEST_SIZE):
        usable = (values >= LEAST_SIZE) & (values <= LARGEST_SIZE) | (values == 0)
        if not usable.all():
            raise _unusable(batch, column, field, int(np.argmin(usable)), "0 or a number from 1e-300 to 1e300")
    return values


def finite_values_of(batch: Batch, column: str, field: str) -> Floats:
    """Return the values of a batch's rows, of any sign.

    Raises:
        InvalidArgumentError: The column is not of numbers, or a value is null, NaN, infinite or beyond 1e150.
    """
    values = numbers_of(batch, column, field)
    if len(values) and not (values.min() >= -1e150 and values.max() <= 1e150):
        usable = np.abs(values) <= 1e150
        raise _unusable(batch, column, field, int(np.argmin(usable)), "a number from -1e150 to 1e150")
    return values


def numbers_of(batch: Batch, column: str, field: str) -> Floats:
    """Return a column of numbers as floats, null as NaN.

    Raises:
        InvalidArgumentError: The column is not of numbers.
    """
    series = batch.read([column])[column]
    if not series.dtype.is_numeric():
        raise InvalidArgumentError(field, f"{column!r}, of type {series.dtype}", "a column of numbers")
    return series.cast(pl.Float64).to_numpy()


def known_sizes(rows: Rows, column: str, sizes: Floats) -> pl.DataFrame:
    """Return the sizes of some rows as their column has them; no column if floats may have rounded them."""
    kind = rows.population.schema()[column]
    are_exact = kind.is_float() or (kind.is_integer() and sizes.max(initial=0) < 2**53)
    return pl.DataFrame({column: pl.Series(sizes).cast(kind)}) if are_exact else pl.DataFrame()


def rule_for_sizes(rows: Rows, column: str, n: int) -> tuple[ProportionalToSize, int]:
    """Return the probabilities of n rows in proportion to size, and the number of rows with a size above 0."""
    sums, sized, large = ExactSums(), 0, SmallestRanks(n)

    def measure(batch: Batch) -> tuple[ExactSums, Ranked, int]:
        sizes, batch_sums = sizes_of(batch, column, "size"), ExactSums()
        batch_sums.add(sizes)
        big = np.flatnonzero(sizes >= -large.bound)
        biggest = Ranked(-sizes[big], np.zeros(len(big), np.uint64), batch.ordinals[big], sizes[big])
        return batch_sums, biggest, int(np.count_nonzero(sizes))

    for batch_sums, biggest, count in rows.map(measure):
        sums.merge(batch_sums)
        large.add(biggest)
        sized += count
    return proportional_to_size(n, sums.totals()[0], large.smallest().sizes), sized


def notes_on_sizes(n: int, sized: int, population_size: int, size: str) -> list[str]:
    """Return what a reader should know of rows that cannot be drawn, and of a population that is too small.

    Args:
        sized: Rows with a size above 0.
        size: The word for it.
    """
    notes = []
    if missing := population_size - sized:
        notes.append(
            f"{counted(missing, 'row')} of {size} 0 cannot be drawn: the weights stand for the other {sized:,} only."
        )
    if sized < n:
        drawn = counted(sized, f"row with a {size}: it is", f"rows with a {size}: all are")
        notes.append(f"The population has only {drawn} drawn.")
    return notes


def _unusable(batch: Batch, column: str, field: str, row: int, expected: str) -> InvalidArgumentError:
    value = batch.read([column])[column][row]
    place = f"{field}: column {column!r} in row {batch.ordinals[row] + 1:,}"
    return InvalidArgumentError(place, value, f"{expected} (`where:` can leave rows out)")
