"""Standard errors and confidence intervals."""

import dataclasses
import math

import numpy as np

from artifact_pipelines.analysis.estimates.estimators import Estimated
from artifact_pipelines.analysis.estimates.influences import Codes, Floats
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
    kind: str, found: Estimated, variances: Floats, degrees_of_freedom: Codes, confidence: float
) -> Intervals:
    """Return the intervals of an estimate.

    Args:
        kind: Of the request.
        variances: (domains,) of the weighted totals of z.
        degrees_of_freedom: (domains,); 0 and no variance: the value is exact; 0 and a variance: no interval.
    """
    errors, t = np.sqrt(variances), _t(degrees_of_freedom, variances, confidence)
    if found.invert is not None and found.shares is not None:
        lower = found.invert(found.shares - t * errors)
        upper = found.invert(found.shares + t * errors)
        exact = np.where(variances == 0, 0.0, 1.0)
        return Intervals((upper - lower) / (2 * np.where(exact, t, 1.0)), lower, upper, "Woodruff's interval")
    if kind == "proportion":
        return Intervals(errors, *_logit(found, errors, t, degrees_of_freedom, confidence), "logit interval")
    return Intervals(errors, found.values - t * errors, found.values + t * errors, "t interval")


def _t(degrees_of_freedom: Codes, variances: Floats, confidence: float) -> Floats:
    """Return the quantile of each domain: 0 where the value is exact, NaN where the sample cannot say."""
    upper = (1 + confidence) / 2
    known = {each: t_quantile(upper, each) for each in np.unique(degrees_of_freedom).tolist() if each > 0}
    found = np.array([known.get(each, math.nan) for each in degrees_of_freedom.tolist()], np.float64)
    return np.where((variances == 0) & (degrees_of_freedom <= 0), 0.0, found)


def _logit(
    found: Estimated, errors: Floats, t: Floats, degrees_of_freedom: Codes, confidence: float
) -> tuple[Floats, Floats]:
    """Return limits that are symmetric on the scale of log(p / (1 - p)), so they stay between 0 and 1.

    If none or all of the rows fulfil the condition, the standard error is 0 and says nothing. Then the limit is that of
    Clopper and Pearson, as if each degree of freedom were a row.

    Source:
        Korn and Graubard, Analysis of Health Surveys, 1999, section 3.2; Clopper and Pearson, Biometrika 26, 1934.
    """
    p = found.values
    inner = (p > 0) & (p < 1)
    safe = np.where(inner, p, 0.5)
    middle, reach = np.log(safe / (1 - safe)), t * errors / (safe * (1 - safe))
    lower, upper = 1 / (1 + np.exp(reach - middle)), 1 / (1 + np.exp(-reach - middle))
    count = np.maximum(degrees_of_freedom + 1, 1)
    far = np.where(degrees_of_freedom > 0, 1 - ((1 - confidence) / 2) ** (1 / count), t)  # t: 0 if exact, else NaN
    lower = np.where(inner, lower, np.where(p == 0, 0.0, 1 - far))
    upper = np.where(inner, upper, np.where(p == 0, far, 1.0))
    return np.where(np.isnan(p), np.nan, lower), np.where(np.isnan(p), np.nan, upper)
