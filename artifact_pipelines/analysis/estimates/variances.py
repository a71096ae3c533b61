"""The variance of a weighted total, one formula for each way in which a stage draws its units.

t is the sum of w z over the rows of a unit, π its inclusion probability in the stage.
"""

import abc
import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact_pipelines.analysis.estimates.influences import Codes, Floats, Influences, summed
from artifact_pipelines.analysis.estimates.orthonormal import Basis
from artifact_pipelines.analysis.estimates.requests import Lonely

_ROUNDING = 1e-12


def left_to_chance(probabilities: Floats) -> Floats:
    """Return 1 - π, exactly 0 for units that are certain."""
    chance = 1 - probabilities
    return np.where(chance < _ROUNDING, 0.0, chance)


class IStage(abc.ABC):
    """A stage of the selection."""

    @abc.abstractmethod
    def variance(self, totals: Influences) -> Floats:
        """Return what this stage adds to the variance of the total of each domain.

        Args:
            totals: w z of rows.
        """

    @abc.abstractmethod
    def degrees_of_freedom(self, totals: Influences) -> Floats:
        """Return those of each domain: uncertain units with rows in it, less their strata; infinite without any."""


@dataclasses.dataclass(frozen=True)
class FixedNumber(IStage):
    """A fixed number of units is drawn of each stratum.

    V = sum over strata of a n / (n - 1) times sum of c (t - B)², with B = sum of c t / sum of c and c = 1 - π. With
    equal probabilities it is the exact formula of simple random sampling; with others it is an approximation for
    designs of high entropy. With replacement, c = 1 for each draw.

    Attributes:
        units: (rows,) the unit of each row; None: each row is one.
        strata: (units,) the stratum of each.
        chances: (units,) c; with replacement the draws of each, which then share t.
        factors: (strata,) a: 1, or at a second stage the π of the cluster that the stratum is.
        lonely: The remedy for strata with one uncertain unit; there are none with `fail`.
        repeats: True: with replacement.

    Source:
        Särndal, Swensson and Wretman, 1992, results 3.3.1, 3.7.2 and 4.3.1, for draws with replacement 2.9.1; Hájek,
        Annals of Mathematical Statistics 35, 1964, section 8.
    """

    units: Codes | None
    strata: Codes
    chances: Floats
    factors: Floats
    lonely: Lonely
    repeats: bool = False

    def counts(self) -> Floats:
        """Return n, the uncertain units of each stratum, or its draws."""
        counted = self.chances if self.repeats else (self.chances > 0).astype(np.float64)
        return summed(self.strata, counted, len(self.factors))

    def variance(self, totals: Influences) -> Floats:
        """See `IStage`."""
        cells, strata = totals.of_units(self.units, len(self.strata)), len(self.factors)
        chances, values, counts = self.chances[cells.rows], self._of_draws(cells), self.counts()
        pairs, place = np.unique(cells.domains * strata + self.strata[cells.rows], return_inverse=True)
        domain, stratum = pairs // strata, pairs % strata
        whole, groups = summed(self.strata, self.chances, strata)[stratum], len(pairs)
        centre = np.divide(summed(place, chances * values, groups), whole, out=np.zeros(groups), where=whole > 0)
        inside = summed(place, chances * (values - centre[place]) ** 2, groups)
        outside = np.maximum(whole - summed(place, chances, groups), 0) * centre**2  # units without a row in the domain
        scale = np.divide(counts, counts - 1, out=np.zeros(strata), where=counts > 1) * self.factors
        found = summed(domain, (inside + outside) * scale[stratum], totals.domain_count)
        return found + self._of_lonely(cells, counts, found)

    def degrees_of_freedom(self, totals: Influences) -> Floats:
        """See `IStage`."""
        cells, strata = totals.of_units(self.units, len(self.strata)), len(self.factors)
        uncertain = self.chances[cells.rows] > 0
        rows, domains = cells.rows[uncertain], cells.domains[uncertain]
        drawn = np.bincount(domains, self.chances[rows] if self.repeats else None, totals.domain_count)
        pairs = np.unique(domains * strata + self.strata[rows])
        return _degrees(drawn, np.bincount(pairs // strata, minlength=totals.domain_count))

    def _of_draws(self, cells: Influences) -> Floats:
        return cells.values / self.chances[cells.rows] if self.repeats else cells.values

    def _of_lonely(self, cells: Influences, counts: Floats, found: Floats) -> Floats:
        """Return what the remedy adds."""
        lonely = counts == 1
        if self.lonely in ("fail", "certainty") or not lonely.any():
            return np.zeros(len(found))
        if self.lonely == "average":
            return found * float(lonely.sum() / max(1, int((counts > 1).sum())))
        chances = self.chances * lonely[self.strata] * self.factors[self.strata]
        centre = cells.sums() / len(self.strata)
        here = (cells.values - centre[cells.domains]) ** 2 - centre[cells.domains] ** 2
        added: Floats = cells.sums(chances[cells.rows] * here) + centre**2 * chances.sum()
        return added


@dataclasses.dataclass(frozen=True)
class Independent(IStage):
    """Each unit is drawn by itself: V = sum of (1 - π) t².

    It is also unbiased for successive sampling with probabilities given the numbers of all other rows, as two estimates
    of rows are then uncorrelated.

    Attributes:
        units: (rows,) the unit of each row; None: each row is one.
        chances: (units,) 1 - π.

    Source:
        Särndal, Swensson and Wretman, 1992, result 3.5.1; Duffield, Lund and Thorup, Journal of the ACM 54, 2007.
    """

    units: Codes | None
    chances: Floats

    def variance(self, totals: Influences) -> Floats:
        """See `IStage`."""
        cells = totals.of_units(self.units, len(self.chances))
        return cells.sums(self.chances[cells.rows] * cells.values**2)

    def degrees_of_freedom(self, totals: Influences) -> Floats:
        """See `IStage`."""
        cells = totals.of_units(self.units, len(self.chances))
        uncertain = cells.domains[self.chances[cells.rows] > 0]
        return _degrees(np.bincount(uncertain, minlength=totals.domain_count), 1)


@dataclasses.dataclass(frozen=True)
class Balanced(IStage):
    """Rows are drawn so that totals of some columns hold: V = n / (n - p) sum of c e², c = 1 - π.

    e are the residuals of w z in the regression on the p columns, each divided by π, with the weights c.

    Attributes:
        parts: Of each stratum its rows, and the columns divided by π, with the weights c.

    Source:
        Deville and Tillé, Journal of Statistical Planning and Inference 128, 2005.
    """

    parts: Sequence[tuple[Codes, Basis]]

    def variance(self, totals: Influences) -> Floats:
        """See `IStage`."""
        row_count = sum(len(rows) for rows, _ in self.parts)
        every = (totals.only(domain, row_count) for domain in range(totals.domain_count))
        return np.array([sum(_of_balanced(basis, each[rows]) for rows, basis in self.parts) for each in every])

    def degrees_of_freedom(self, totals: Influences) -> Floats:
        """See `IStage`."""
        uncertain = np.zeros(sum(len(rows) for rows, _ in self.parts), np.bool_)
        for rows, basis in self.parts:
            uncertain[rows] = basis.weights > 0
        counts = np.bincount(totals.domains[uncertain[totals.rows]], minlength=totals.domain_count)
        return _degrees(counts, sum(basis.rank for _, basis in self.parts))


def _degrees(units: npt.NDArray[Any], lost: npt.NDArray[Any] | int) -> Floats:
    found: Floats = np.where(units > 0, np.maximum(units - lost, 0), np.inf)
    return found


def _of_balanced(basis: Basis, totals: Floats) -> float:
    count = int(np.count_nonzero(basis.weights))
    if count <= basis.rank:
        return math.nan if count else 0.0
    return count / (count - basis.rank) * float((basis.weights * basis.residuals(totals) ** 2).sum())
