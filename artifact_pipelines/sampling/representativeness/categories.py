"""The categories of a column, as the frame has them, and the category of every row of frame and sample."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from artifact_pipelines.sampling.representativeness.weights import Groups
from artifact_pipelines.tabular.distances import WeightedNumbers
from artifact_pipelines.tabular.footer import format_cell
from artifact_pipelines.tabular.number_bins import NumberBins

_MOST_CATEGORIES = 20


def categories_of_numbers(
    frame: pl.Series, drawn: pl.Series, kind: pl.DataType
) -> tuple[Sequence[str], Groups, Groups]:
    """Return the categories of numbers, and that of each row of the frame and the sample."""
    bins = NumberBins.of(_finite(frame), _finite(drawn))
    ordinary = len(bins)

    def groups(values: pl.Series) -> Groups:
        known = values.fill_null(0).to_numpy()
        special = np.select([values.is_null().to_numpy(), np.isnan(known), np.isinf(known)], [3, 2, 1], 0)
        return np.where(special, ordinary - 1 + special, bins.place(known))

    return [*bins.labels(lambda value: _shown(value, kind)), "infinite", "NaN", "null"], groups(frame), groups(drawn)


def _finite(values: pl.Series) -> WeightedNumbers:
    known = values.drop_nulls().to_numpy()
    found, counts = np.unique(known[np.isfinite(known)], return_counts=True)
    return WeightedNumbers(found, counts.astype(np.float64))


def _shown(value: float, kind: pl.DataType) -> str:
    if kind.is_temporal():
        return str(format_cell(pl.Series([round(value)], dtype=pl.Int64).cast(kind).to_arrow()[0]))
    return f"{value:.6g}"


def categories_of_texts(frame: pl.Series, drawn: pl.Series) -> tuple[Sequence[str], Groups, Groups]:
    """Return the frequent texts of the frame, other values and null, and the category of each row."""
    counted = frame.drop_nulls().value_counts().sort("count", frame.name, descending=[True, False])
    frequent = counted[frame.name].head(_MOST_CATEGORIES)
    numbers = pl.DataFrame({"text": frequent, "number": range(len(frequent))}, schema_overrides={"number": pl.Int64})

    def groups(values: pl.Series) -> Groups:
        found = values.to_frame("text").join(numbers, on="text", how="left", maintain_order="left")["number"]
        return np.where(values.is_null().to_numpy(), len(frequent) + 1, found.fill_null(len(frequent)).to_numpy())

    return [*frequent.to_list(), "other values", "null"], groups(frame), groups(drawn)
