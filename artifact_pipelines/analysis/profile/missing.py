"""Which columns lack their values in the same rows, in the row sample."""

from typing import Any

import numpy as np
import pyarrow as pa

MOST_PARTNERS = 10
_MOST_COLUMNS = 500
_WEAKEST = 0.1


def missing_together(schema: pa.Schema, sample: pa.Table) -> list[list[dict[str, Any]] | None]:
    """Return, for each column with nulls, the other columns that are null in the same rows, the closest first.

    Each entry has the name of the other `column`, the `share` of this column's nulls where the other one is null too,
    and the `correlation` of both nulls.
    """
    found: list[list[dict[str, Any]] | None] = [None] * len(schema)
    with_nulls = [at for at, column in enumerate(sample.columns) if 0 < column.null_count < sample.num_rows]
    with_nulls = with_nulls[:_MOST_COLUMNS]
    if not with_nulls:
        return found
    nulls = np.stack([sample.column(at).is_null().to_numpy() for at in with_nulls]).astype(np.float32)
    both = (nulls @ nulls.T).astype(np.float64)  # exact: fewer rows than 2**24
    shares = both.diagonal() / sample.num_rows
    spread = np.sqrt(shares * (1 - shares))
    correlation = (both / sample.num_rows - np.outer(shares, shares)) / np.outer(spread, spread)
    for at, position in enumerate(with_nulls):
        order = [other for other in np.argsort(-correlation[at], kind="stable").tolist() if other != at]
        found[position] = [
            {
                "column": schema.field(with_nulls[other]).name,
                "share": both[at, other] / both[at, at],
                "correlation": min(1.0, correlation[at, other]),
            }
            for other in order[:MOST_PARTNERS]
            if correlation[at, other] >= _WEAKEST
        ]
    return found
