"""Split a table into one for each partition key, by a column of text that the results no longer have.

The inverse of `concatenation`. A LazyFrame is computed once, into a file below `TMPDIR`, and stays lazy.
"""

import pathlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.tabular.storable_columns import check_frame_columns

if TYPE_CHECKING:
    import pandas as pd

Check = Callable[[Sequence[object]], None]


def split_table(table: Any, table_type: str, column: str, keys: Sequence[str], check: Check) -> Iterator[Any]:
    """Yield the rows of each key as a table, in the order of the keys; a key without rows gets an empty table.

    Args:
        table: The table.
        table_type: Its type, one of `SPLITTERS`.
        column: Its column of keys.
        keys: Keys to yield rows for.
        check: Is called once, before the first table, with the distinct values of the column; it may raise.
    """
    return SPLITTERS[table_type](table, column, keys, check)


def column_names(table: Any) -> Sequence[object]:
    """Return the names of a table's columns."""
    if isinstance(table, pa.Table):
        return [*table.column_names]
    return table.collect_schema().names() if isinstance(table, pl.LazyFrame) else [*table.columns]


def _split_frame(frame: pl.DataFrame, column: str, keys: Sequence[str], check: Check) -> Iterator[pl.DataFrame]:
    check(frame[column].unique(maintain_order=True).to_list())
    tables = frame.with_columns(pl.col(column).cast(pl.String)).partition_by(column, as_dict=True, include_key=False)
    return (tables.get((key,), frame.drop(column).clear()) for key in keys)


def _split_lazy_frame(frame: pl.LazyFrame, column: str, keys: Sequence[str], check: Check) -> Iterator[pl.LazyFrame]:
    """Yield LazyFrames that are valid until the next one is requested."""
    check_frame_columns(frame.collect_schema())
    with tempfile.TemporaryDirectory(prefix="artifact-split-") as folder:
        path = pathlib.Path(folder, "table.parquet")
        frame.sink_parquet(path)
        computed = pl.scan_parquet(path, glob=False)
        check(computed.select(pl.col(column).unique(maintain_order=True)).collect()[column].to_list())
        for key in keys:
            yield computed.filter(pl.col(column).cast(pl.String) == key).drop(column)


def _split_arrow_table(table: pa.Table, column: str, keys: Sequence[str], check: Check) -> Iterator[pa.Table]:
    check(pc.unique(table[column]).to_pylist())
    values, others = table[column].cast(pa.large_string()), table.drop_columns(column)
    return (others.filter(pc.equal(values, key)) for key in keys)


def _split_pandas_frame(
    frame: "pd.DataFrame", column: str, keys: Sequence[str], check: Check
) -> Iterator["pd.DataFrame"]:
    """Yield pandas frames. A range index begins at 0 in each of them; labels of another index stay with their rows."""
    import pandas as pd

    check(frame[column].unique().tolist())
    places = frame.groupby(column, observed=True, sort=False).indices
    others = frame.drop(columns=column)
    for key in keys:
        rows = others.take(places.get(key, []))
        yield rows.reset_index(drop=True) if isinstance(frame.index, pd.RangeIndex) else rows


SPLITTERS: Mapping[str, Callable[..., Iterator[Any]]] = {
    "polars.DataFrame": _split_frame,
    "polars.LazyFrame": _split_lazy_frame,
    "pyarrow.Table": _split_arrow_table,
    "pandas.DataFrame": _split_pandas_frame,
}
