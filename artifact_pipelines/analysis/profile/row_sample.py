"""A sample of rows for the statistics that need many values side by side, such as quantiles.

The one idea: the rows fall into equally long runs, and each run gives one row at random. Which one depends on the
number of rows only. A table of few rows is its own sample, and its quantiles are exact.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact_pipelines.analysis.profile.distinct import shortened
from artifact_pipelines.analysis.profile.texts import as_binary
from artifact_pipelines.tabular.random_numbers import numbers_of_positions

SAMPLE_ROWS = 65_536
"""The standard error of a share of the sample is then 0.2 percentage points at most."""

_SAMPLE_VALUES = 2 << 20
_FEWEST_ROWS = 1024

Positions = npt.NDArray[np.int64]


def sample_positions(row_count: int, column_count: int) -> Positions:
    """Return the positions of the rows of the sample, in ascending order."""
    most = max(_FEWEST_ROWS, min(SAMPLE_ROWS, _SAMPLE_VALUES // max(1, column_count)))
    size = min(row_count, most)
    bounds = np.array([row_count * run // max(1, size) for run in range(size + 1)], np.int64)
    lengths = np.diff(bounds)
    shares = (numbers_of_positions(np.arange(size, dtype=np.int64), seed=0) >> np.uint64(11)) * 2.0**-53
    return bounds[:-1] + (shares * lengths).astype(np.int64)


def taken_rows(batch: pa.RecordBatch, positions: Positions) -> list[pa.Array]:
    """Return the columns of some rows of a batch; texts as binaries, long ones cut; nested columns as nulls."""
    everywhere = len(positions) == batch.num_rows
    taken = pa.array(positions)
    return [_plain(column if everywhere else column.take(taken)) for column in batch.columns]


def _plain(column: pa.Array) -> pa.Array:
    column = column.storage if isinstance(column.type, pa.BaseExtensionType) else column
    types = pa.types
    if types.is_nested(column.type):
        return pa.nulls(len(column))
    if types.is_dictionary(column.type):
        short = _plain(column.dictionary)
        return short.take(column.indices)
    is_plain = types.is_primitive(column.type) or types.is_decimal(column.type) or types.is_null(column.type)
    return column if is_plain else shortened(as_binary(column)[0])
