"""Columns made orthonormal by the modified Gram-Schmidt process, done twice: as exact as any QR.

It uses no linear algebra of several threads, whose sums depend on their number.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from artifact_pipelines.analysis.estimates.influences import Floats

_DEPENDENT = 1e-9


@dataclasses.dataclass(frozen=True)
class Basis:
    """Columns x = q R, with sum of w q_i q_j = 1 for i = j, else 0.

    Attributes:
        columns: q, each (rows,); zeros in place of a column that the ones before it determine.
        triangle: (columns, columns) R; its diagonal is 0 for such a column.
        weights: (rows,) w.
    """

    columns: Sequence[Floats]
    triangle: Floats
    weights: Floats

    @property
    def rank(self) -> int:
        """Return the number of independent columns."""
        return int(np.count_nonzero(np.diag(self.triangle)))

    def coordinates(self, values: Floats) -> Floats:
        """Return sum of w q z for each q."""
        return np.array([float((self.weights * column * values).sum()) for column in self.columns])

    def residuals(self, values: Floats) -> Floats:
        """Return what is left of z after its weighted regression on the columns."""
        left = values.copy()
        for column, coordinate in zip(self.columns, self.coordinates(values), strict=True):
            left -= coordinate * column
        return left


def orthonormal(columns: Sequence[Floats], weights: Floats) -> Basis:
    """Return a basis of some columns.

    Source:
        Golub and Van Loan, Matrix Computations, 4th edition, 2013, sections 5.2.8 and 5.2.9.
    """
    found: list[Floats] = []
    triangle = np.zeros((len(columns), len(columns)))
    for number, column in enumerate(columns):
        left = column.astype(np.float64)
        length = float(np.sqrt((weights * left * left).sum()))
        for _ in range(2):
            for before, one in enumerate(found):
                share = float((weights * one * left).sum())
                triangle[before, number] += share
                left = left - share * one
        norm = float(np.sqrt((weights * left * left).sum()))
        is_new = norm > _DEPENDENT * length
        triangle[number, number] = norm if is_new else 0.0
        found.append(left / norm if is_new else np.zeros(len(left)))
    return Basis(found, triangle, weights)
