"""The rows of a population in the hands of a design: it maps a function over batches and merges what comes back.

    population -> batches -> the design's `measure`, on threads -> results in order -> the design merges and finishes

A design makes as many passes as it needs. A batch reads nothing before it is asked: where positions identify rows, a
pass over 100 million rows reads no data at all.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.sampling.population import Population, in_threads
from artifact_pipelines.tabular.random_numbers import Numbers, numbers_of_positions, permanent_random_numbers

Ordinals = npt.NDArray[np.int64]
"""(rows,) positions of rows in the table, from 0."""

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Identity:
    """How rows draw their numbers.

    Attributes:
        key: Columns that identify a row; empty: its position does.
        seed: Selects one of all possible assignments of numbers.
    """

    key: Sequence[str]
    seed: int

    def numbers(self, batch: "Batch") -> Numbers:
        """Return the permanent random numbers of the rows of a batch."""
        if self.key:
            return permanent_random_numbers(batch.columns.select(self.key), self.seed)
        return numbers_of_positions(batch.start, batch.start + len(batch), self.seed)


class Batch:
    """Rows of one slice of the population, in its order.

    Attributes:
        start: Number of the population's rows before the first one.
    """

    def __init__(self, population: Population, number: int, columns: Sequence[str], identity: Identity) -> None:
        self._population = population
        self._number = number
        self._columns = columns
        self._identity = identity
        self.start = population.bounds[number]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._population.bounds[self._number + 1] - self.start

    @property
    def ordinals(self) -> Ordinals:
        """Return the positions of the rows in the table."""
        return np.arange(self.start, self.start + len(self), dtype=np.int64)

    @functools.cached_property
    def columns(self) -> pl.DataFrame:
        """Return the columns that the design needs, and those of the key."""
        return self._population.read(self._number, self._columns)

    @functools.cached_property
    def numbers(self) -> Numbers:
        """Return the permanent random numbers of the rows."""
        return self._identity.numbers(self)


@dataclasses.dataclass(frozen=True)
class Rows:
    """All rows that a design can draw.

    Attributes:
        columns: Columns of each batch.
    """

    population: Population
    columns: Sequence[str]
    identity: Identity

    @property
    def count(self) -> int:
        """Return the number of rows, N."""
        return self.population.row_count

    @property
    def seed(self) -> int:
        """Return the seed, for other numbers than those of the rows."""
        return self.identity.seed

    def map(self, measure: Callable[[Batch], Result]) -> Iterator[Result]:
        """Yield what a function returns for each batch, in the order of the batches.

        Args:
            measure: Called on several threads at once. Its result should be small: it stays in memory.
        """

        def measured(number: int) -> Result:
            return measure(Batch(self.population, number, self.columns, self.identity))

        return in_threads(measured, self.population.slices)
