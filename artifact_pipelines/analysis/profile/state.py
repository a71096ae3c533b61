"""What is known of some rows of a table. Two states merge, in any grouping, to that of all their rows."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.analysis.profile.distinct import Smallest, merge_smallest
from artifact_pipelines.analysis.profile.row_sample import RowSample, bounded_samples
from artifact_pipelines.analysis.profile.summary import ColumnSummary, merge_columns


@dataclasses.dataclass(frozen=True, slots=True)
class TableState:
    """Statistics of some rows.

    Attributes:
        columns: The summary of each column, in order.
        rows: The distinct rows with the smallest numbers.
        keys: The distinct keys with the smallest numbers.
        samples: Together, the sample of the rows.
    """

    columns: Sequence[ColumnSummary]
    rows: Smallest
    keys: Smallest
    samples: Sequence[RowSample]


def merge_states(left: TableState, right: TableState) -> TableState:
    """Return the statistics of all rows of two states."""
    return TableState(
        columns=[merge_columns(*both) for both in zip(left.columns, right.columns, strict=True)],
        rows=merge_smallest([left.rows, right.rows]),
        keys=merge_smallest([left.keys, right.keys]),
        samples=bounded_samples([*left.samples, *right.samples]),
    )
