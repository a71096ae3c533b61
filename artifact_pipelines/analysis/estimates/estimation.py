"""Estimates from one sample: reads what they need, and puts their rows together.

design -> selection (weights, variance) -> perhaps calibrated
request -> variables -> estimator (values, influences) -> variance -> interval
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from artifact_pipelines.analysis.estimates.calibration import calibrated
from artifact_pipelines.analysis.estimates.domains import Domains, domains_of
from artifact_pipelines.analysis.estimates.estimators import Estimated, estimated
from artifact_pipelines.analysis.estimates.influences import Floats, Influences, ratios
from artifact_pipelines.analysis.estimates.intervals import intervals
from artifact_pipelines.analysis.estimates.requests import EstimateQuestion, EstimateRequest
from artifact_pipelines.analysis.estimates.rounding import TOLERANCE, rounded_values, settled
from artifact_pipelines.analysis.estimates.sample_table import SampleTable
from artifact_pipelines.analysis.estimates.selections import ISelection, selection_of
from artifact_pipelines.analysis.estimates.stored_design import StoredDesign
from artifact_pipelines.core.exceptions import InvalidArgumentError

COLUMNS: Mapping[str, tuple[pl.DataType, str]] = {
    "estimate": (pl.String(), "Name of the estimate"),
    "of": (pl.String(), "What is estimated"),
    "part": (pl.String(), "Coefficient of a regression; null for others"),
    "domain": (pl.String(), "Part of the population; `all`: the whole of it"),
    "value": (pl.Float64(), "The estimate, in the unit of its column; a proportion from 0 to 1"),
    "standard_error": (pl.Float64(), "Standard deviation of the estimate over all samples, estimated, in its unit"),
    "lower": (pl.Float64(), "Lower limit of the confidence interval, in the same unit; null: the sample gives none"),
    "upper": (pl.Float64(), "Upper limit, likewise"),
    "relative_error": (pl.Float64(), "Standard error divided by the absolute value, without a unit"),
    "design_effect": (
        pl.Float64(),
        "Variance divided by that of a simple random sample of as many rows, without a unit; below 1: a better design; "
        "null: the latter is 0",
    ),
    "rows": (pl.Int64(), "Rows of the sample in the domain that have a value"),
    "missing_rows": (pl.Int64(), "Rows of the sample in the domain without a value, which are left out"),
    "population_rows": (pl.Float64(), "Rows of the population that those with a value stand for"),
    "degrees_of_freedom": (
        pl.Int64(),
        "Uncertain units (rows, clusters, draws) less their strata; 0: no interval; null: exact",
    ),
    "method": (pl.String(), "Design, approximations, and interval"),
}
"""Columns of the answer: type, meaning and unit. Those of `by` stand after `domain`."""


@dataclasses.dataclass(frozen=True)
class Estimates:
    """The answer.

    Attributes:
        rows: One row for each estimate and domain.
        words: Design and approximations.
        design: The design, or that of the round.
        sample_rows: Rows of the sample.
    """

    rows: pl.DataFrame
    words: str
    design: StoredDesign
    sample_rows: int


def estimate_from(scan: pl.LazyFrame, design: StoredDesign, question: EstimateQuestion) -> Estimates:
    """Return the estimates.

    Args:
        scan: The sample: a Parquet file, or a frame in memory.

    Raises:
        NotEstimableError: The design does not allow it.
        InvalidArgumentError: A column is missing or has no numbers.
    """
    if taken := [name for name in question.by if name in COLUMNS]:
        raise InvalidArgumentError("by", taken, "of other columns: the answer has some of these names; rename them")
    design = design.of_round(question.round)
    table = SampleTable(scan, design.round)
    selection: ISelection = selection_of(design, table, question.lonely)
    if question.known is not None:
        selection = calibrated(selection, table, question.known, design.frame.population_size)
    every = list(domains_of(table, question.by, len(selection.weights)))
    found = [
        part
        for name, request in question.estimates.items()
        for part in _of_request(name, request, table, selection, every, question.confidence)
    ]
    return Estimates(pl.concat(found), selection.words, design, len(selection.weights))


def _of_request(
    name: str,
    request: EstimateRequest,
    table: SampleTable,
    selection: ISelection,
    every: Sequence[Domains],
    confidence: float,
) -> Iterator[pl.DataFrame]:
    place = f"estimates: {name}"
    given = [table.variable(sql, place) for sql in request.variables]
    if request.proportion is not None and not np.isin(given[0].values, (0, 1)).all():
        raise InvalidArgumentError(place, request.proportion, "a condition, true or false for each row")
    positions = np.flatnonzero(np.logical_and.reduce([each.is_given for each in given]))
    for domains in every:
        rows = Influences(positions, domains.codes[positions], given[0].values[positions], domains.count)
        for found in estimated(request, rows, selection.weights, given):
            columns: dict[str, Any] = {
                "estimate": name,
                "of": request.title,
                "part": found.part or None,
                "domain": domains.labels,
            }
            columns |= _figures(request.kind, found, rows, selection, confidence)
            columns["missing_rows"] = np.bincount(domains.codes, minlength=domains.count) - columns["rows"]
            yield _frame(columns, domains)


def _figures(kind: str, found: Estimated, rows: Influences, selection: ISelection, confidence: float) -> dict[str, Any]:
    variances = settled(selection.variance(found.influences), found.magnitudes)
    if found.invert is None:  # a quantile is one of the values, unrounded
        found = dataclasses.replace(found, values=rounded_values(found.values, variances, found.magnitudes))
    degrees = selection.degrees_of_freedom(rows)
    limits = intervals(kind, found, variances, degrees, confidence)
    simple = settled(_simple_random_variances(found.influences, selection), found.magnitudes)
    weighted = rows.sums(selection.weights[rows.rows])
    return {
        "value": found.values,
        "standard_error": limits.standard_errors,
        "lower": limits.lower,
        "upper": limits.upper,
        "relative_error": ratios(limits.standard_errors, np.abs(np.nan_to_num(found.values))),
        "design_effect": ratios(variances, simple),
        "rows": rows.counts(),
        "population_rows": rounded_values(weighted, np.zeros_like(weighted), weighted),
        "degrees_of_freedom": [int(each) if np.isfinite(each) else None for each in degrees.tolist()],
        "method": f"{selection.words}; {limits.words}",
    }


def _simple_random_variances(influences: Influences, selection: ISelection) -> Floats:
    """Return N² (1 - n / N) S² / n, with S² of z over all rows, of which z is 0 outside of the domain."""
    w, n, population = selection.weights[influences.rows], selection.size, float(selection.weights.sum())
    if n < 2 or n >= population:
        return np.zeros(influences.domain_count)
    mean = influences.sums(w * influences.values) / population
    squares = influences.sums(w * (influences.values - mean[influences.domains]) ** 2)
    others = population - influences.sums(w)
    outside = np.where(others > TOLERANCE * population, others, 0.0) * mean**2
    return population * (1 - n / population) * (squares + outside) / (n - 1)


def _frame(columns: Mapping[str, Any], domains: Domains) -> pl.DataFrame:
    found = []
    for name, (kind, _) in COLUMNS.items():
        value = columns[name]
        is_one = value is None or isinstance(value, str)
        series = pl.Series(name, [value] * domains.count if is_one else value, dtype=kind)
        found.append(series.fill_nan(None) if kind == pl.Float64() else series)
        found += domains.values.get_columns() if name == "domain" else []
    return pl.DataFrame(found)
