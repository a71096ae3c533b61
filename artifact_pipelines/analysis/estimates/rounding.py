"""What remains of the arithmetic: where a variance or a deviation can only be rounding, it is 0.

The one idea: an estimate is a sum of terms, and floats keep about 16 digits of each. So what is smaller than 10⁻¹² of
the sum of their absolute values says nothing about the population.
"""

import numpy as np

from artifact_pipelines.analysis.estimates.influences import Floats

TOLERANCE = 1e-12
_DIGITS = 12
_MOST_DECIMALS = 22  # higher powers of ten are no exact floats


def settled(variances: Floats, magnitudes: Floats) -> Floats:
    """Return variances; 0 where the standard error is below `TOLERANCE` of the magnitude.

    Args:
        variances: (n,) in the square of the estimate's unit.
        magnitudes: (n,) sums of the absolute terms of each estimate, in its unit.
    """
    return np.where(variances <= (TOLERANCE * magnitudes) ** 2, 0.0, variances)


def rounded_values(values: Floats, variances: Floats, magnitudes: Floats) -> Floats:
    """Return values; where the variance is 0, those of 12 digits, but never rounded before the point.

    Args:
        values: (n,) estimates.
        variances: (n,) as `settled` returns them.
        magnitudes: (n,) whose leading digit is the first of the 12.
    """
    found = values.copy()
    for at in np.flatnonzero((variances == 0) & np.isfinite(values) & (magnitudes > 0)):
        decimals = max(0, _DIGITS - 1 - int(np.floor(np.log10(magnitudes[at]))))
        if decimals <= _MOST_DECIMALS:
            found[at] = round(float(values[at]), decimals) + 0.0  # no -0.0
    return found
