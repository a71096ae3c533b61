"""The shape of a column: quantiles, histogram, most frequent values and patterns of texts, from the row sample."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from artifact_pipelines.analysis.profile.days import finite_times
from artifact_pipelines.analysis.profile.shown import shown_kept, shown_value
from artifact_pipelines.analysis.profile.stored_values import is_time, physical_values
from artifact_pipelines.analysis.profile.summary import ColumnSummary
from artifact_pipelines.tabular.arrow_types import is_string

TOP_VALUES = 10
TOP_PATTERNS = 5
BINS = 20
WHOLE_BINS = 31
"""Whole numbers in so small a range have a bin each, such as days of a month: equal bins would hold one or two."""

QUANTILES: Mapping[str, float] = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}

_SEEN = 10  # a rarer value of the sample is no frequent one

Floats = npt.NDArray[np.float64]


def shape_of(summary: ColumnSummary, sample: pa.ChunkedArray, kind: pa.DataType) -> dict[str, Any]:
    """Return the statistics of a column that follow from its row sample, or from its distinct values if all are known.

    Args:
        summary: Of the whole column.
        sample: Its values in the row sample.
        kind: Type of its values.
    """
    values = sample.combine_chunks().drop_null()
    found: dict[str, Any] = {}
    if summary.smallest is not None and len(values):
        found["top_values"] = _known_top(summary, kind) if summary.smallest.is_all else _sampled_top(values, kind)
    if summary.moments is not None and len(values) and not pa.types.is_boolean(kind):
        numbers = finite_numbers(values)
        found |= _quantiles(numbers) | {"histogram": _histogram(numbers)} if len(numbers) else {}
    if is_time(kind) and len(values):
        found |= _times(values, kind)
    if is_string(kind) and len(values):
        found["patterns"] = _patterns(values)
    return found


def finite_numbers(values: pa.Array) -> Floats:
    """Return the finite ones of numbers, as floats."""
    kind = values.type
    if pa.types.is_decimal(kind):
        stored = physical_values(values)
        floats = values.cast(pa.float64()).to_numpy() if stored is None else stored / 10.0**kind.scale
    else:
        floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    finite: Floats = floats[np.isfinite(floats)]
    return finite


def _times(values: pa.Array, kind: pa.DataType) -> dict[str, Any]:
    """Return quantiles and histogram of times, without DuckDB's infinite ones in the latter."""
    stored = physical_values(values)
    if stored is None:
        return {}
    ordered = np.sort(finite_times(stored, kind))
    if not len(ordered):
        return {}
    at = {name: max(0, math.ceil(share * len(ordered)) - 1) for name, share in QUANTILES.items()}
    quantiles = {name: shown_value(int(ordered[position]), kind) for name, position in at.items()}
    return {"time_quantiles": quantiles, "time_histogram": _time_histogram(ordered, kind)}


def _time_histogram(ordered: npt.NDArray[np.int64], kind: pa.DataType) -> list[dict[str, Any]] | None:
    low, high = int(ordered[0]), int(ordered[-1])
    step = (high - low) // BINS + 1
    edges = [low + step * number for number in range((high - low) // step + 1)]
    if len(edges) < 2:
        return None
    ends = [*edges[1:], min(edges[-1] + step, 2 ** (kind.bit_width - 1) - 2)]
    places = np.append(np.searchsorted(ordered, np.array(edges)), len(ordered))
    shares = (np.diff(places) / len(ordered)).tolist()
    shown = ((shown_value(start, kind), shown_value(end, kind)) for start, end in zip(edges, ends, strict=True))
    return [{"low": start, "high": end, "share": share} for (start, end), share in zip(shown, shares, strict=True)]


def _quantiles(numbers: Floats) -> dict[str, float]:
    found = 2 * np.quantile(numbers / 2, list(QUANTILES.values()))  # halved: a difference of two floats may overflow
    return dict(zip(QUANTILES, found.tolist(), strict=True))


def _histogram(numbers: Floats) -> list[dict[str, float]] | None:
    low, high = float(numbers.min()), float(numbers.max())
    if low == high or not np.isfinite(high - low) or (high - low) / BINS < np.spacing(max(abs(low), abs(high))):
        return None
    if high - low < WHOLE_BINS and (numbers == np.floor(numbers)).all():
        return _whole_histogram(numbers, low)
    counts, edges = np.histogram(numbers, BINS, (low, high))
    shares = (counts / len(numbers)).tolist()
    bins = zip(edges[:-1].tolist(), edges[1:].tolist(), shares, strict=True)
    return [{"low": low, "high": high, "share": share} for low, high, share in bins]


def _whole_histogram(numbers: Floats, low: float) -> list[dict[str, float]]:
    """Return one bin for each number: equally wide ones of 1 to 12 would have gaps."""
    shares = (np.bincount((numbers - low).astype(np.int64)) / len(numbers)).tolist()
    return [{"low": low + number, "high": low + number, "share": share} for number, share in enumerate(shares)]


def _known_top(summary: ColumnSummary, kind: pa.DataType) -> list[dict[str, Any]]:
    known = summary.smallest
    if known is None or known.values is None:
        return []
    order = np.lexsort((known.numbers, -known.counts))[:TOP_VALUES].tolist()
    values = summary.rows - summary.nulls
    return [
        {
            "value": shown_kept(known.values[at], kind),
            "count": int(known.counts[at]),
            "share": known.counts[at] / values,
        }
        for at in order
    ]


def _sampled_top(values: pa.Array, kind: pa.DataType) -> list[dict[str, Any]]:
    counted = values.value_counts()
    counts = counted.field("counts").to_numpy()
    order = np.argsort(-counts, kind="stable")[:TOP_VALUES]
    found = counted.field("values")
    return [
        {"value": shown_kept(found[int(at)], kind), "count": None, "share": counts[at] / len(values)}
        for at in order
        if counts[at] >= _SEEN
    ]


def _patterns(texts: pa.Array) -> list[dict[str, Any]]:
    """Return the most frequent shapes of texts: a run of capitals is A, of other letters a, of digits 9."""
    decoded = [text[:64].decode(errors="replace") for text in texts[: 4 * 4096].to_pylist()]
    shape = pl.col("shape")
    for run, letter in ((r"[0-9]+", "9"), (r"\p{Lu}+", "A"), (r"[\p{L}--\p{Lu}--A]+", "a")):
        shape = shape.str.replace_all(run, letter)
    texts_counted = pl.DataFrame({"shape": decoded}).group_by("shape").len()
    counted = texts_counted.with_columns(shape).group_by("shape").agg(pl.col("len").sum())
    top = counted.sort("len", "shape", descending=[True, False]).head(TOP_PATTERNS)
    return [{"pattern": pattern, "share": count / len(decoded)} for pattern, count in top.iter_rows()]
