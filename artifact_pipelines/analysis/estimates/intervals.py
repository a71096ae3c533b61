"""Standard errors and confidence intervals."""

import dataclasses
import math

import numpy as np

from artifact_pipelines.analysis.estimates.estimators import Estimated
from artifact_pipelines.analysis.estimates.influences import Floats
from artifact_pipelines.analysis.estimates.students_t import t_quantile


@dataclasses.dataclass(frozen=True)
class Intervals:
    """Standard errors and limits; NaN where the sample cannot say.

    Attributes:
        words: How they follow from the variance.
    """

    standard_errors: Floats
    lower: Floats
    upper: Floats
    words: str


def intervals(
    kind: str, found: Estimated, variances: Floats, degrees_of_freedom: Floats, confidence: float
) -> Intervals:
    """Return the intervals of an estimate.

    Args:
        kind: Of the request.
        variances: (domains,) of the weighted totals of z.
        degrees_of_freedom: (domains,); 0: no interval; infinite: the value is exact.
    """
    errors, t = np.sqrt(variances), _t(degrees_of_freedom, confidence)
    if found.invert is not None and found.shares is not None:
        lower = found.invert(found.shares - t * errors)
        upper = found.invert(found.shares + t * errors)
        return Intervals((upper - lower) / (2 * t), lower, upper, "Woodruff's interval")
    if kind == "proportion":
        lower, upper = _logit(found.values, errors, t, _far(degrees_of_freedom, confidence))
        return Intervals(errors, lower, upper, "logit interval")
    return Intervals(errors, found.values - t * errors, found.values + t * errors, "t interval")


def _t(degrees_of_freedom: Floats, confidence: float) -> Floats:
    """Return the quantile of each domain; NaN without a degree of freedom."""
    upper = (1 + confidence) / 2
    return np.array([t_quantile(upper, each) if each > 0 else math.nan for each in degrees_of_freedom.tolist()])


def _far(degrees_of_freedom: Floats, confidence: float) -> Floats:
    """Return the limit of a proportion that is 0 in the sample, as if each degree of freedom were a row.

    Source:
        Clopper and Pearson, Biometrika 26, 1934.
    """
    far = 1 - ((1 - confidence) / 2) ** (1 / (degrees_of_freedom + 1))
    return np.where(degrees_of_freedom > 0, far, np.nan)


def _logit(p: Floats, errors: Floats, t: Floats, far: Floats) -> tuple[Floats, Floats]:
    """Return limits that are symmetric on the scale of log(p / (1 - p)), so they stay between 0 and 1.

    If none or all of the rows fulfil the condition, the standard error is 0 and says nothing: then `far` is the limit.

    Source:
        Korn and Graubard, Analysis of Health Surveys, 1999, section 3.2.
    """
    inner = (p > 0) & (p < 1)
    safe = np.where(inner, p, 0.5)
    middle, reach = np.log(safe / (1 - safe)), t * errors / (safe * (1 - safe))
    low, high = (np.where(reach == 0, p, 1 / (1 + np.exp(side - middle))) for side in (reach, -reach))
    lower = np.where(inner, low, np.where(p == 0, 0.0, 1 - far))
    upper = np.where(inner, high, np.where(p == 0, far, 1.0))
    return np.where(np.isnan(p), np.nan, lower), np.where(np.isnan(p), np.nan, upper)
