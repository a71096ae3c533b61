"""Weights calibrated to known totals of the population: regression estimator and post-stratification.

One idea: an estimate then errs only by what the known columns do not explain. So its variance is that of the residuals
of its influence, regressed on them.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import polars as pl

from artifact_pipelines.analysis.estimates.influences import Floats, Influences, of_all_rows
from artifact_pipelines.analysis.estimates.orthonormal import Basis, orthonormal
from artifact_pipelines.analysis.estimates.requests import Known
from artifact_pipelines.analysis.estimates.sample_table import SampleTable
from artifact_pipelines.analysis.estimates.selections import ISelection
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.wording import counted

_AGREEMENT = 1e-6


@dataclasses.dataclass(frozen=True)
class Calibrated(ISelection):
    """A selection with calibrated weights w g.

    Attributes:
        selection: The one of the design.
        basis: The known columns, with the weights of the design.
    """

    selection: ISelection
    basis: Basis
    weights: Floats
    size: int
    words: str

    def variance(self, influences: Influences) -> Floats:
        """Return the variance of the residuals, each counted with its calibrated weight.

        Source:
            Särndal, Swensson and Wretman, 1992, result 6.6.1 (the g-weighted residuals).
        """
        g = self.weights / self.selection.weights
        found = np.empty(influences.domain_count)
        for domain in range(influences.domain_count):
            left = self.basis.residuals(influences.only(domain, len(g)))
            [found[domain]] = self.selection.variance(of_all_rows(g * left))
        return found

    def degrees_of_freedom(self, influences: Influences) -> Floats:
        """See `ISelection`."""
        return self.selection.degrees_of_freedom(influences)


@dataclasses.dataclass(frozen=True)
class _Column:
    """A column of the sample, and its total over the population."""

    name: str
    values: Floats
    total: float


def calibrated(selection: ISelection, table: SampleTable, known: Known, population_size: int) -> Calibrated:
    """Return a selection whose weighted totals of the known columns are the known ones.

    Raises:
        InvalidArgumentError: Known totals contradict each other, or no row of the sample is of a post-stratum.

    Source:
        Deville and Särndal, Journal of the American Statistical Association 87, 1992, section 1 (the linear method).
    """
    one = _Column("the rows of the population", np.ones(len(selection.weights)), float(population_size))
    columns = [one, *_post_strata(table, known), *_totals(table, known)]
    basis = orthonormal([column.values for column in columns], selection.weights)
    g = np.ones(len(selection.weights))
    totals: list[float] = []
    for number, column in enumerate(columns):
        left = column.total - float(np.dot(basis.triangle[:number, number], totals))
        length = basis.triangle[number, number]
        if not length and abs(left) > _AGREEMENT * max(1.0, abs(column.total)):
            expected = "totals that the rows of the sample can reach and that agree with the others"
            raise InvalidArgumentError(f"known: {column.name}", column.total, expected)
        totals.append(left / length if length else 0.0)
        sampled = float((selection.weights * basis.columns[number]).sum())
        g += (totals[number] - sampled) * basis.columns[number] * bool(length)
    words = f"{selection.words}; weights calibrated to {_listed(known)}"
    if below := int(np.count_nonzero(g < 0)):
        words += f" ({counted(below, 'row has', 'rows have')} a negative weight)"
    return Calibrated(selection, basis, selection.weights * g, selection.size, words)


def _post_strata(table: SampleTable, known: Known) -> Sequence[_Column]:
    found = []
    for name, rows in known.rows.items():
        values = table.read([name], "known")[name].cast(pl.String).fill_null("null")
        if others := sorted(set(values.unique()) - set(rows)):
            expected = f"the rows of each value of the sample, also of {', '.join(others[:10])}"
            raise InvalidArgumentError(f"known: rows of {name}", sorted(rows), expected)
        for value, total in rows.items():
            found.append(_Column(f"rows with {name} {value}", (values == value).cast(pl.Float64).to_numpy(), total))
    return found


def _totals(table: SampleTable, known: Known) -> Sequence[_Column]:
    found = []
    for sql, total in known.totals.items():
        variable = table.variable(sql, "known: totals")
        if not variable.is_given.all():
            row = int(np.argmin(variable.is_given))
            raise InvalidArgumentError(f"known: totals: `{sql}` in row {row + 1:,} of the sample", None, "a number")
        found.append(_Column(f"the total of {sql}", variable.values, total))
    return found


def _listed(known: Known) -> str:
    return ", ".join(["the number of rows", *(f"rows by {name}" for name in known.rows), *known.totals])
