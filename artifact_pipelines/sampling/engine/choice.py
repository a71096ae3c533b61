"""The rows that a design has chosen, before any of their values is read."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.sampling.engine.rows import Batch, Mask, Ordinals, Rows

ORDINAL = "__ordinal"
INCLUSION_PROBABILITY = "inclusion_probability"
SAMPLING_WEIGHT = "sampling_weight"

Probabilities = npt.NDArray[np.float64] | float


@dataclasses.dataclass(frozen=True)
class Stratum:
    """A part of the population with a sample of its own.

    Attributes:
        stratum: Its name, as rows have it; None: the stratum of nulls.
        population_size: N_h, its rows in the population.
        planned: n_h, the rows that the design wants; None if it fixes no size.
        drawn: The rows drawn; fewer than planned if the stratum is exhausted.
        round: The round that it is of, in a design of several.
    """

    stratum: str | None
    population_size: int
    planned: int | None
    drawn: int
    round: int | None = None

    @property
    def title(self) -> str:
        """Return its name for a reader."""
        name = "null" if self.stratum is None else self.stratum
        return name if self.round is None else f"round {self.round}: {name}"


@dataclasses.dataclass(frozen=True)
class RowRule:
    """Rows that are chosen each by itself. There may be very many, so they are described only when they are read.

    Attributes:
        chosen: The rows; a row of the table costs a bit.
        describe: Returns the `rows` of a choice for those of a batch.
    """

    chosen: Rows
    describe: Callable[[Batch], pl.DataFrame]


@dataclasses.dataclass(frozen=True)
class Choice:
    """The rows of a sample by their position, with what estimates need.

    Attributes:
        rows: One row for each chosen one, by position: `__ordinal`, `inclusion_probability`, `sampling_weight`, then
            what else the design says about it (`stratum`, `cluster`, `round`, `draws`), all of which the sample shows.
            With a rule, it is empty.
        population_size: N, the rows that the design could draw.
        planned: n, the rows that the design fixes; None if their number is random.
        strata: Of a stratified design.
        facts: What else estimates need to know, by name, as JSON values.
        notes: Sentences on what a reader would not expect, such as a population smaller than the sample asked for.
        rule: In place of `rows`, if each row is chosen by itself.
        known: Columns of the table that the design has read; one row for each of `rows`. They are not read again.
    """

    rows: pl.DataFrame
    population_size: int
    planned: int | None = None
    strata: Sequence[Stratum] = ()
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()
    rule: RowRule | None = None
    known: pl.DataFrame = dataclasses.field(default_factory=pl.DataFrame)

    @property
    def added(self) -> pl.Schema:
        """Return the columns that the sample adds to those of its table."""
        return pl.Schema({name: kind for name, kind in self.rows.schema.items() if name != ORDINAL})

    @property
    def drawn(self) -> int:
        """Return the number of chosen rows."""
        return self.rule.chosen.count if self.rule else self.rows.height

    def starts(self, bounds: Sequence[int]) -> Sequence[int]:
        """Return the number of chosen rows before each slice of the population, and of all."""
        if self.rule:
            return self.rule.chosen.starts
        found: list[int] = np.searchsorted(self.rows[ORDINAL].to_numpy(), bounds).tolist()
        return found

    def of_slice(self, number: int, start: int, stop: int) -> pl.DataFrame:
        """Return the `rows` of one slice of the population, which are the chosen rows from `start` to `stop`."""
        return self.rule.describe(Batch(self.rule.chosen, number)) if self.rule else self.rows[start:stop]

    def frame(self) -> pl.DataFrame:
        """Return the `rows` of all slices; with a rule they may be many."""
        return pl.concat([self.rows, *self.rule.chosen.map(self.rule.describe)]) if self.rule else self.rows

    def ordinals(self) -> Ordinals:
        """Return the positions of all chosen rows, in ascending order."""
        if self.rule:
            return np.concatenate(list(self.rule.chosen.map(lambda batch: batch.ordinals)))
        return self.rows[ORDINAL].to_numpy()


def choice_by_rule(
    rows: Rows, keep: Callable[[Batch], Mask], describe: Callable[[Batch], pl.DataFrame], **facts: Any
) -> Choice:
    """Return the choice of all rows for which a function is true.

    Args:
        keep: Which rows of a batch are chosen.
        describe: Returns the `rows` of a choice for the chosen rows of a batch.
        facts: Further fields of the choice.
    """
    chosen = rows.filtered(keep)
    empty = describe(Batch(chosen, 0)).clear()
    return Choice(empty, rows.count, rule=RowRule(chosen, describe), **facts)


def chosen_rows(
    ordinals: Ordinals, probabilities: Probabilities, weights: npt.NDArray[Any] | None = None, **columns: pl.Series
) -> pl.DataFrame:
    """Return the `rows` of a choice, sorted by position.

    Args:
        ordinals: (n,) positions, each once, in any order.
        probabilities: (n,) or one for all: π.
        weights: (n,); left out: 1 / π.
        columns: (n,) what else the sample says about its rows.
    """
    size = len(ordinals)
    shares = np.broadcast_to(np.asarray(probabilities, np.float64), size)
    found = {
        ORDINAL: pl.Series(ordinals, dtype=pl.Int64),
        INCLUSION_PROBABILITY: pl.Series(shares, dtype=pl.Float64),
        SAMPLING_WEIGHT: pl.Series(1 / shares if weights is None else weights, dtype=pl.Float64),
        **columns,
    }
    rows = pl.DataFrame(found)
    return rows if rows[ORDINAL].is_sorted() else rows.sort(ORDINAL)
