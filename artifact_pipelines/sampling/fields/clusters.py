"""Fields of designs that draw whole clusters first, and that draw."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.arithmetic import ranks
from artifact_pipelines.sampling.arithmetic.conditional_poisson import (
    LARGEST_POPULATION,
    draw_conditional_poisson,
    working_probabilities,
)
from artifact_pipelines.sampling.arithmetic.elementary import Floats, Numbers, uniforms
from artifact_pipelines.sampling.arithmetic.proportional_to_size import APPROXIMATE, MANY, probabilities_of
from artifact_pipelines.sampling.engine.clusters import ClusterCounts, Clusters
from artifact_pipelines.sampling.engine.rows import Batch, Rows
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers


class IClusterDesign(ISamplingDesign):
    """Draws whole clusters first."""

    SIZE: ClassVar[str | None] = None

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
        for counted_rows in rows.map(lambda batch: counts.count(self.numbers_of_clusters(batch, rows))):
            counts.add(counted_rows)
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
            return [f"The population has only {counted(found, 'cluster: it is', 'clusters: all are')} drawn."]
        if self.cluster_probabilities == "size" and self.clusters < min(found, MANY):
            return [APPROXIMATE.format(few="clusters", exact="`cluster_probabilities: size_exactly` has exactly these")]
        return []


def _drawn_exactly(every: Clusters, probabilities: Floats, drawn: int) -> Clusters:
    if len(every.numbers) > LARGEST_POPULATION:
        expected = f"`size` for {len(every.numbers):,} clusters, which are more than {LARGEST_POPULATION:,}"
        raise InvalidArgumentError("cluster_probabilities", "size_exactly", expected)
    chosen = draw_conditional_poisson(every.numbers, working_probabilities(probabilities), drawn)
    return Clusters(every.numbers[chosen], every.sizes[chosen], probabilities[chosen])
