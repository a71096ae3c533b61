"""Clusters of rows: the rows whose values in some columns say the same.

One idea: a cluster has a permanent random number as a row has, that of its values. It is also its name here: of ten
million clusters two share a number once in a hundred thousand tables.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.arithmetic import ranks
from artifact_pipelines.sampling.arithmetic.conditional_poisson import (
    LARGEST_POPULATION,
    draw_conditional_poisson,
    working_probabilities,
)
from artifact_pipelines.sampling.arithmetic.elementary import Floats, Numbers, uniforms
from artifact_pipelines.sampling.arithmetic.proportional_to_size import APPROXIMATE, MANY, probabilities_of
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.rows import Batch, Rows
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers

_WORTH_A_MERGE = 2**20

Counts = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Clusters:
    """All clusters of a population, or those drawn, in the order of their numbers.

    Attributes:
        numbers: (clusters,) their permanent random numbers.
        sizes: (clusters,) their rows.
        probabilities: (clusters,) π; empty until they are drawn.
    """

    numbers: Numbers
    sizes: Counts
    probabilities: Floats = dataclasses.field(default_factory=lambda: np.empty(0))


class IClusterDesign(ISamplingDesign):
    """Draws whole clusters first."""

    cluster: Sequence[str] = pydantic.Field(min_length=1, description="Columns whose values name the cluster of a row.")
    clusters: int = pydantic.Field(gt=0, description="Clusters to draw; if there are fewer, all are drawn.")
    cluster_probabilities: Literal["equal", "size", "size_exactly"] = pydantic.Field(
        default="equal",
        description=(
            "`size`: proportional to the rows of a cluster, by sequential Poisson sampling: samples nest, and the "
            "probabilities are near those stated. `size_exactly`: by conditional Poisson sampling, without nesting."
        ),
    )
    null_clusters: Literal["own", "error"] = pydantic.Field(
        default="own", description="Rows with a null in a cluster column: a cluster of their own, or an error."
    )

    @pydantic.field_validator("cluster", mode="before", json_schema_input_type=str | Sequence[str])
    @classmethod
    def _one_name_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    def read_clusters(self, batch: Batch) -> pl.DataFrame:
        """Return the cluster columns.

        Raises:
            InvalidArgumentError: A value is null, and the design refuses that.
        """
        columns = batch.read(self.cluster)
        if self.null_clusters == "error" and sum(columns.null_count().row(0)):
            row = int(columns.select(pl.any_horizontal(pl.all().is_null()).arg_max()).item())
            place = f"cluster: {', '.join(self.cluster)} in row {batch.ordinals[row] + 1:,}"
            raise InvalidArgumentError(place, None, "a value; `null_clusters: own` makes a cluster of such rows")
        return columns

    def all_clusters(self, rows: Rows) -> Clusters:
        """Count the rows of each cluster. All clusters are in memory, with 16 bytes each."""
        counts = ClusterCounts(self.clusters)
        for distinct in rows.map(lambda batch: distinct_clusters(self.numbers_of_clusters(batch, rows))):
            counts.add(distinct)
        return counts.clusters()

    def numbers_of_clusters(self, batch: Batch, rows: Rows) -> Numbers:
        """Return the number of each row's cluster."""
        return permanent_random_numbers(self.read_clusters(batch), rows.identity.seed)

    def drawn_clusters(self, every: Clusters) -> Clusters:
        """Draw clusters: those with the smallest numbers, or the smallest ranks by their sizes."""
        drawn = min(self.clusters, len(every.numbers))
        if self.cluster_probabilities == "equal":
            share = np.full(drawn, drawn / max(1, len(every.numbers)))
            return Clusters(every.numbers[:drawn], every.sizes[:drawn], share)
        probabilities = probabilities_of(self.clusters, every.sizes.astype(np.float64))
        if self.cluster_probabilities == "size_exactly":
            return _drawn_exactly(every, probabilities, drawn)
        rank = ranks.sequential_poisson_ranks(uniforms(every.numbers), probabilities)
        chosen = np.sort(np.lexsort((every.numbers, rank))[:drawn])
        return Clusters(every.numbers[chosen], every.sizes[chosen], probabilities[chosen])

    def facts_on_clusters(self, every: Clusters, drawn: Clusters) -> dict[str, Any]:
        """Return what estimates need to know of the clusters."""
        exact = self.cluster_probabilities != "size" or len(drawn.numbers) == len(every.numbers)
        return {
            "clusters_in_population": len(every.numbers),
            "clusters_drawn": len(drawn.numbers),
            "certain_clusters": int(np.count_nonzero(drawn.probabilities == 1)),
            "inclusion_probabilities": "exact" if exact else "approximate",
        }

    def notes_on_clusters(self, every: Clusters) -> list[str]:
        """Return what a reader should know of few clusters."""
        found = len(every.numbers)
        if found < self.clusters:
            return [f"The population has only {found:,} clusters: all are drawn."]
        if self.cluster_probabilities == "size" and self.clusters < min(found, MANY):
            return [APPROXIMATE.format(few="clusters", exact="`cluster_probabilities: size_exactly` has exactly these")]
        return []


class ClusterCounts:
    """Counts the rows of clusters, batch by batch.

    Attributes:
        bound: The n-th smallest number of all clusters so far; a cluster above it is not among the n smallest.
    """

    def __init__(self, n: int) -> None:
        self.bound = np.uint64(2**64 - 1)
        self._n = n
        self._smallest = np.empty(0, np.uint64)
        self._merged = Clusters(np.empty(0, np.uint64), np.empty(0, np.int64))
        self._pending: list[Clusters] = []

    def add(self, distinct: Clusters) -> None:
        """Add the clusters of some rows."""
        self._pending.append(distinct)
        near = distinct.numbers[distinct.numbers <= self.bound]
        smallest = np.sort(np.concatenate([self._smallest, near]))
        self._smallest = smallest[_first_of_each(smallest)][: self._n]
        if len(self._smallest) == self._n:
            self.bound = self._smallest[-1]
        if sum(len(one.numbers) for one in self._pending) > max(len(self._merged.numbers), _WORTH_A_MERGE):
            self._merge()

    def clusters(self) -> Clusters:
        """Return all clusters."""
        self._merge()
        return self._merged

    def _merge(self) -> None:
        parts = [self._merged, *self._pending]
        numbers = np.concatenate([one.numbers for one in parts])
        order = np.argsort(numbers, kind="stable")  # fast, as the parts are sorted; np.unique is not
        first = _first_of_each(numbers[order])
        sizes = np.concatenate([one.sizes for one in parts])[order]
        total = np.add.reduceat(sizes, first) if len(first) else sizes
        self._merged, self._pending = Clusters(numbers[order][first], total), []


def _first_of_each(ordered: Numbers) -> npt.NDArray[np.intp]:
    """Return where each value begins in a sorted array."""
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(ordered)), np.bool_), ordered[1:] != ordered[:-1]]))


def _drawn_exactly(every: Clusters, probabilities: Floats, drawn: int) -> Clusters:
    if len(every.numbers) > LARGEST_POPULATION:
        expected = f"`size` for {len(every.numbers):,} clusters, which are more than {LARGEST_POPULATION:,}"
        raise InvalidArgumentError("cluster_probabilities", "size_exactly", expected)
    chosen = draw_conditional_poisson(every.numbers, working_probabilities(probabilities), drawn)
    return Clusters(every.numbers[chosen], every.sizes[chosen], probabilities[chosen])


def distinct_clusters(numbers: Numbers) -> Clusters:
    """Return the clusters of rows with these numbers, and how many of the rows each has."""
    distinct, sizes = np.unique(numbers, return_counts=True)
    return Clusters(distinct, sizes.astype(np.int64))


def rows_within(drawn: Clusters, numbers: Numbers) -> tuple[npt.NDArray[np.intp], Counts]:
    """Return the rows whose cluster is drawn, and the position of their cluster among the drawn ones.

    Most rows are ruled out by the first bits of their numbers, which is many times faster than a search.
    """
    if not len(drawn.numbers):
        return np.empty(0, np.intp), np.empty(0, np.int64)
    occurring = np.zeros(2**16, np.bool_)
    occurring[drawn.numbers >> np.uint64(48)] = True
    possible = np.flatnonzero(occurring[numbers >> np.uint64(48)])
    position = np.minimum(np.searchsorted(drawn.numbers, numbers[possible]), len(drawn.numbers) - 1)
    within = drawn.numbers[position] == numbers[possible]
    return possible[within], position[within]
