"""Rows that say the same in the columns that identify them: each after the first gets an identity of its own.

One idea: equal values draw equal numbers, so repeated values are equal numbers. They are searched for in ranges of
numbers, as many at a time as fit into memory.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.sampling.engine.population import Population
from artifact_pipelines.sampling.engine.rows import Identity, Repeats, Rows
from artifact_pipelines.tabular.random_numbers import Numbers

_AT_ONCE = 10_000_000  # numbers in memory
MOST_REPEATED = 5_000_000


def find_repeats(population: Population, columns: Sequence[str]) -> Repeats | None:
    """Return the rows that say the same as a row before them in some columns; None if there are none.

    Raises:
        InvalidArgumentError: They are more than five million.
    """
    rows = Rows(population, Identity(columns, 0))
    repeated = _repeated_numbers(rows)
    if not len(repeated):
        return None
    numbers, ordinals = _rows_with(rows, repeated)
    order = np.lexsort((ordinals, numbers))
    numbers, ordinals = numbers[order], ordinals[order]
    first = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
    occurrence = np.arange(len(numbers)) - np.repeat(first, np.diff([*first, len(numbers)]))
    again = occurrence > 0
    by_position = np.argsort(ordinals[again])
    return Repeats(ordinals[again][by_position], occurrence[again][by_position])


def _repeated_numbers(rows: Rows) -> Numbers:
    """Return the numbers that several rows draw, each once, in ascending order."""
    ranges = -(-max(1, rows.count) // _AT_ONCE)
    found = []
    for number in range(ranges):
        low, high = 2**64 * number // ranges, 2**64 * (number + 1) // ranges - 1
        parts = rows.map(
            lambda batch, low=low, high=high: batch.numbers[  # type: ignore[misc]
                (batch.numbers >= np.uint64(low)) & (batch.numbers <= np.uint64(high))
            ]
        )
        numbers = np.sort(np.concatenate(list(parts)))
        found.append(np.unique(numbers[1:][numbers[1:] == numbers[:-1]]))
    return np.concatenate(found)


def _rows_with(rows: Rows, repeated: Numbers) -> tuple[Numbers, npt.NDArray[np.int64]]:
    found, count = [], 0
    for numbers, ordinals in rows.map(lambda batch: _among(batch.numbers, batch.ordinals, repeated)):
        found.append((numbers, ordinals))
        count += len(ordinals)
        if count - len(repeated) > MOST_REPEATED:
            expected = f"columns whose values repeat in {MOST_REPEATED:,} rows at most, or `identity: position`"
            raise InvalidArgumentError("key", list(rows.identity.columns), expected)
    return np.concatenate([one for one, _ in found]), np.concatenate([one for _, one in found])


def _among(
    numbers: Numbers, ordinals: npt.NDArray[np.int64], repeated: Numbers
) -> tuple[Numbers, npt.NDArray[np.int64]]:
    place = np.minimum(np.searchsorted(repeated, numbers), len(repeated) - 1)
    here = repeated[place] == numbers
    return numbers[here], ordinals[here]
