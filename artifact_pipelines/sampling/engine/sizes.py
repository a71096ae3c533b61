"""Sizes and weights of rows, as the columns of a table say them."""

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.engine.rows import Batch

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


def _unusable(batch: Batch, column: str, field: str, row: int, expected: str) -> InvalidArgumentError:
    value = batch.read([column])[column][row]
    place = f"{field}: column {column!r} in row {batch.ordinals[row] + 1:,}"
    return InvalidArgumentError(place, value, f"{expected} (`where:` can leave rows out)")
