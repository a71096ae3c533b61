"""The rows of a population in the hands of a design: it maps a function over batches and merges what comes back.

    population -> batches -> the design's `measure`, on threads -> results in order -> the design merges and finishes

A design makes as many passes as it needs. A batch reads nothing before it is asked: where positions identify rows, a
pass over 100 million rows reads no data at all.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.engine.population import Population, in_threads
from artifact_pipelines.tabular.random_numbers import (
    Numbers,
    extended,
    numbers_for,
    numbers_of_positions,
    permanent_random_numbers,
)

Ordinals = npt.NDArray[np.int64]
"""(rows,) positions of rows in the table, from 0."""

Mask = npt.NDArray[np.bool_]
"""(rows,) True for the rows of a batch that stay."""

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Key:
    """How the rows of a table can be told apart.

    Attributes:
        columns: Columns that identify a row; empty: there are none.
        is_unique: True if it is known that no key stands twice.
        partition: The partition that the table is; None: it is whole.
    """

    columns: Sequence[str] = ()
    is_unique: bool = False
    partition: str | None = None


@dataclasses.dataclass(frozen=True)
class Repeats:
    """Rows that say the same as a row before, in the columns that identify them.

    Attributes:
        ordinals: Their positions, in ascending order.
        occurrences: How many such rows stood before each.
    """

    ordinals: Ordinals
    occurrences: npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Identity:
    """How rows draw their numbers.

    Attributes:
        columns: Columns that identify a row; empty: its position does.
        seed: Selects one of all possible assignments of numbers.
        key: The key of the table, whether it is what identifies a row or not.
        repeats: Rows whose number of occurrence is part of their identity; None: there are none.
        shift: Is taken from all numbers, modulo 2**64.
    """

    columns: Sequence[str]
    seed: int
    key: Key = Key()
    repeats: Repeats | None = None
    shift: int = 0

    def numbers(self, batch: "Batch") -> Numbers:
        """Return the permanent random numbers of the rows of a batch."""
        if self.columns:
            numbers = batch.with_occurrences(permanent_random_numbers(batch.identifying, self.seed))
        else:
            numbers = numbers_of_positions(batch.ordinals, self._seed_of_table)
        return numbers - np.uint64(self.shift) if self.shift else numbers

    def numbers_for(self, purpose: str, count: int) -> Numbers:
        """Return numbers that belong to no row, such as the random start of a systematic sample."""
        return numbers_for(purpose, count, self._seed_of_table)

    @property
    def _seed_of_table(self) -> int:
        """Return the seed of positions, and of numbers that belong to no row: each partition has its own."""
        partition = self.key.partition
        return self.seed if partition is None else int(numbers_for(f"partition {partition}", 1, self.seed)[0])


class Batch:
    """Rows of one slice of the population, in its order.

    Attributes:
        start: Number of rows in the batches before this one.
    """

    def __init__(self, rows: "Rows", number: int) -> None:
        self._rows = rows
        self._number = number
        self._first, self._stop = rows.population.bounds[number : number + 2]
        self.start = rows.starts[number]

    @property
    def span(self) -> tuple[int, int]:
        """Return the position in the table of the first row of the slice, and of the one after its last."""
        return self._first, self._stop

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows.starts[self._number + 1] - self.start

    @functools.cached_property
    def ordinals(self) -> Ordinals:
        """Return the positions of the rows in the table."""
        positions = np.arange(self._first, self._stop, dtype=np.int64)
        return positions if self._mask is None else positions[self._mask]

    @functools.cached_property
    def identifying(self) -> pl.DataFrame:
        """Return the columns that identify the rows; none if positions do."""
        return self.read(self._rows.identity.columns)

    @functools.cached_property
    def numbers(self) -> Numbers:
        """Return the permanent random numbers of the rows."""
        return self._rows.identity.numbers(self)

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return some columns of the table; each call reads them, unless there are no rows."""
        if not len(self):
            schema = self._rows.population.schema()
            return pl.DataFrame(schema={name: schema[name] for name in columns})
        found = self._rows.population.read(self._number, columns)
        return found if self._mask is None else found.filter(pl.Series(self._mask))

    def with_occurrences(self, numbers: Numbers) -> Numbers:
        """Return the numbers of values; rows whose values stood before get others, by how often they did."""
        repeats = self._rows.identity.repeats
        if repeats is None:
            return numbers
        here = slice(*np.searchsorted(repeats.ordinals, [self._first, self._stop]))
        again, place, which = np.intersect1d(self.ordinals, repeats.ordinals[here], True, return_indices=True)
        if len(again):
            numbers[place] = extended(numbers[place], repeats.occurrences[here][which].view(np.uint64))
        return numbers

    def bits(self, kept: Ordinals) -> npt.NDArray[np.uint8]:
        """Return a bit for each row of the slice: whether its position is among some."""
        mask = np.zeros(self._stop - self._first, np.bool_)
        mask[kept - self._first] = True
        return np.packbits(mask)

    @functools.cached_property
    def _mask(self) -> Mask | None:
        if self._rows.masks is None:
            return None
        bits = self._rows.masks[self._number]
        return np.unpackbits(bits, count=self._stop - self._first).view(np.bool_)


@dataclasses.dataclass(frozen=True)
class Rows:
    """All rows that a design can draw.

    Attributes:
        masks: A bit for each row of each slice: whether it can be drawn; None: all can.
    """

    population: Population
    identity: Identity
    masks: Sequence[npt.NDArray[np.uint8]] | None = None

    @functools.cached_property
    def starts(self) -> Sequence[int]:
        """Return the number of rows before each slice, and of all."""
        if self.masks is None:
            return self.population.bounds
        counts = [int(np.bitwise_count(mask).sum()) for mask in self.masks]
        return [0, *np.cumsum(counts, dtype=np.int64).tolist()]

    @property
    def count(self) -> int:
        """Return the number of rows, N."""
        return self.starts[-1]

    def map(self, measure: Callable[[Batch], Result]) -> Iterator[Result]:
        """Yield what a function returns for each batch, in the order of the batches.

        Args:
            measure: Called on several threads at once. Its result should be small: it stays in memory.
        """
        return in_threads(lambda number: measure(Batch(self, number)), self.population.slices)

    def filtered(self, keep: Callable[[Batch], Mask]) -> "Rows":
        """Return the rows for which a function is true; this is a pass, after which a row of the table costs a bit."""
        masks = self.map(lambda batch: batch.bits(batch.ordinals[keep(batch)]))
        return dataclasses.replace(self, masks=list(masks))

    def without(self, ordinals: Ordinals) -> "Rows":
        """Return the rows but for some, which are given by their positions in ascending order."""

        def others(batch: Batch) -> Mask:
            if not len(batch):
                return np.ones(0, np.bool_)
            here = slice(*np.searchsorted(ordinals, [batch.ordinals[0], batch.ordinals[-1] + 1]))
            return ~np.isin(batch.ordinals, ordinals[here], assume_unique=True)

        return self.filtered(others)

    def check_columns(self, field: str, columns: Sequence[str]) -> dict[str, Any]:
        """Return the types of some columns.

        Raises:
            InvalidArgumentError: The table lacks one, which the field names.
        """
        schema = self.population.schema()
        if missing := [name for name in columns if name not in schema]:
            raise InvalidArgumentError(field, missing, f"among the columns: {', '.join(schema)}")
        return {name: schema[name] for name in columns}

    def check_flat(self, field: str, columns: Sequence[str]) -> dict[str, Any]:
        """Return the types of some columns that can tell rows, strata or clusters apart.

        Raises:
            InvalidArgumentError: The table lacks one, or it has nested values.
        """
        kinds = self.check_columns(field, columns)
        for name, kind in kinds.items():
            if kind.is_nested() or kind == pl.Object:
                raise InvalidArgumentError(field, f"{name} of type {kind}", "of columns without nested values")
        return kinds
