"""Upper bounds of the number of different values, from the footers that polars and pyarrow write."""

import datetime
import io
from collections.abc import Callable
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pytest

from artifact_pipelines.tabular import parquet
from artifact_pipelines.tabular.footer import describe_parquet
from artifact_pipelines.tabular.parquet import write_batches, write_frame

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
def test_distinct_bound_follows_from_the_footer(
    write: Callable[[pl.Series], BinaryIO], values: list[Any], bound: int
) -> None:
    series = pl.Series(values, dtype=pl.Int64 if values == [None, None] else None)
    [column] = describe_parquet(write(series)).columns
    assert column.distinct_at_most == bound
    assert bound >= series.drop_nulls().n_unique()


LONG = "x" * 5_000  # Arrow's writer leaves out statistics of more than 4 KiB


@pytest.mark.parametrize("write", [written_by_polars, written_by_pyarrow])
@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["a", "a", LONG + "1", LONG + "2", "a", None], [(None, None, 5), ("a", f"{'x' * 60}…", 5)]),
        (["a", "a", None, None, "a"], [("a", "a", 1)]),
        ([1, 3, None, None, 2, 2], [(1, 3, 3)]),
        ([DAY, None, DAY, DAY, DAY + datetime.timedelta(days=1)], [("2026-01-01", "2026-01-02", 2)]),
        ([True, None, None, None, False, True], [(False, True, 2)]),
        ([0.5, 0.5, float("nan"), float("nan")], [(None, None, 4), (0.5, 0.5, 4)]),
    ],
)
def test_row_group_without_statistics_is_not_ignored(
    write: Callable[[pl.Series], BinaryIO],
    values: list[Any],
    said: list[tuple[Any, Any, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet, "row_group_rows", lambda columns: 2)
    series = pl.Series(values)
    [column] = describe_parquet(write(series)).columns
    assert column.null_count == series.null_count()
    assert (column.minimum, column.maximum, column.distinct_at_most) in said


@pytest.mark.parametrize("write", [written_by_polars, written_by_pyarrow])
@pytest.mark.parametrize("length", [1, 63, 64, 65, 3_000])
def test_texts_with_a_common_prefix_count_separately(write: Callable[[pl.Series], BinaryIO], length: int) -> None:
    [column] = describe_parquet(write(pl.Series(["x" * length, "x" * length + "y", "x" * length + "z"] * 2))).columns
    assert column.distinct_at_most is not None
    assert column.distinct_at_most >= 3


def test_column_is_not_confused_with_a_field_of_the_same_path() -> None:
    record, pairs = [{"b": 7}, {"b": 9}], [[("k", 1)], None]
    kind = pa.map_(pa.string(), pa.int64())
    table = pa.table({"a": record, "pairs": pa.array(pairs, kind), "a.b": [1, 1], "lists": [[1], [2]], "last": [3, 4]})
    sink = io.BytesIO()
    write_batches(table.schema, table.to_batches(), sink)
    told = [(c.name, c.minimum, c.distinct_at_most) for c in describe_parquet(sink).columns]
    nested = [(name, None, None) for name in ("a", "pairs", "lists")]
    assert told == [*nested[:2], ("a.b", 1, 1), nested[2], ("last", 3, 2)]


def test_nested_columns_have_no_distinct_bound() -> None:
    [column] = describe_parquet(written_by_polars(pl.Series([[1], [2]]))).columns
    assert column.distinct_at_most is None
