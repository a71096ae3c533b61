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
from artifact_pipelines.sampling.arithmetic.exact_sums import ExactSums
from artifact_pipelines.sampling.engine.choice import ORDINAL
from artifact_pipelines.sampling.engine.labels import labels
from artifact_pipelines.sampling.engine.rows import Batch, Rows
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
        near: Rows with small numbers: the values of their stratum, their numbers and positions.
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
        indexed = self.table.with_columns(pl.Series("wanted", wanted, dtype=pl.Int64)).with_row_index(_INDEX)
        found, share = _first(self._joined(self.near, indexed)), 1.0
        while (lacking := _lacking(found, indexed)).height:
            bounds = _bounds(lacking, share)
            again = [_first(part) for part in self.rows.map(lambda batch, b=bounds: self._below(batch, b))]  # type: ignore[misc]
            others = found.join(lacking, on=_INDEX, how="anti")
            found, share = pl.concat([others, _first(pl.concat(again))]), share * _WIDER
        return found.select(ORDINAL, _INDEX).sort(ORDINAL)

    def index_of_rows(self) -> npt.NDArray[Any]:
        """Return the index of each row's stratum, with as few bytes as they fit in."""
        indexed, kind = self.table.with_row_index(_INDEX), np.min_scalar_type(self.table.height)
        parts = self.rows.map(lambda batch: self._joined(self.by(batch), indexed)[_INDEX].to_numpy().astype(kind))
        return np.concatenate(list(parts))

    def rows_at(self, index: npt.NDArray[Any], number: int, seed: int) -> Rows:
        """Return the rows of one stratum, with the numbers of a seed.

        Args:
            index: `index_of_rows`.
        """
        here = self.rows.filtered(lambda batch: index[batch.start : batch.start + len(batch)] == number)
        return dataclasses.replace(here, identity=dataclasses.replace(here.identity, seed=seed))

    def sums(self, column: str) -> tuple[ExactSums, ExactSums]:
        """Return the sums and the sums of squares of a column in each stratum."""
        indexed = self.table.with_row_index(_INDEX)

        def measure(batch: Batch) -> tuple[ExactSums, ExactSums]:
            sums, squares = ExactSums(indexed.height), ExactSums(indexed.height)
            group = self._joined(self.by(batch), indexed)[_INDEX].to_numpy().astype(np.intp)
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
        joined = self._joined(_numbered(self.by(batch), batch), bounds)
        return joined.filter(pl.col(_NUMBER) <= pl.col("bound")).drop("bound")

    def _joined(self, frame: pl.DataFrame, indexed: pl.DataFrame) -> pl.DataFrame:
        keys = [name for name in self.table.columns if name not in (LABEL, _SIZE)]
        renamed = frame.rename(dict(zip(frame.columns, keys, strict=False)))
        return renamed.join(indexed.drop(LABEL), on=keys, nulls_equal=True, maintain_order="left")


def find_strata(rows: Rows, by: By, n: int) -> Strata:
    """Count the rows of all strata, in one pass.

    Args:
        n: Rows of the whole sample; rows with small numbers are kept for it.

    Raises:
        InvalidArgumentError: There are more than a million strata.
    """
    last = np.uint64(min(2.0**64 * min(1.0, _MARGIN * share_to_keep(n, rows.count)), 2.0**64 - 2048))

    def measure(batch: Batch) -> tuple[pl.DataFrame, pl.DataFrame]:
        values = by(batch)
        values = values.rename({name: f"s{number}" for number, name in enumerate(values.columns)})
        near = np.flatnonzero(batch.numbers <= last)
        kept = take_rows(values, near).with_columns(
            pl.Series(_NUMBER, batch.numbers[near]), pl.Series(ORDINAL, batch.ordinals[near])
        )
        return _counted(values), kept

    counts: list[pl.DataFrame] = []
    near: list[pl.DataFrame] = []
    for count, kept in rows.map(measure):
        counts.append(count)
        near.append(kept)
        if len(counts) == _AT_ONCE:
            counts = [_added(counts)]
    return Strata(rows, by, _labelled(_added(counts)), pl.concat(near))


def _numbered(values: pl.DataFrame, batch: Batch) -> pl.DataFrame:
    return values.with_columns(pl.Series(_NUMBER, batch.numbers), pl.Series(ORDINAL, batch.ordinals))


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


def _first(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the wanted number of rows of each stratum, by number and position."""
    ranked = frame.select(_INDEX, "wanted", _NUMBER, ORDINAL).sort(_INDEX, _NUMBER, ORDINAL)
    return ranked.filter(pl.int_range(pl.len()).over(_INDEX) < pl.col("wanted"))


def _lacking(found: pl.DataFrame, indexed: pl.DataFrame) -> pl.DataFrame:
    """Return the strata of which not enough rows were kept."""
    counts = found.group_by(_INDEX).len("kept")
    joined = indexed.join(counts, on=_INDEX, how="left").filter(pl.col("kept").fill_null(0) < pl.col("wanted"))
    return joined.drop("kept")


def _bounds(lacking: pl.DataFrame, share: float) -> pl.DataFrame:
    """Return the strata with the largest number that is kept of each."""
    shares = [
        min(1.0, share * share_to_keep(wanted, size))
        for wanted, size in zip(lacking["wanted"], lacking[_SIZE], strict=True)
    ]
    last = [2**64 - 1 if one == 1 else int(2.0**64 * one) for one in shares]
    return lacking.with_columns(pl.Series("bound", last, dtype=pl.UInt64))
