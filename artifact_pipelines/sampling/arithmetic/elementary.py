"""Uniform numbers, logarithm and exponential with the same bits on every machine.

One idea: additions, multiplications and divisions of floats are rounded the same everywhere; logarithms of different
processors and libraries differ in the last bit. These are built from the former only.

Source: the algorithms and coefficients of Sun's fdlibm, `e_log.c` and `e_exp.c` (accurate to a unit in the last place).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.uint64]

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LOG = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)
_EXP = (
    4.13813679705723846039e-08,
    -1.65339022054652515390e-06,
    6.61375632143793436117e-05,
    -2.77777777770155933842e-03,
    1.66666666666666019037e-01,
)
_SQRT_HALF = 0.70710678118654752440
_BLOCK = 2**15  # values that stay in the processor's cache


def uniforms(numbers: Numbers) -> Floats:
    """Return u = (r // 2**12 + 1/2) / 2**52 for permanent random numbers r: within (0, 1), as 1 - u is; both exact."""
    return ((numbers >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def remixed(numbers: Numbers, round_: int) -> Numbers:
    """Return other numbers of the same rows, as good as independent of the first; round 0: the numbers themselves.

    Source: the finalizer of SplitMix64; Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
    """
    if round_ == 0:
        return numbers
    state = numbers + np.uint64(round_ * 0x9E3779B97F4A7C15 % 2**64)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def log(values: Floats) -> Floats:
    """Return the natural logarithm of positive finite values."""
    mantissa, exponent = np.frexp(values)
    small = mantissa < _SQRT_HALF
    f = np.where(small, 2 * mantissa, mantissa) - 1
    k = (exponent - small).astype(np.float64)
    s = f / (2 + f)
    half_square = 0.5 * f * f
    remainder = _polynomial(_LOG, s * s) * (s * s)
    result: Floats = k * _LN2_HIGH - ((half_square - (s * (half_square + remainder) + k * _LN2_LOW)) - f)
    return result


def one_minus_exp(values: Floats) -> Floats:
    """Return 1 - exp(-x) for x >= 0, accurate for the smallest x too."""
    found = np.empty_like(values)
    for start in range(0, len(values), _BLOCK):
        found[start : start + _BLOCK] = _one_minus_exp(values[start : start + _BLOCK])
    return found


def _one_minus_exp(values: Floats) -> Floats:
    x = np.minimum(values, 746.0)
    k = np.rint(x / (_LN2_HIGH + _LN2_LOW))
    high = k * _LN2_HIGH - x
    low = -k * _LN2_LOW
    r = high - low
    c = r - r * r * _polynomial(_EXP, r * r)
    expm1 = high - (low - r * c / (2 - c))
    result: Floats = np.where(k == 0, -expm1, 1 - np.ldexp(1 + expm1, -k.astype(np.int32)))
    return result


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
