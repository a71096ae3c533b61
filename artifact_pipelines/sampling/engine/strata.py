"""Strata of a population: their sizes, and the rows with the smallest numbers of each.

One idea: one pass counts the rows of all strata, and keeps those that almost certainly suffice for a sample in
proportion. Only strata that need more of their rows are passed over again.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.arithmetic.elementary import Numbers
from artifact_pipelines.sampling.arithmetic.exact_sums import ExactSums
from artifact_pipelines.sampling.engine.choice import ORDINAL
from artifact_pipelines.sampling.engine.labels import labels
from artifact_pipelines.sampling.engine.rows import Batch, Ordinals, Rows
from artifact_pipelines.sampling.engine.sizes import finite_values_of
from artifact_pipelines.sampling.engine.smallest import share_to_keep
from artifact_pipelines.tabular.frame_chunks import take_rows
from artifact_pipelines.tabular.sql_expression import SqlExpression

MOST_STRATA = 1_000_000
LABEL = "stratum"
_NUMBER, _INDEX, _SIZE = "__number", "__index", "__size"
_MARGIN = 1.25
_WIDER = 4
_AT_ONCE = 64  # batches whose counts are added at once

By = Callable[[Batch], pl.DataFrame]
"""Returns the columns that say to which stratum each row of a batch belongs."""


def strata_by(rows: Rows, by: str | Sequence[str]) -> By:
    """Return the strata of some columns, or of the values of a SQL expression.

    Raises:
        UsageError: There is no such column, or it is no expression.
    """
    schema = rows.population.schema()
    columns = [by] if isinstance(by, str) else by
    if not isinstance(by, str) or by in schema:
        rows.check_flat("by", columns)
        return lambda batch: batch.read(columns)
    expression = SqlExpression("by", by, schema)
    return lambda batch: expression.evaluate(batch.read(expression.columns)).alias(by).to_frame()


@dataclasses.dataclass(frozen=True)
class Strata:
    """The strata of a population, sorted by their labels.

    Attributes:
        table: One row for each stratum: the values that define it, its label as `stratum`, and its number of rows.
        near: Rows with small numbers by position: the index of their stratum, their numbers and positions.
    """

    rows: Rows
    by: By
    table: pl.DataFrame
    near: pl.DataFrame

    @property
    def labels(self) -> list[str | None]:
        """Return the names of the strata; None: the one of nulls."""
        return self.table[LABEL].to_list()

    @property
    def sizes(self) -> list[int]:
        """Return N_h."""
        return self.table[_SIZE].to_list()

    def smallest(self, wanted: Sequence[int]) -> pl.DataFrame:
        """Return the n_h rows of each stratum with the smallest numbers: their positions, and the index of the stratum.

        Args:
            wanted: n_h of each stratum, at most N_h.
        """
        needed = np.array(wanted, np.int64)
        found, share = _first(self.near, needed), 1.0
        while len(lacking := np.flatnonzero(_counts(found, needed) < needed)):
            bounds = self._bounds(lacking, needed, share)
            again = [_first(part, needed) for part in self.rows.map(lambda batch, b=bounds: self._below(batch, b))]  # type: ignore[misc]
            others = found.filter(~pl.col(_INDEX).is_in(lacking))
            found, share = pl.concat([others, _first(pl.concat(again), needed)]), share * _WIDER
        return found.select(ORDINAL, _INDEX).sort(ORDINAL)

    def index_of_rows(self) -> npt.NDArray[Any]:
        """Return the index of each row's stratum, with as few bytes as they fit in."""
        indexed, kind = _indexed(self.table), np.min_scalar_type(self.table.height)
        return np.concatenate(list(self.rows.map(lambda batch: _index_of(self.by(batch), indexed).astype(kind))))

    def rows_at(self, index: npt.NDArray[Any], number: int, seed: int) -> Rows:
        """Return the rows of one stratum, with the numbers of a seed.

        Args:
            index: `index_of_rows`.
        """
        here = self.rows.filtered(lambda batch: index[batch.start : batch.start + len(batch)] == number)
        return dataclasses.replace(here, identity=dataclasses.replace(here.identity, seed=seed))

    def sums(self, column: str) -> tuple[ExactSums, ExactSums]:
        """Return the sums and the sums of squares of a column in each stratum."""
        indexed = _indexed(self.table)

        def measure(batch: Batch) -> tuple[ExactSums, ExactSums]:
            sums, squares = ExactSums(indexed.height), ExactSums(indexed.height)
            group = _index_of(self.by(batch), indexed).astype(np.intp)
            values = finite_values_of(batch, column, "variable")
            sums.add(values, group)
            squares.add_squares(values, group)
            return sums, squares

        totals = ExactSums(indexed.height), ExactSums(indexed.height)
        for found in self.rows.map(measure):
            for total, part in zip(totals, found, strict=True):
                total.merge(part)
        return totals

    def _below(self, batch: Batch, bounds: pl.DataFrame) -> pl.DataFrame:
        numbered = _named(self.by(batch)).with_columns(
            pl.Series(_NUMBER, batch.numbers), pl.Series(ORDINAL, batch.ordinals)
        )
        joined = _joined(numbered, bounds)
        return joined.filter(pl.col(_NUMBER) <= pl.col("bound")).select(_INDEX, _NUMBER, ORDINAL)

    def _bounds(self, lacking: npt.NDArray[np.intp], wanted: npt.NDArray[np.int64], share: float) -> pl.DataFrame:
        """Return some strata with the largest number that is kept of each."""
        shares = [min(1.0, share * share_to_keep(int(wanted[index]), self.sizes[index])) for index in lacking]
        last = [2**64 - 1 if one == 1 else int(2.0**64 * one) for one in shares]
        return _indexed(self.table)[lacking].with_columns(pl.Series("bound", last, dtype=pl.UInt64))


def find_strata(rows: Rows, by: By, n: int) -> Strata:
    """Count the rows of all strata, in one pass.

    Args:
        n: Rows of the whole sample; rows with small numbers are kept for it.

    Raises:
        InvalidArgumentError: There are more than a million strata.
    """
    last = np.uint64(min(2.0**64 * min(1.0, _MARGIN * share_to_keep(n, rows.count)), 2.0**64 - 2048))

    def measure(batch: Batch) -> tuple[pl.DataFrame, pl.DataFrame, Numbers, Ordinals]:
        values = _named(by(batch))
        near = np.flatnonzero(batch.numbers <= last)
        return _counted(values), take_rows(values, near), batch.numbers[near], batch.ordinals[near]

    counts: list[pl.DataFrame] = []
    near: list[tuple[pl.DataFrame, Numbers, Ordinals]] = []
    for found in rows.map(measure):
        counts.append(found[0])
        near.append(found[1:])
        if len(counts) == _AT_ONCE:
            counts = [_added(counts)]
    table = _labelled(_added(counts))
    values, numbers, ordinals = zip(*near, strict=True)
    index = _index_of(pl.concat(values), _indexed(table))
    kept = {_INDEX: index, _NUMBER: np.concatenate(numbers), ORDINAL: np.concatenate(ordinals)}
    return Strata(rows, by, table, pl.DataFrame(kept))


def _named(values: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that define strata with names that are no others."""
    return values.rename({name: f"s{number}" for number, name in enumerate(values.columns)})


def _indexed(table: pl.DataFrame) -> pl.DataFrame:
    """Return the values that define strata, after their index."""
    return table.drop(LABEL, _SIZE).with_row_index(_INDEX)


def _joined(values: pl.DataFrame, indexed: pl.DataFrame) -> pl.DataFrame:
    keys = [name for name in values.columns if name in indexed.columns]
    return values.join(indexed, on=keys, nulls_equal=True, maintain_order="left")


def _index_of(values: pl.DataFrame, indexed: pl.DataFrame) -> npt.NDArray[np.uint32]:
    """Return the index of the stratum of each row."""
    return _joined(_named(values), indexed)[_INDEX].to_numpy()


def _counted(values: pl.DataFrame) -> pl.DataFrame:
    if values.width == 1:  # faster than a group-by
        return values.to_series().value_counts(name=_SIZE).with_columns(pl.col(_SIZE).cast(pl.Int64))
    return values.group_by(pl.all()).agg(pl.len().cast(pl.Int64).alias(_SIZE))


def _added(counts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    added = pl.concat(counts).group_by(pl.exclude(_SIZE)).agg(pl.col(_SIZE).sum())
    if added.height > MOST_STRATA:
        raise InvalidArgumentError("by", f"{added.height:,} and more", f"at most {MOST_STRATA:,} strata")
    return added


def _labelled(table: pl.DataFrame) -> pl.DataFrame:
    """Return the strata with their names, by which they are sorted."""
    return table.with_columns(labels(table.select(pl.exclude(_SIZE))).alias(LABEL)).sort(LABEL, nulls_last=True)


def _first(near: pl.DataFrame, wanted: npt.NDArray[np.int64]) -> pl.DataFrame:
    """Return the wanted number of rows of each stratum, by number and position, in the order of `near`."""
    index, counts = near[_INDEX].to_numpy(), _counts(near, wanted)
    order = np.lexsort((near[_NUMBER].to_numpy(), index))
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return near[np.sort(order[rank < wanted[index[order]]])]


def _counts(near: pl.DataFrame, wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.bincount(near[_INDEX].to_numpy(), minlength=len(wanted))
