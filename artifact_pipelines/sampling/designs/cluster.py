"""Cluster sampling: whole clusters of rows are drawn."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact_pipelines.core.wording import counted
from artifact_pipelines.sampling.arithmetic.elementary import Numbers
from artifact_pipelines.sampling.engine.choice import Choice, chosen_rows
from artifact_pipelines.sampling.engine.clusters import ClusterCounts, Clusters, Counted, rows_within
from artifact_pipelines.sampling.engine.labels import labels
from artifact_pipelines.sampling.engine.rows import Batch, Ordinals, Rows
from artifact_pipelines.sampling.fields.clusters import IClusterDesign
from artifact_pipelines.tabular.frame_chunks import take_rows
from artifact_pipelines.tabular.random_numbers import permanent_random_numbers


@dataclasses.dataclass(frozen=True)
class _Candidates:
    """Rows: the numbers and columns of their clusters, and their positions."""

    numbers: Numbers
    ordinals: Ordinals
    columns: pl.DataFrame

    def at(self, rows: npt.NDArray[np.intp]) -> "_Candidates":
        return _Candidates(self.numbers[rows], self.ordinals[rows], self.columns[rows])


class Cluster(IClusterDesign):
    """Draw clusters without replacement, and all rows of each.

    The rows of a cluster are in the sample together, so `inclusion_probability` is that of the cluster. A larger
    number of clusters with the same seed contains the smaller one, with `cluster_probabilities: size` unless more
    clusters become certain.
    """

    design: Literal["cluster"] = "cluster"

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return f"All rows of {counted(self.clusters, 'cluster')} by {', '.join(self.cluster)}"

    def choose(self, rows: Rows) -> Choice:
        """Choose in one pass if clusters are equally probable; else clusters in one and their rows in another.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 4.2.
        """
        none = _none(rows.check_flat("cluster", self.cluster))
        every, candidates = self._candidates(rows, none)
        drawn = self.drawn_clusters(every)
        if candidates is None:
            candidates = _together([none, *rows.map(lambda batch: self._kept(batch, rows, drawn))])
        chosen, position = rows_within(drawn, candidates.numbers)
        names = labels(candidates.columns[chosen])
        return Choice(
            chosen_rows(candidates.ordinals[chosen], drawn.probabilities[position], cluster=names),
            rows.count,
            facts=self.facts_on_clusters(every, drawn),
            notes=self.notes_on_clusters(every),
        )

    def _candidates(self, rows: Rows, none: _Candidates) -> tuple[Clusters, _Candidates | None]:
        """Return all clusters and, if those with the smallest numbers are drawn, the rows that may be in them."""
        if self.cluster_probabilities != "equal":
            return self.all_clusters(rows), None
        counts, kept = ClusterCounts(self.clusters), [none]

        def measure(batch: Batch) -> tuple[Counted, _Candidates]:
            columns = self.read_clusters(batch)
            numbers = permanent_random_numbers(columns, rows.identity.seed)
            near = np.flatnonzero(numbers <= counts.bound)
            kept = _Candidates(numbers[near], batch.ordinals[near], take_rows(columns, near))
            return counts.count(numbers), kept

        for counted_rows, candidates in rows.map(measure):
            counts.add(counted_rows)
            within = candidates.numbers <= counts.bound
            kept.append(candidates if within.all() else candidates.at(np.flatnonzero(within)))
        return counts.clusters(), _together(kept)

    def _kept(self, batch: Batch, rows: Rows, drawn: Clusters) -> _Candidates:
        columns = self.read_clusters(batch)
        numbers = permanent_random_numbers(columns, rows.identity.seed)
        within, _ = rows_within(drawn, numbers)
        return _Candidates(numbers[within], batch.ordinals[within], take_rows(columns, within))


def _none(types: dict[str, Any]) -> _Candidates:
    return _Candidates(np.empty(0, np.uint64), np.empty(0, np.int64), pl.DataFrame(schema=types))


def _together(parts: Sequence[_Candidates]) -> _Candidates:
    return _Candidates(
        np.concatenate([one.numbers for one in parts]),
        np.concatenate([one.ordinals for one in parts]),
        pl.concat([one.columns for one in parts]),
    )
