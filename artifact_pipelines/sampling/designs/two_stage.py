"""Two-stage sampling: clusters are drawn, then rows within each."""

import dataclasses
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pydantic

from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.arithmetic.elementary import Numbers, remixed, uniforms
from artifact_pipelines.sampling.engine.choice import Choice, chosen_rows
from artifact_pipelines.sampling.engine.clusters import Clusters, rows_within
from artifact_pipelines.sampling.engine.labels import labels
from artifact_pipelines.sampling.engine.rows import Batch, Ordinals, Rows
from artifact_pipelines.sampling.engine.smallest import share_to_keep
from artifact_pipelines.sampling.fields.clusters import IClusterDesign
from artifact_pipelines.tabular.frame_chunks import take_rows
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers

_WIDER = 4
_SECOND_STAGE = 2**32  # a round of mixing that the draw of the clusters does not reach


@dataclasses.dataclass(frozen=True)
class _Second:
    """Candidates of the second stage: position of the cluster among those drawn, number and position of the row."""

    cluster: npt.NDArray[np.int64]
    numbers: Numbers
    ordinals: Ordinals
    names: pl.Series


class TwoStage(IClusterDesign):
    """Draw clusters without replacement, then a simple random sample of the rows of each.

    `inclusion_probability` is the product of both stages, `cluster_probability` that of the first. Clusters drawn in
    proportion to their rows, and equally many rows of each, give all rows the same probability.
    """

    CODE_VERSION: ClassVar[str] = "2"

    design: Literal["two_stage"] = "two_stage"
    rows_per_cluster: int = pydantic.Field(
        gt=0, description="Rows to draw of each cluster; a smaller one is taken whole."
    )

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        rows, clusters = counted(self.rows_per_cluster, "row"), counted(self.clusters, "cluster")
        return f"{rows} of each of {clusters} by {', '.join(self.cluster)}"

    def choose(self, rows: Rows) -> Choice:
        """Choose clusters in one pass over the cluster columns, and rows of them in another.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 4.3.
        """
        rows.check_flat("cluster", self.cluster)
        every = self.all_clusters(rows)
        drawn = self.drawn_clusters(every)
        planned = np.minimum(drawn.sizes, min(self.rows_per_cluster, rows.count))
        second = self._second_stage(rows, drawn, planned)
        share = drawn.probabilities * planned / drawn.sizes
        first = pl.Series(drawn.probabilities[second.cluster], dtype=pl.Float64)
        short = int(np.count_nonzero(drawn.sizes < self.rows_per_cluster))
        have = "has" if short == 1 else "have"
        notes = [f"{short:,} of the drawn clusters {have} fewer than {counted(self.rows_per_cluster, 'row')}."]
        return Choice(
            chosen_rows(second.ordinals, share[second.cluster], cluster=second.names, cluster_probability=first),
            rows.count,
            facts=self.facts_on_clusters(every, drawn),
            notes=[*self.notes_on_clusters(every), *(notes if short else ())],
        )

    def _second_stage(self, rows: Rows, drawn: Clusters, planned: npt.NDArray[np.int64]) -> _Second:
        """Return the rows with the smallest numbers of each cluster.

        Their numbers are mixed once more: a row whose key says the same as the name of a cluster would have its number.
        """
        share = np.array([share_to_keep(self.rows_per_cluster, int(size)) for size in drawn.sizes])
        while True:
            found = self._candidates(rows, drawn, share)
            order = np.lexsort((found.ordinals, found.numbers, found.cluster))
            cluster = found.cluster[order]
            counts = np.bincount(cluster, minlength=len(planned))
            if (counts >= planned).all():
                rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
                chosen = order[rank < planned[cluster]]
                return _Second(
                    found.cluster[chosen], found.numbers[chosen], found.ordinals[chosen], found.names.gather(chosen)
                )
            share = np.minimum(share * _WIDER, 1.0)

    def _candidates(self, rows: Rows, drawn: Clusters, share: npt.NDArray[np.float64]) -> _Second:
        def near(batch: Batch) -> _Second:
            columns = self.read_clusters(batch)
            within, position = rows_within(drawn, permanent_random_numbers(columns, rows.identity.seed))
            numbers = remixed(batch.numbers[within], _SECOND_STAGE) if len(within) else np.empty(0, np.uint64)
            kept = uniforms(numbers) <= share[position]
            within = within[kept]
            return _Second(position[kept], numbers[kept], batch.ordinals[within], labels(take_rows(columns, within)))

        found = list(rows.map(near))
        return _Second(
            np.concatenate([np.empty(0, np.int64), *(one.cluster for one in found)]),
            np.concatenate([np.empty(0, np.uint64), *(one.numbers for one in found)]),
            np.concatenate([np.empty(0, np.int64), *(one.ordinals for one in found)]),
            pl.concat([pl.Series("cluster", dtype=pl.String), *(one.names for one in found)]),
        )
