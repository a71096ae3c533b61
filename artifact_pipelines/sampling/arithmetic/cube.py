"""Balanced sampling by the cube method: totals of auxiliary columns in the sample are those of the population.

One idea: start from the inclusion probabilities and walk along directions that keep the balance, a few rows at a time,
until each of these rows has reached 0 or 1 (flight). When a few rows are left for which no such direction exists, give
up the last column, and so on (landing). Each step is fair, so the inclusion probabilities hold exactly.

All rows are in memory: `LARGEST_POPULATION` is the limit.

Sources: Deville and Tillé, "Efficient balanced sampling: the cube method", Biometrika 91 (4), 2004; Chauvet and
Tillé, "A fast algorithm for balanced sampling", Computational Statistics 21 (1), 2006.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

LARGEST_POPULATION = 100_000
_NEAR = 1e-9

Floats = npt.NDArray[np.float64]


def balanced_sample(probabilities: Floats, columns: Floats, decide: Callable[[float], bool]) -> npt.NDArray[np.bool_]:
    """Return which rows are drawn.

    The size is fixed if the first column is the probabilities and their sum is a whole number.

    Args:
        probabilities: (N,) π, in [0, 1].
        columns: (N, p) auxiliary columns, the most important first.
        decide: Returns True with the probability that it is given, each time independently.
    """
    π = probabilities.tolist()
    balance = _weighed(probabilities, columns).tolist()
    waiting = iter([row for row, share in enumerate(π) if 0 < share < 1])
    width = columns.shape[1]
    window: list[int] = []
    while True:
        window.extend(itertools.islice(waiting, max(0, width + 1 - len(window))))
        if not window:
            return np.array(π) > 0.5
        direction = _null_vector([balance[row][:width] for row in window])
        if direction is None:
            width -= 1
            continue
        _step(π, window, direction, decide)
        window = [row for row in window if 0 < π[row] < 1]


def _weighed(probabilities: Floats, columns: Floats) -> Floats:
    """Return x / π, each column scaled to 1 at most."""
    safe = np.where(probabilities > 0, probabilities, 1)[:, None]
    scale = np.abs(columns / safe).max(axis=0, initial=0.0)
    return columns / safe / np.where(scale > 0, scale, 1)


def _step(π: list[float], window: Sequence[int], direction: Sequence[float], decide: Callable[[float], bool]) -> None:
    """Walk as far as possible one way or the other, the ways weighed so that no π changes on average."""
    moving = [(row, slope) for row, slope in zip(window, direction, strict=True) if slope]
    up = min((1 - π[row]) / slope if slope > 0 else π[row] / -slope for row, slope in moving)
    down = min(π[row] / slope if slope > 0 else (1 - π[row]) / -slope for row, slope in moving)
    length = up if decide(down / (up + down)) else -down
    for row, slope in moving:
        moved = π[row] + length * slope
        π[row] = 0.0 if moved < _NEAR else 1.0 if moved > 1 - _NEAR else moved


def _null_vector(rows: Sequence[Sequence[float]]) -> list[float] | None:
    """Return v with sum of v[i] * rows[i] = 0, largest entry 1; None if the rows are independent.

    Elimination with the largest pivot, in plain floats: the same on every machine, which LAPACK is not.
    """
    width = len(rows[0]) if rows else 0
    basis: list[tuple[int, list[float], list[float]]] = []
    for index, row in enumerate(rows):
        rest = list(row)
        combination = [0.0] * len(rows)
        combination[index] = 1.0
        for pivot, other, made_of in basis:
            if factor := rest[pivot] / other[pivot]:
                rest = [a - factor * b for a, b in zip(rest, other, strict=True)]
                rest[pivot] = 0.0
                combination = [a - factor * b for a, b in zip(combination, made_of, strict=True)]
        pivot = max(range(width), key=lambda column: abs(rest[column]), default=-1)
        if pivot < 0 or abs(rest[pivot]) < _NEAR * max(map(abs, row), default=1.0) or not any(row):
            largest = max(map(abs, combination))
            return [value / largest if abs(value) > _NEAR * largest else 0.0 for value in combination]
        basis.append((pivot, rest, combination))
    return None
