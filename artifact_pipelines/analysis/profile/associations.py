"""How the columns of a table go together, in its row sample.

    two numbers               Pearson's r and Spearman's rho, from -1 to 1
    two categories            Cramér's V, from 0 to 1
    a number and a category   the correlation ratio, from 0 to 1

A pair of columns is compared on the rows where both have a finite value. Ranks are those of the whole column. V and the
ratio are corrected for chance, so independent columns have about 0 however many categories they have.

Source: Bergsma, "A bias-correction for Cramér's V and Tschuprow's T", Journal of the Korean Statistical Society, 2013;
Kelley, "An unbiased correlation ratio measure", PNAS, 1935.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from artifact_pipelines.analysis.profile.stored_values import is_number, physical_values, value_type
from artifact_pipelines.tabular.arrow_types import is_string

MOST_COMPARED = 64
"""Columns that are compared with each other; those that come first in the table."""
MOST_CATEGORIES = 256
FEWEST_ROWS = 10
"""Fewer rows do not show how columns go together."""
MEASURES = ("pearson", "spearman", "cramers_v", "correlation_ratio")

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Compared:
    """A column of the sample.

    Attributes:
        position: Position in the table.
        values: (rows,) of numbers, NaN where there is none; of categories, their codes, -1 where there is none.
        categories: How many categories; 0: it has numbers.
    """

    position: int
    values: Floats | Codes
    categories: int = 0


def correlations(schema: pa.Schema, sample: pa.Table) -> list[list[dict[str, Any]] | None]:
    """Return, for each column of a table, how it goes together with the others; None: it is not compared.

    Each entry has the name of the other `column` and those of `MEASURES` that fit both.
    """
    compared = _compared_columns(schema, sample) if sample.num_rows >= FEWEST_ROWS else []
    found: list[list[dict[str, Any]] | None] = [None] * len(schema)
    for column in compared:
        found[column.position] = []
    for left, right, measures in _measured_pairs(compared):
        for one, other in ((left, right), (right, left)):
            entries = found[one]
            if entries is not None:
                entries.append({"column": schema.field(other).name, **measures})
    return found


def _compared_columns(schema: pa.Schema, sample: pa.Table) -> list[Compared]:
    found = list[Compared]()
    for position, (field, column) in enumerate(zip(schema, sample.columns, strict=True)):
        made = _compared(position, column.combine_chunks(), value_type(field.type))
        if made is not None:
            found.append(made)
        if len(found) == MOST_COMPARED:
            break
    return found


def _compared(position: int, values: pa.Array, kind: pa.DataType) -> Compared | None:
    """Return a column that can be compared: numbers that differ, or categories that repeat."""
    if is_string(kind) or pa.types.is_boolean(kind):
        encoded = values.dictionary_encode()
        categories = len(encoded.dictionary)
        if not 2 <= categories <= min(MOST_CATEGORIES, (len(values) - values.null_count) // 2):
            return None
        return Compared(position, encoded.indices.fill_null(-1).to_numpy().astype(np.int64), categories)
    if not is_number(kind):
        return None
    numbers = _numbers(values)
    finite = numbers[np.isfinite(numbers)]
    return Compared(position, numbers) if len(finite) and finite.min() < finite.max() else None


def _numbers(values: pa.Array) -> Floats:
    """Return numbers on any scale that keeps their differences, NaN where there is none or an infinite one."""
    stored = physical_values(values.drop_null())
    found = np.full(len(values), np.nan)
    if stored is None:
        present = values.drop_null().cast(pa.float64()).to_numpy()
    elif stored.dtype == np.float64:
        present = np.where(np.isfinite(stored), stored, np.nan)
    else:  # integers near 2**63 differ by less than floats show
        present = (stored - stored.min(initial=stored.max(initial=0))).view(np.uint64).astype(np.float64)
    found[values.is_valid().to_numpy(zero_copy_only=False)] = present
    return found


def _measured_pairs(compared: Sequence[Compared]) -> Iterable[tuple[int, int, dict[str, float | None]]]:
    """Yield the positions of both columns and the measures of each pair that has any."""
    numbers = [column for column in compared if not column.categories]
    categories = [column for column in compared if column.categories]
    yield from _measured_numbers(numbers)
    for at, left in enumerate(categories):
        for right in categories[:at]:
            v = cramers_v(left, right)
            if v is not None:
                yield right.position, left.position, {"cramers_v": v}
        for right in numbers:
            ratio = correlation_ratio(right, left)
            if ratio is not None:
                yield right.position, left.position, {"correlation_ratio": ratio}


def _measured_numbers(numbers: Sequence[Compared]) -> Iterable[tuple[int, int, dict[str, float | None]]]:
    if len(numbers) < 2:
        return
    values = np.stack([column.values for column in numbers])
    ranks = pl.DataFrame(values.T).select(pl.all().fill_nan(None).rank().fill_null(math.nan)).to_numpy().T
    pearson, spearman = correlation_matrix(values), correlation_matrix(ranks)
    for at, left in enumerate(numbers):
        for other, right in enumerate(numbers[at + 1 :], at + 1):
            measures = {"pearson": _known(pearson[at, other]), "spearman": _known(spearman[at, other])}
            if any(value is not None for value in measures.values()):
                yield left.position, right.position, measures


def correlation_matrix(values: npt.NDArray[Any]) -> Floats:
    """Return the correlation of each pair of columns, on the rows where both have a number.

    Args:
        values: (columns, rows) NaN where there is no number.

    Returns:
        (columns, columns) from -1 to 1; NaN where one of the two is constant on their rows, or nearly so for its range.
    """
    scale = np.nanmax(np.abs(values), axis=1, keepdims=True)
    scaled = values / np.where(scale > 0, scale, 1)
    scaled -= np.nanmean(scaled, axis=1, keepdims=True)
    scaled /= np.nanmax(np.abs(scaled), axis=1, keepdims=True)
    is_known = np.isfinite(scaled)
    known, present = np.where(is_known, scaled, 0.0), is_known.astype(np.float64)
    count = present @ present.T
    total = known @ present.T  # of the row's column, on the rows that the other one has
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.square(known) @ present.T - np.square(total) / count
        spread[spread <= 1e-12 * count] = np.nan
        found = (known @ known.T - total * total.T / count) / np.sqrt(spread * spread.T)
    return np.clip(found, -1, 1)


def cramers_v(left: Compared, right: Compared) -> float | None:
    """Return Cramér's V of two columns of categories, corrected for chance; None if one is constant on their rows."""
    is_known = (left.values >= 0) & (right.values >= 0)
    cells = left.values[is_known] * right.categories + right.values[is_known]
    table = np.bincount(cells.astype(np.int64), minlength=left.categories * right.categories)
    table = table.reshape(left.categories, right.categories)
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    count = int(table.sum())
    if min(table.shape) < 2:
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / count
    phi2 = float((np.square(table - expected) / expected).sum()) / count
    rows, columns = table.shape
    corrected = max(0.0, phi2 - (rows - 1) * (columns - 1) / (count - 1))
    most = min(side - (side - 1) ** 2 / (count - 1) for side in table.shape) - 1
    return min(1.0, math.sqrt(corrected / most)) if most > 0 else None


def correlation_ratio(numbers: Compared, categories: Compared) -> float | None:
    """Return the square root of the share of the numbers' variance that lies between the categories.

    It is corrected for chance. None if the numbers or categories are constant on their rows, or no category repeats.
    """
    is_known = np.isfinite(numbers.values) & (categories.values >= 0)
    values, codes = numbers.values[is_known], categories.values[is_known].astype(np.int64)
    if not len(values):
        return None
    values = values / max(1.0, float(np.abs(values).max()))  # squares of the largest floats overflow
    deviations = values - values.mean()
    counts = np.bincount(codes)
    used = counts > 0
    between = float((np.square(np.bincount(codes, deviations)[used]) / counts[used]).sum())
    total = float(np.square(deviations).sum())
    free = len(values) - int(used.sum())
    if used.sum() < 2 or free < 1 or total <= 0:
        return None
    return math.sqrt(max(0.0, 1 - (1 - min(1.0, between / total)) * (len(values) - 1) / free))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
