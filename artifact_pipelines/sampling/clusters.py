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
from artifact_pipelines.sampling import ranks
from artifact_pipelines.sampling.elementary import Floats, Numbers, uniforms
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.proportional_to_size import probabilities_of
from artifact_pipelines.sampling.rows import Batch, Rows
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers

NULL_CLUSTER = "null"

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
    cluster_probabilities: Literal["equal", "size"] = pydantic.Field(
        default="equal", description="`size`: proportional to the rows of a cluster, by sequential Poisson sampling."
    )
    null_clusters: Literal["own", "refuse"] = pydantic.Field(
        default="own", description="Rows with a null in a cluster column: a cluster of their own, or an error."
    )

    @pydantic.field_validator("cluster", mode="before")
    @classmethod
    def _one_name_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    def read_clusters(self, batch: Batch) -> pl.DataFrame:
        """Return the cluster columns.

        Raises:
            InvalidArgumentError: A value is null, and the design refuses that.
        """
        columns = batch.read(self.cluster)
        if self.null_clusters == "refuse" and sum(columns.null_count().row(0)):
            row = int(columns.select(pl.any_horizontal(pl.all().is_null()).arg_max()).item())
            place = f"cluster: {', '.join(self.cluster)} in row {batch.ordinals[row] + 1:,}"
            raise InvalidArgumentError(place, None, "a value; `null_clusters: own` makes a cluster of such rows")
        return columns

    def all_clusters(self, rows: Rows) -> Clusters:
        """Count the rows of each cluster. All clusters are in memory, with 16 bytes each."""
        rows.check_columns("cluster", self.cluster)

        def count(batch: Batch) -> tuple[Numbers, Counts]:
            numbers, counts = np.unique(
                permanent_random_numbers(self.read_clusters(batch), rows.identity.seed), return_counts=True
            )
            return numbers, counts.astype(np.int64)

        numbers, sizes = np.empty(0, np.uint64), np.empty(0, np.int64)
        pending: list[tuple[Numbers, Counts]] = []
        waiting = 0
        for found, counts in rows.map(count):
            pending.append((found, counts))
            waiting += len(found)
            if waiting > max(len(numbers), 2**20):
                numbers, sizes = _merged([(numbers, sizes), *pending])
                pending, waiting = [], 0
        numbers, sizes = _merged([(numbers, sizes), *pending])
        return Clusters(numbers, sizes)

    def drawn_clusters(self, every: Clusters) -> Clusters:
        """Draw clusters: those with the smallest numbers, or the smallest ranks by their sizes."""
        drawn = min(self.clusters, len(every.numbers))
        if self.cluster_probabilities == "equal":
            share = np.full(drawn, drawn / max(1, len(every.numbers)))
            return Clusters(every.numbers[:drawn], every.sizes[:drawn], share)
        probabilities = probabilities_of(self.clusters, every.sizes.astype(np.float64))
        rank = ranks.sequential_poisson_ranks(uniforms(every.numbers), probabilities)
        chosen = np.sort(np.lexsort((every.numbers, rank))[:drawn])
        return Clusters(every.numbers[chosen], every.sizes[chosen], probabilities[chosen])

    def facts_on_clusters(self, every: Clusters, drawn: Clusters) -> dict[str, Any]:
        """Return what estimates need to know of the clusters."""
        exact = self.cluster_probabilities == "equal" or len(drawn.numbers) == len(every.numbers)
        return {
            "clusters_in_population": len(every.numbers),
            "clusters_drawn": len(drawn.numbers),
            "certain_clusters": int(np.count_nonzero(drawn.probabilities == 1)),
            "inclusion_probabilities": "exact" if exact else "approximate",
        }

    def notes_on_clusters(self, every: Clusters) -> list[str]:
        """Return what a reader should know if there are too few clusters."""
        found = len(every.numbers)
        return [f"The population has only {found:,} clusters: all are drawn."] if found < self.clusters else []


def position_among(drawn: Clusters, numbers: Numbers) -> Counts:
    """Return the position of each row's cluster among the drawn ones; -1: it is not drawn."""
    if not len(drawn.numbers):
        return np.full(len(numbers), -1)
    position = np.minimum(np.searchsorted(drawn.numbers, numbers), len(drawn.numbers) - 1)
    return np.where(drawn.numbers[position] == numbers, position, -1)


def labels(columns: pl.DataFrame) -> pl.Series:
    """Return the name of each row's cluster: its values, separated by commas."""
    texts = [pl.col(name).cast(pl.String).fill_null(NULL_CLUSTER) for name in columns.columns]
    return columns.select(pl.concat_str(texts, separator=", ").alias("cluster"))["cluster"]


def _merged(
    counted: Sequence[tuple[Numbers, Counts]],
) -> tuple[Numbers, Counts]:
    numbers = np.concatenate([one for one, _ in counted])
    counts = np.concatenate([one for _, one in counted])
    distinct, where = np.unique(numbers, return_inverse=True)
    return distinct, np.bincount(where, weights=counts, minlength=len(distinct)).astype(np.int64)
