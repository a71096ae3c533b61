"""The rows that a design has chosen, before any of their values is read."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.sampling.rows import Ordinals

ORDINAL = "__ordinal"
INCLUSION_PROBABILITY = "inclusion_probability"
SAMPLING_WEIGHT = "sampling_weight"

Probabilities = npt.NDArray[np.float64] | float


@dataclasses.dataclass(frozen=True)
class Stratum:
    """A part of the population with a sample of its own.

    Attributes:
        stratum: Its name.
        population_size: N_h, its rows in the population.
        planned: n_h, the rows that the design wants; None if it fixes no size.
        drawn: The rows drawn; fewer than planned if the stratum is exhausted.
    """

    stratum: str | None
    population_size: int
    planned: int | None
    drawn: int


@dataclasses.dataclass(frozen=True)
class Choice:
    """The rows of a sample by their position, with what estimates need.

    Attributes:
        rows: One row for each chosen one, by position: `__ordinal`, `inclusion_probability`, `sampling_weight`, then
            what else the design says about it (`stratum`, `cluster`, `round`, `draws`), all of which the sample shows.
        population_size: N, the rows that the design could draw.
        planned: n, the rows that the design fixes; None if their number is random.
        strata: Of a stratified design.
        facts: What else estimates need to know, by name, as JSON values.
        notes: Sentences on what a reader would not expect, such as a population smaller than the sample asked for.
    """

    rows: pl.DataFrame
    population_size: int
    planned: int | None = None
    strata: Sequence[Stratum] = ()
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def added(self) -> pl.Schema:
        """Return the columns that the sample adds to those of its table."""
        return pl.Schema({name: kind for name, kind in self.rows.schema.items() if name != ORDINAL})


def chosen_rows(
    ordinals: Ordinals, probabilities: Probabilities, weights: Probabilities | None = None, **columns: pl.Series
) -> pl.DataFrame:
    """Return the `rows` of a choice, sorted by position.

    Args:
        ordinals: (n,) positions, each once, in any order.
        probabilities: (n,) or one for all: π.
        weights: (n,) or one for all; left out: 1 / π.
        columns: (n,) what else the sample says about its rows.
    """
    size = len(ordinals)
    shares = np.broadcast_to(np.asarray(probabilities, np.float64), size)
    found = {
        ORDINAL: pl.Series(ordinals, dtype=pl.Int64),
        INCLUSION_PROBABILITY: pl.Series(shares, dtype=pl.Float64),
        SAMPLING_WEIGHT: pl.Series(
            1 / shares if weights is None else np.broadcast_to(np.asarray(weights, np.float64), size), dtype=pl.Float64
        ),
        **columns,
    }
    return pl.DataFrame(found).sort(ORDINAL)
