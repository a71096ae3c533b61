"""Compares two profiles, column by column, and judges each by thresholds."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from artifact_pipelines.analysis.drift.distributions import Column, Distributions, columns_of, distributions_of
from artifact_pipelines.analysis.profile.engine import TableProfile
from artifact_pipelines.tabular.distances import (
    Shares,
    chance_of,
    chi_square,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability_index,
    wasserstein,
)

SMALLEST_SHARE = 0.0001
"""Smaller shares count as this one in the PSI, which would be infinite for a share of 0."""

MOST_CHANCE = 0.001
"""A column drifts only if chance alone would bring such a difference less often."""

Verdict = Literal["stable", "drifted", "added", "removed", "type changed", "not judged", "no baseline"]


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnDrift:
    """A column of two versions, compared.

    Attributes:
        statistic: The statistic that decides: of all with a threshold, the one that is highest in proportion to it.
        statistics: All of them by name.
        chance: Probability of such a difference between two samples of one population.
        largest_change: The category whose share changed most, and both shares.
        distributions: None: they are not comparable.
    """

    column: str
    before: Column | None
    after: Column | None
    verdict: Verdict
    statistic: str | None = None
    statistics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    chance: float | None = None
    distributions: Distributions | None = None

    @property
    def largest_change(self) -> tuple[str, float, float] | None:
        """Return the category whose share changed most, and both shares."""
        if self.distributions is None:
            return None
        before, after = self.distributions.before, self.distributions.after
        at = int(np.argmax(np.abs(after - before)))
        return self.distributions.labels[at], float(before[at]), float(after[at])


def compare_tables(
    before: TableProfile | None, after: TableProfile, thresholds: Mapping[str, float], ignored: Sequence[str]
) -> Sequence[ColumnDrift]:
    """Return the columns of a table, compared with its baseline, then those that it no longer has.

    Args:
        before: The baseline; None: there is none.
        thresholds: By statistic: a higher one means drift.
        ignored: Columns that are compared and not judged.
    """
    now = columns_of(after)
    if before is None:
        return [ColumnDrift(name, None, column, "no baseline") for name, column in now.items()]
    old = columns_of(before)
    found = [_compared(name, old.get(name), column, thresholds, name in ignored) for name, column in now.items()]
    return [*found, *(ColumnDrift(name, each, None, "removed") for name, each in old.items() if name not in now)]


def _compared(
    name: str, before: Column | None, after: Column, thresholds: Mapping[str, float], is_ignored: bool
) -> ColumnDrift:
    if before is None:
        return ColumnDrift(name, None, after, "added")
    if not before.is_comparable(after) or not before.summary.rows or not after.summary.rows:
        is_same = before.kind == after.kind or not (before.summary.rows and after.summary.rows)
        return ColumnDrift(name, before, after, "not judged" if is_same else "type changed")
    found = distributions_of(before, after)
    value, degrees = chi_square(found.before, found.after, before.rows, after.rows)
    chance = chance_of(value, degrees)
    statistics = {**_statistics(found), "chi_square": value}
    ratios = {each: statistics[each] / limit for each, limit in thresholds.items() if each in statistics}
    deciding = max(ratios, key=lambda each: ratios[each], default=None)
    verdict: Verdict = "stable"
    if is_ignored or deciding is None:
        verdict = "not judged"
    elif ratios[deciding] > 1 and chance < MOST_CHANCE:
        verdict = "drifted"
    return ColumnDrift(name, before, after, verdict, deciding, statistics, chance, found)


def _statistics(found: Distributions) -> dict[str, float]:
    statistics = {
        "psi": population_stability_index(_floored(found.before), _floored(found.after)),
        "jensen_shannon": jensen_shannon(found.before, found.after),
    }
    if found.numbers is not None:
        statistics["kolmogorov_smirnov"] = kolmogorov_smirnov(*found.numbers)
        moved = _in_deviations(found)
        statistics |= {} if moved is None else {"wasserstein": moved}
    return statistics


def _floored(shares: Shares) -> Shares:
    floored = np.maximum(shares, SMALLEST_SHARE)
    found: Shares = floored / floored.sum()
    return found


def _in_deviations(found: Distributions) -> float | None:
    """Return the Wasserstein distance in standard deviations of the baseline; None: it has none."""
    if found.numbers is None:
        return None
    before, after = found.numbers
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.average(before.values, weights=before.weights)
        deviation = np.sqrt(np.average((before.values - mean) ** 2, weights=before.weights))
        moved = wasserstein(before, after) / deviation if deviation else np.nan
    return float(moved) if np.isfinite(moved) else None
