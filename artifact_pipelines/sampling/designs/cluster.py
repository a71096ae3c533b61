"""Cluster sampling: whole clusters of rows are drawn."""

from typing import Literal

import numpy as np
import polars as pl

from artifact_pipelines.sampling.choice import Choice, chosen_rows
from artifact_pipelines.sampling.clusters import IClusterDesign, labels, position_among
from artifact_pipelines.sampling.rows import Batch, Ordinals, Rows
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers


class Cluster(IClusterDesign):
    """Draw clusters without replacement, and all rows of each.

    The rows of a cluster are in the sample together, so `inclusion_probability` is that of the cluster. A larger
    number of clusters with the same seed contains the smaller one, with `cluster_probabilities: size` unless more
    clusters become certain.
    """

    design: Literal["cluster"] = "cluster"

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return f"All rows of {self.clusters:,} clusters by {', '.join(self.cluster)}"

    def choose(self, rows: Rows) -> Choice:
        """Choose clusters in one pass over the cluster columns, and their rows in another.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 4.2.
        """
        every = self.all_clusters(rows)
        drawn = self.drawn_clusters(every)

        def rows_of(batch: Batch) -> tuple[Ordinals, Ordinals, pl.Series]:
            columns = self.read_clusters(batch)
            position = position_among(drawn, permanent_random_numbers(columns, rows.identity.seed))
            chosen = np.flatnonzero(position >= 0)
            return batch.ordinals[chosen], position[chosen], labels(columns[chosen])

        found = list(rows.map(rows_of))
        ordinals, position = (np.concatenate([np.empty(0, np.int64), *(one[part] for one in found)]) for part in (0, 1))
        names = pl.concat([pl.Series("cluster", dtype=pl.String), *(one[2] for one in found)])
        return Choice(
            chosen_rows(ordinals, drawn.probabilities[position], cluster=names),
            rows.count,
            facts=self.facts_on_clusters(every, drawn),
            notes=self.notes_on_clusters(every),
        )
