"""Estimators: values for each domain, and the influence of each row on them.

w are the weights, y the values of rows in a domain, N̂ the sum of w.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from artifact_pipelines.analysis.estimates.influences import Floats, Influences, ratios
from artifact_pipelines.analysis.estimates.orthonormal import orthonormal
from artifact_pipelines.analysis.estimates.requests import EstimateRequest
from artifact_pipelines.analysis.estimates.sample_table import Variable
from artifact_pipelines.core.exceptions import InvalidArgumentError

_ROUNDING = 1e-12

Invert = Callable[[Floats], Floats]
"""Returns the value of each domain that a share of its rows does not exceed; NaN for shares outside of (0, 1]."""


@dataclasses.dataclass(frozen=True)
class Estimated:
    """An estimate of each domain.

    Attributes:
        values: (domains,) NaN where no row has a value.
        influences: z.
        magnitudes: (domains,) the sum of the absolute terms that the value (of a quantile, its share) is the sum of.
        part: Name of a coefficient of a regression.
        shares: Of a quantile, the estimated share of rows up to it, which z then is about.
        invert: Of a quantile, its inverse.
    """

    values: Floats
    influences: Influences
    magnitudes: Floats
    part: str = ""
    shares: Floats | None = None
    invert: Invert | None = None


def estimated(
    request: EstimateRequest, rows: Influences, weights: Floats, given: Sequence[Variable]
) -> list[Estimated]:
    """Return an estimate; a regression has one for each coefficient.

    Args:
        rows: The rows that have all values, of all domains; the values are those of the first variable.
        weights: (rows of the sample,).
        given: All variables, in the order of the request.

    Source:
        Särndal, Swensson and Wretman, 1992: totals 2.8.1, ratios and means 5.6.1 and 5.7.1, quantiles 5.11, regression
        5.10.
    """
    w = weights[rows.rows]
    if request.kind == "total":
        terms = w * rows.values
        return [Estimated(rows.sums(terms), rows, rows.sums(np.abs(terms)))]
    if request.kind == "ratio":
        return [_ratio(rows, w, given[1].values[rows.rows])]
    if request.quantile is not None:
        return [_quantile(rows, w, request.q or 0.5)]
    if request.explained_by is not None:
        return _regression(rows, w, request, given[1:])
    return [_ratio(rows, w, np.ones(len(w)))]


def _ratio(rows: Influences, w: Floats, x: Floats) -> Estimated:
    """Return R = sum of w y / sum of w x, and z = (y - R x) / sum of w x."""
    whole = rows.sums(w * x)
    terms = w * rows.values
    values, magnitudes = (ratios(rows.sums(each), whole) for each in (terms, np.abs(terms)))
    z = ratios(rows.values - values[rows.domains] * x, whole[rows.domains])
    return Estimated(values, rows.with_values(np.nan_to_num(z)), np.abs(np.nan_to_num(magnitudes)))


def _quantile(rows: Influences, w: Floats, q: float) -> Estimated:
    """Return the smallest value with F̂ of q at least, and z = (1{y <= value} - F̂) / N̂ of its share F̂."""
    invert = _inverse(rows, w)
    values = invert(np.full(rows.domain_count, q))
    share = _ratio(rows.with_values((rows.values <= values[rows.domains]).astype(np.float64)), w, np.ones(len(w)))
    return dataclasses.replace(share, values=values, shares=share.values, invert=invert)


def _inverse(rows: Influences, w: Floats) -> Invert:
    order = np.lexsort((rows.values, rows.domains))
    values, ends = rows.values[order], np.cumsum(rows.counts())
    reached = np.concatenate([[0.0], np.maximum.accumulate(np.cumsum(w[order]))])
    starts = ends - rows.counts()
    before, whole = reached[starts], reached[ends] - reached[starts]

    def invert(shares: Floats) -> Floats:
        is_share = (shares > 0) & (shares <= 1) & (whole > 0)
        wanted = before + np.where(is_share, shares, 1.0) * whole - _ROUNDING * reached[-1]
        place = np.clip(np.searchsorted(reached[1:], wanted), starts, np.maximum(ends - 1, 0))
        found = np.full(len(shares), np.nan)
        found[is_share] = values[place[is_share]]
        return found

    return invert


def _regression(
    rows: Influences, w: Floats, request: EstimateRequest, explaining: Sequence[Variable]
) -> list[Estimated]:
    """Return the coefficients B of each domain, and z = A⁻¹ x (y - x B) with A = sum of w x x'."""
    names = ["intercept", *(request.explained_by or ())]
    columns = [np.ones(len(w)), *(each.values[rows.rows] for each in explaining)]
    values, influences = np.full((len(names), rows.domain_count), np.nan), np.zeros((len(names), len(w)))
    magnitudes = np.zeros_like(values)
    for domain, here in _each_domain(rows):
        basis = orthonormal([column[here] for column in columns], w[here])
        if basis.rank < len(names):
            expected = "columns of which none follows from the others, in every domain"
            raise InvalidArgumentError("explained_by", names[1:], expected)
        y = rows.values[here]
        values[:, domain] = np.linalg.solve(basis.triangle, basis.coordinates(y))
        slopes = np.linalg.solve(basis.triangle, np.array(basis.columns))
        influences[:, here] = slopes * basis.residuals(y)
        magnitudes[:, domain] = np.abs(slopes * w[here] * y).sum(axis=1)
    return [
        Estimated(value, rows.with_values(influence), magnitude, part)
        for part, value, influence, magnitude in zip(names, values, influences, magnitudes, strict=True)
    ]


def _each_domain(rows: Influences) -> Iterator[tuple[int, np.ndarray[tuple[int], np.dtype[np.intp]]]]:
    order = np.argsort(rows.domains, kind="stable")
    ends = np.cumsum(rows.counts())
    for domain, (start, end) in enumerate(zip(ends - rows.counts(), ends, strict=True)):
        if end > start:
            yield domain, order[start:end]
