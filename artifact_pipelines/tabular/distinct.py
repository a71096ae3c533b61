"""How many values a column may have at most, from what a Parquet footer says: never a guess, and no scan."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def distinct_at_most(
    kind: pa.DataType, value_count: int, minimum: Any, maximum: Any, written: Sequence[int | None] = ()
) -> int:
    """Return an upper bound of the number of different values, not counting null.

    Args:
        kind: Type of the column. Of floats, minimum and maximum bound nothing: NaN is in neither.
        value_count: Number of values that are not null.
        minimum: No value is smaller, or None where the footer does not say. Of dates and times: a number of units.
        maximum: No value is greater, or None.
        written: Number of different values of each row group as its writer counted it, None where it has not.
    """
    bounds = [value_count]
    if written and all(count is not None for count in written):
        bounds.append(sum(count for count in written if count is not None))
    if minimum is not None and maximum is not None and not pa.types.is_floating(kind):
        if minimum == maximum:
            bounds.append(1)
        elif isinstance(minimum, int):  # also a boolean
            bounds.append(maximum - minimum + 1)
    return min(bounds)
