"""Compares a sample with its frame: do the weighted shares of every column differ more than chance explains?

The one idea: distance alone cries wolf for a small sample, and chance alone for a large one, so a column is out of line
only if it is both: too far, and too far for a sample of this design. The variance of a share comes from the sample's
weights; rows of a cluster count together.

Source: Rao and Scott, "The analysis of categorical data from complex sample surveys", JASA 76, 1981 (the first-order
correction of the chi-square test).
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.sampling.drawing import Sample
from artifact_pipelines.sampling.engine.choice import ORDINAL, SAMPLING_WEIGHT
from artifact_pipelines.sampling.engine.population import in_threads
from artifact_pipelines.sampling.engine.rows import Batch, Rows
from artifact_pipelines.sampling.representativeness.categories import categories_of_numbers, categories_of_texts
from artifact_pipelines.sampling.representativeness.weights import Groups, Weights
from artifact_pipelines.tabular.distances import (
    Shares,
    chance_of,
    join_rare,
    total_variation,
)
from artifact_pipelines.tabular.spread_positions import spread_positions

LARGEST_DISTANCE = 0.05
"""A column is in line if at most this share of the weight is in other categories than in the frame."""

MOST_CHANCE = 0.001
"""A column is in line if chance brings such a difference more often, in any of the columns."""

_MOST_SHOWN = 50
_TEXT_CHARACTERS = 64
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class ColumnDistance:
    """A column of a sample, compared with that of the frame.

    Attributes:
        distance: Share of the sample's weight that is in other categories than in the frame, from 0 to 1.
        noise: The distance that chance alone brings on average.
        chance: Probability that chance alone brings such a difference.
        category: The value or range whose share differs most.
        in_frame: Its share of the frame.
        in_sample: Its weighted share of the sample.
    """

    column: str
    distance: float
    noise: float
    chance: float
    category: str
    in_frame: float
    in_sample: float

    @property
    def text(self) -> str:
        """Return the difference in words."""
        shares = (self.distance, self.noise, self.in_frame, self.in_sample)
        away, noise, framed, sampled = map(_percent, shares)
        where = f"most at {self.category}, {framed} of the frame and {sampled} of the sample"
        return f"{self.column}: {away} of the weight lies elsewhere (by chance about {noise}), {where}"

    def is_in_line(self, columns: int) -> bool:
        """True if the difference is small, or chance explains it in one of so many columns."""
        return self.distance <= LARGEST_DISTANCE or self.chance * columns >= MOST_CHANCE


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def distances_table(distances: Sequence[ColumnDistance]) -> str:
    """Return the columns that differ most as a table in Markdown."""
    lines = ["| column | distance | by chance | differs most at | frame | sample |", "|---|--:|--:|---|--:|--:|"]
    for each in distances[:_MOST_SHOWN]:
        name, category = (text.replace("|", "\\|").replace("\n", " ") for text in (each.column, each.category))
        shares = (each.distance, each.noise, each.in_frame, each.in_sample)
        away, noise, framed, sampled = (_percent(share).replace(" ", "\u00a0") for share in shares)  # on one line
        lines.append(f"| {name:.80} | {away} | {noise} | {category:.80} | {framed} | {sampled} |")
    if len(distances) > _MOST_SHOWN:
        lines.append(f"\n{len(distances):,} columns, the {_MOST_SHOWN} farthest shown.")
    return "\n".join(lines)


def compare_with_frame(sample: Sample) -> Sequence[ColumnDistance]:
    """Return the columns of a sample that can be compared, the farthest from the frame first.

    It reads the table once. Of more than 65,536 rows of the frame or the sample as many are compared.
    """
    choice, frame = sample.choice, sample.frame
    if not choice.drawn or choice.drawn == choice.population_size:
        return []
    schema, shown = frame.population.schema(), sample.rows.collect_schema()
    names = [name for name, kind in schema.items() if name in shown and _is_flat(kind)]
    rows, drawn = _read(sample, names)
    scale = choice.drawn / drawn.height
    clusters = _cluster_numbers(drawn["cluster"]) if "cluster" in drawn.columns else None
    weights = Weights(drawn[SAMPLING_WEIGHT].to_numpy() * scale, clusters)
    missed = 1 / rows.height - 1 / frame.count
    found = [_compared(rows[name], drawn[name], schema[name], weights, missed) for name in names]
    return sorted(found, key=lambda each: (-each.distance, each.column))


def _cluster_numbers(names: pl.Series) -> Groups:
    known = names.unique(maintain_order=True)
    numbers = pl.DataFrame({"cluster": known, "number": range(len(known))})
    found = names.to_frame("cluster").join(numbers, on="cluster", nulls_equal=True, maintain_order="left")
    return found["number"].to_numpy().astype(np.intp)


def _is_flat(kind: pl.DataType) -> bool:
    return not kind.is_nested() and kind not in (pl.Binary, pl.Object, pl.Null)


def _read(sample: Sample, names: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return some columns of rows of the frame, and of the sample with what its design says about them."""
    choice, frame = sample.choice, sample.frame
    bounds, starts = frame.population.bounds, choice.starts(frame.population.bounds)
    of_frame = spread_positions(frame.count, len(names))
    of_sample = spread_positions(choice.drawn, len(names))

    def of_slice(number: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        batch = Batch(frame, number)
        wanted = batch.ordinals[_between(of_frame, batch.start, batch.start + len(batch))] - bounds[number]
        drawn = choice.of_slice(number, starts[number], starts[number + 1])
        drawn = drawn[_between(of_sample, starts[number], starts[number + 1])]
        read = frame.population.read(number, names).select(_reduced(frame, names))
        return read[wanted], read[drawn[ORDINAL] - bounds[number]].hstack(drawn.drop(ORDINAL))

    parts = list(in_threads(of_slice, frame.population.slices))
    return pl.concat([left for left, _ in parts]), pl.concat([right for _, right in parts])


def _between(positions: npt.NDArray[np.int64], first: int, stop: int) -> npt.NDArray[np.int64]:
    """Return the positions from one to another, counted from the first."""
    here: npt.NDArray[np.int64] = positions[slice(*np.searchsorted(positions, [first, stop]))] - first
    return here


def _reduced(frame: Rows, names: Sequence[str]) -> Sequence[pl.Expr]:
    """Return columns as floats, or as texts that are not longer than needed."""
    schema = frame.population.schema()
    return [_as_compared(name, schema[name]) for name in names]


def _as_compared(name: str, kind: pl.DataType) -> pl.Expr:
    if kind.is_temporal():
        return pl.col(name).to_physical().cast(pl.Float64)
    return (
        pl.col(name).cast(pl.Float64) if kind.is_numeric() else pl.col(name).cast(pl.String).str.head(_TEXT_CHARACTERS)
    )


def _compared(frame: pl.Series, drawn: pl.Series, kind: pl.DataType, weights: Weights, missed: float) -> ColumnDistance:
    """Compare a column.

    Args:
        kind: Type of its values in the table.
        missed: 1 / rows of the frame that are compared - 1 / all of its rows.
    """
    labels, of_frame, of_sample = (
        categories_of_numbers(frame, drawn, kind) if frame.dtype == pl.Float64 else categories_of_texts(frame, drawn)
    )
    expected = np.bincount(of_frame, minlength=len(labels)) / len(frame)
    found = weights.shares(of_sample, len(labels))
    most = int(np.lexsort((expected, np.abs(found - expected)))[-1])
    joined = join_rare(expected / max(weights.inverse_size, 1e-300))
    shares = np.bincount(joined, expected).astype(np.float64)
    differences = np.bincount(joined, found - expected).astype(np.float64)
    variances = weights.variances(joined[of_sample], shares) + shares * (1 - shares) * missed
    noise = np.sqrt((weights.variances(of_sample, expected) + expected * (1 - expected) * missed) / (2 * math.pi))
    return ColumnDistance(
        column=frame.name,
        distance=total_variation(expected, found),
        noise=float(noise.sum()),
        chance=_chance(differences, shares, variances),
        category=labels[most],
        in_frame=float(expected[most]),
        in_sample=float(found[most]),
    )


def _chance(differences: Shares, shares: Shares, variances: Shares) -> float:
    used = variances > 0
    if not used.any():
        return 1.0 if np.abs(differences).max() < _ROUNDING else 0.0
    degrees = len(shares) - 1
    effect = (variances[used] / shares[used]).sum() / max(1, degrees)
    return chance_of(float((differences[used] ** 2 / shares[used]).sum() / effect), degrees)
