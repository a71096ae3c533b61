"""Bounds of the number of different values, from footers that polars and pyarrow write."""

import datetime
import io
from collections.abc import Callable
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pytest

from artifact_pipelines.tabular.distinct import distinct_at_most
from artifact_pipelines.tabular.parquet import describe_parquet, write_batches, write_frame

DAY = datetime.date(2026, 1, 1)


def written_by_polars(values: pl.Series) -> io.BytesIO:
    sink = io.BytesIO()
    write_frame(pl.DataFrame({"x": values}), sink)
    return sink


def written_by_pyarrow(values: pl.Series) -> io.BytesIO:
    sink = io.BytesIO()
    table = pl.DataFrame({"x": values}).to_arrow()
    write_batches(table.schema, table.to_batches(), sink)
    return sink


@pytest.mark.parametrize("write", [written_by_polars, written_by_pyarrow])
@pytest.mark.parametrize(
    ("values", "bound"),
    [
        ([5, 7, None, 7, 5, 5], 3),
        ([1, 1_000_000], 2),
        ([True, False, True], 2),
        ([True, None, True], 1),
        (["same"] * 9, 1),
        (["a", "b", "b", None], 3),
        ([DAY, DAY + datetime.timedelta(days=1)] * 5, 2),
        ([1.5, 1.5, float("nan")], 3),
        ([None, None], 0),
    ],
)
def test_the_bound_holds_and_is_no_scan(write: Callable[[pl.Series], BinaryIO], values: list[Any], bound: int) -> None:
    series = pl.Series(values, dtype=pl.Int64 if values == [None, None] else None)
    [column] = describe_parquet(write(series)).columns
    assert column.distinct_at_most == bound
    assert bound >= series.drop_nulls().n_unique()


def test_nested_columns_have_no_bound() -> None:
    [column] = describe_parquet(written_by_polars(pl.Series([[1], [2]]))).columns
    assert column.distinct_at_most is None


def test_what_writers_counted_is_added_up_over_row_groups() -> None:
    assert distinct_at_most(pa.string(), 100, "a", "z", [3, 4]) == 7
    assert distinct_at_most(pa.string(), 100, "a", "z", [3, None]) == 100
