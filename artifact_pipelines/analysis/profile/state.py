"""What is known of some rows of a table. Two states merge, in any grouping, to that of all their rows."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.analysis.profile.distinct import Smallest, merge_smallest
from artifact_pipelines.analysis.profile.row_sample import RowSample, merge_samples
from artifact_pipelines.analysis.profile.summary import ColumnSummary, merge_columns


@dataclasses.dataclass(frozen=True, slots=True)
class TableState:
    """Statistics of some rows.

    Attributes:
        columns: The summary of each column, in order.
        rows: The distinct rows with the smallest numbers.
        keys: The distinct keys with the smallest numbers.
        sample: None without a row.
    """

    columns: Sequence[ColumnSummary]
    rows: Smallest
    keys: Smallest
    sample: RowSample | None


def merge_states(left: TableState, right: TableState) -> TableState:
    """Return the statistics of all rows of two states."""
    samples = [sample for sample in (left.sample, right.sample) if sample is not None]
    return TableState(
        columns=[merge_columns(*both) for both in zip(left.columns, right.columns, strict=True)],
        rows=merge_smallest([left.rows, right.rows]),
        keys=merge_smallest([left.keys, right.keys]),
        sample=merge_samples(samples) if len(samples) > 1 else next(iter(samples), None),
    )
