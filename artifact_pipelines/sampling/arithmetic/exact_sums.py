"""Sums of floats that depend on no order: of rows, of batches, of threads.

One idea: each float is a sum of a few integers on the grids 2**(26 k), and integers add up exactly. A plain sum of
floats rounds at every step, so another order of rows would give another total, another inclusion probability and
other bytes.

Source: Demmel and Nguyen, "Parallel reproducible summation", IEEE Transactions on Computers 64 (7), 2015.
"""

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

_GRID_BITS = 26  # the integers of 2**27 rows still add up exactly in 53 bits
_HIGHEST_CUT = 960  # beyond it the large float of `_rounded` would be infinite
_CHUNK = 2**15  # rows that stay in the processor's cache
_SPLITTER = float(2**27 + 1)

Floats = npt.NDArray[np.float64]


class ExactSums:
    """The exact sums of groups of finite values, batch by batch. Two of them merge."""

    def __init__(self, groups: int = 1) -> None:
        self._groups = groups
        self._grids: dict[int, npt.NDArray[np.int64]] = {}

    def add(self, values: Floats, group: npt.NDArray[np.intp] | None = None) -> None:
        """Add a batch of finite values: (rows,), each to its group; no group: all to the first."""
        for start in range(0, len(values), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            self._add(values[chunk], None if group is None else group[chunk])

    def _add(self, rest: Floats, group: npt.NDArray[np.intp] | None) -> None:
        largest = max(float(rest.max(initial=0.0)), -float(rest.min(initial=0.0)))
        grid = (math.frexp(largest)[1] - 1) // _GRID_BITS * _GRID_BITS
        while rest.any():
            coarse = _rounded(rest, grid)
            self._add_multiples(grid, coarse, group)
            rest = np.subtract(rest, coarse, out=coarse)
            grid -= _GRID_BITS

    def add_squares(self, values: Floats, group: npt.NDArray[np.intp] | None = None) -> None:
        """Add the exact squares of a batch; the magnitude of each value is 0 or within 1e-140 to 1e150.

        Source: Dekker, "A floating-point technique for extending the available precision", 1971.
        """
        scaled = values * _SPLITTER
        high = scaled - (scaled - values)
        low = values - high
        for product in (high * high, 2 * high * low, low * low):
            self.add(product, group)

    def merge(self, other: "ExactSums") -> None:
        """Add the sums of other batches."""
        for grid, sums in other._grids.items():
            self._grids[grid] = self._grids.get(grid, 0) + sums  # no +=: it would change the other's

    def totals(self) -> list[Fraction]:
        """Return the sum of each group."""
        scales = {grid: Fraction(2) ** grid for grid in self._grids}
        return [
            sum((int(sums[group]) * scales[grid] for grid, sums in self._grids.items()), Fraction(0))
            for group in range(self._groups)
        ]

    def _add_multiples(self, grid: int, multiples: Floats, group: npt.NDArray[np.intp] | None) -> None:
        sums = self._grids.setdefault(grid, np.zeros(self._groups, np.int64))
        if group is None:
            sums[0] += int(math.ldexp(float(multiples.sum()), -grid))
        else:
            of_groups = np.bincount(group, weights=multiples, minlength=self._groups)
            sums += np.ldexp(of_groups, -grid).astype(np.int64)


def _rounded(values: Floats, grid: int) -> Floats:
    """Return the values rounded to multiples of 2**grid; an added large float cuts the bits below off, and is fast."""
    if grid > _HIGHEST_CUT:
        return np.ldexp(np.rint(np.ldexp(values, -grid)), grid)
    cut = math.ldexp(1.5, 52 + grid)
    coarse = values + cut
    coarse -= cut
    return coarse
