"""Bounds guessed from a pilot: the sizes of some rows from all over the table, which one looks at before the pass.

One idea: a pass that knows from its start how far the n smallest ranks reach drops nearly all rows by one comparison.
A guess never decides. Whoever uses one checks that the rows it kept are enough, and repeats the pass without a guess if
they are not, as may happen in a table that is sorted by size.
"""

import math
from collections.abc import Callable

import numpy as np

from artifact_pipelines.sampling.arithmetic.elementary import Floats, uniforms
from artifact_pipelines.sampling.engine.population import in_threads
from artifact_pipelines.sampling.engine.rows import Batch, Rows
from artifact_pipelines.sampling.engine.sizes import LARGEST_SIZE, LEAST_SIZE, numbers_of
from artifact_pipelines.sampling.engine.smallest import share_to_keep
from artifact_pipelines.tabular.random_numbers import numbers_of_positions

_SLICES = 8
_EVERY = 16  # rows of which one is looked at
_WIDER = 1.1  # as the rows of a slice may be alike
_CERTAIN_FROM = 0.5


def pilot_sizes(rows: Rows, column: str, field: str) -> Floats:
    """Return the sizes of some rows, with 0 for those that are not usable; none if the table is small.

    Raises:
        InvalidArgumentError: The column is not of numbers; the field names it.
    """
    slices = rows.population.slices
    if len(slices) < 2 * _SLICES:
        return np.empty(0)
    step = len(slices) // _SLICES

    def look(number: int) -> Floats:
        sizes = numbers_of(Batch(rows, number), column, field)[::_EVERY]
        return np.where((sizes >= LEAST_SIZE) & (sizes <= LARGEST_SIZE), sizes, 0.0)

    return np.concatenate(list(in_threads(look, slices[step // 2 :: step])))


def guess_bound(n: int, population_size: int, sizes: Floats, rank: Callable[[Floats, Floats], Floats]) -> float:
    """Return a rank that n rows of the population hardly ever reach beyond; infinity if a pilot is too small for that.

    Args:
        sizes: The pilot.
        rank: Returns ranks for u and sizes.
    """
    if not len(sizes):
        return math.inf
    share = share_to_keep(n * len(sizes) / population_size, len(sizes)) * _WIDER
    if share >= 1:
        return math.inf
    found = rank(uniforms(numbers_of_positions(np.arange(len(sizes)), 0)), sizes)
    place = int(share * len(sizes))
    return float(np.partition(found, place)[place])


def guess_certain_size(n: int, population_size: int, sizes: Floats) -> float:
    """Return a size below which hardly any row is certain in a sample in proportion to size; 0 if that is not known.

    A row is certain from the mean size times N / n on if no other one is, and from a smaller size the more others are.
    """
    if not len(sizes):
        return 0.0
    capped = float(sizes.mean()) * population_size / n
    for _ in range(20):
        capped = float(np.minimum(sizes, capped).mean()) * population_size / n
    return capped * _CERTAIN_FROM
