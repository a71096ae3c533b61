"""Positions of rows that stand for all rows of a table, spread evenly over it.

The one idea: the rows fall into equally long runs, and each run gives one row at random. Which one depends on the
number of rows only. A table of few rows gives all of them.
"""

import numpy as np
import numpy.typing as npt

from artifact_pipelines.tabular.random_numbers import numbers_of_positions

MOST_ROWS = 65_536
"""The standard error of a share of these rows is 0.2 percentage points at most."""

_MOST_VALUES = 2 << 20
_FEWEST_ROWS = 1024

Positions = npt.NDArray[np.int64]


def spread_positions(row_count: int, column_count: int) -> Positions:
    """Return the positions of the rows, in ascending order; fewer of a table with more than 32 columns."""
    most = max(_FEWEST_ROWS, min(MOST_ROWS, _MOST_VALUES // max(1, column_count)))
    size = min(row_count, most)
    bounds = np.array([row_count * run // max(1, size) for run in range(size + 1)], np.int64)
    lengths = np.diff(bounds)
    shares = (numbers_of_positions(np.arange(size, dtype=np.int64), seed=0) >> np.uint64(11)) * 2.0**-53
    return bounds[:-1] + (shares * lengths).astype(np.int64)
