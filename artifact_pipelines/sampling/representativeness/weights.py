"""The precision of weighted shares: how much they vary from sample to sample.

Rows that are drawn by themselves count each, rows of a cluster together. The variance is that of a design that draws
its rows or clusters independently, which is not smaller than that of the others.

Source: Särndal, Swensson and Wretman, Model Assisted Survey Sampling, 1992, 3.5 and 5.7; Kish, Survey Sampling, 1965.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from artifact_pipelines.tabular.distances import Shares

Groups = npt.NDArray[np.intp]
"""(n,) a number for each row: that of its category, group of categories, or cluster."""


@dataclasses.dataclass(frozen=True)
class Weights:
    """The weights of the compared rows of a sample, which add up to about N.

    Attributes:
        weights: (n,).
        clusters: (n,) the number of each row's cluster; None: rows were drawn by themselves.
    """

    weights: npt.NDArray[np.float64]
    clusters: Groups | None

    @property
    def inverse_size(self) -> float:
        """Return 1 / n of the simple random sample with replacement that is as precise (Kish); 0: of a census."""
        weights = self.weights
        units = (
            weights * np.maximum(0, weights - 1) if self.clusters is None else np.bincount(self.clusters, weights) ** 2
        )
        return float(units.sum() / weights.sum() ** 2)

    def shares(self, groups: Groups, count: int) -> Shares:
        """Return the weighted share of each group."""
        found: Shares = np.bincount(groups, self.weights, count) / self.weights.sum()
        return found

    def variances(self, groups: Groups, frame: Shares) -> Shares:
        """Return the variance of the weighted share of each group, given the shares in the frame.

        At least that of a simple random sample of the same precision, so a group without a row has one.
        """
        if self.clusters is None:
            found = self._of_rows(groups, frame)
        else:
            found = self._of_clusters(groups, self.clusters, frame)
        most: Shares = np.maximum(found / self.weights.sum() ** 2, frame * (1 - frame) * self.inverse_size)
        return most

    def _of_rows(self, groups: Groups, frame: Shares) -> Shares:
        units = self.weights * np.maximum(0, self.weights - 1)
        inside = np.bincount(groups, units, len(frame))
        found: Shares = inside * (1 - frame) ** 2 + (units.sum() - inside) * frame**2
        return found

    def _of_clusters(self, groups: Groups, clusters: Groups, frame: Shares) -> Shares:
        places = clusters * len(frame) + groups
        size = (int(clusters.max()) + 1) * len(frame)
        totals = np.bincount(places, self.weights, size).reshape(-1, len(frame))
        found: Shares = ((totals - frame * totals.sum(axis=1, keepdims=True)) ** 2).sum(axis=0)
        return found
