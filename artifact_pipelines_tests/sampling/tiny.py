"""Tiny populations, over which a design's promises are checked for every order that the random numbers can have."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from artifact_pipelines.sampling.engine.population import Population, population_of_frame
from artifact_pipelines.sampling.engine.rows import Batch, Identity, Rows
from artifact_pipelines.tabular.random_numbers import Numbers


@dataclasses.dataclass(frozen=True)
class GivenNumbers(Identity):
    """Rows draw the numbers that a test gives them."""

    given: Numbers = dataclasses.field(default_factory=lambda: np.empty(0, np.uint64))

    def numbers(self, batch: Batch) -> Numbers:
        return self.given[batch.start : batch.start + len(batch)]


def rows_with_shares(frame: pl.DataFrame, shares: Sequence[float], cuts: Sequence[int] = ()) -> Rows:
    """Return a frame's rows with given u in [0, 1), in slices that begin at `cuts`."""
    numbers = (np.asarray(shares, np.float64) * 2.0**64).astype(np.uint64)
    whole = population_of_frame(frame)
    population = Population(whole.scan, [0, *cuts, frame.height]) if cuts else whole
    return Rows(population, GivenNumbers((), 0, given=numbers))


def rows_in_every_order(frame: pl.DataFrame) -> Iterator[Rows]:
    """Yield a frame's rows with every order of their numbers, all of which are equally likely."""
    shares = [(rank + 0.5) / frame.height for rank in range(frame.height)]
    for order in itertools.permutations(shares):
        yield rows_with_shares(frame, order)
