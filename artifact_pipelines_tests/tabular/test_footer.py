"""Facts of a table from its footer, and its first rows."""

import datetime
import decimal
import io
from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from artifact_pipelines.tabular.footer import ColumnSummary, describe_parquet, preview
from artifact_pipelines.tabular.parquet import write_batches, write_frame
from artifact_pipelines_tests.tabular.test_parquet import FRAME, ROWS, written


def by_polars(table: pa.Table) -> io.BytesIO:
    sink = io.BytesIO()
    write_frame(pl.DataFrame(table), sink)
    return sink


def by_pyarrow(table: pa.Table) -> io.BytesIO:
    sink = io.BytesIO()
    write_batches(table.schema, table.to_batches(), sink)
    return sink


def told(source: io.BytesIO) -> dict[str, ColumnSummary]:
    return {column.name: column for column in describe_parquet(source).columns}


def test_footer_gives_rows_types_nulls_and_ranges() -> None:
    summary = describe_parquet(io.BytesIO(written(FRAME)))
    assert summary.row_count == ROWS
    number, text, share = summary.columns
    assert (number.name, number.type, number.null_count, number.minimum, number.maximum) == (
        "number",
        "int64",
        0,
        0,
        ROWS - 1,
    )
    assert (text.type, text.null_count, text.minimum, text.maximum) == ("string", 23_077, "row 0", "row 99")
    assert share.maximum == pytest.approx((ROWS - 1) / 7)


def test_footer_is_read_for_every_type() -> None:
    frame = pl.DataFrame(
        {
            "nested": [[1, 2], None],
            "record": [{"a": 1}, {"a": 2}],
            "day": [datetime.date(2013, 1, 1), None],
            "moment": [datetime.datetime(2013, 1, 1, tzinfo=datetime.UTC)] * 2,
            "price": [decimal.Decimal("1.50"), decimal.Decimal("-2")],
            "kind": pl.Series(["a", "b"], dtype=pl.Categorical),
            "nothing": [None, None],
            "data": [b"\xff", b""],
            "yes": [True, False],
        }
    )
    columns = {column.name: column for column in describe_parquet(io.BytesIO(written(frame))).columns}
    assert list(columns) == frame.columns
    assert columns["nested"].null_count is None
    assert columns["day"].minimum == "2013-01-01"
    assert columns["price"].minimum == "-2.00"
    assert preview(io.BytesIO(written(frame)), 1)[0]["nested"] == "[1, 2]"


def test_preview_is_the_first_rows() -> None:
    data = written(FRAME)
    assert preview(io.BytesIO(data), 3) == FRAME.head(3).to_dicts()
    assert preview(io.BytesIO(written(FRAME.head(0)))) == []


@pytest.fixture(params=[by_polars, by_pyarrow])
def write(request: pytest.FixtureRequest) -> Callable[[pa.Table], io.BytesIO]:
    made: Callable[[pa.Table], io.BytesIO] = request.param
    return made


_FAR: dict[str, tuple[pa.Array, Any, Any]] = {
    "dates": (pa.array([4_000_000, -800_000], pa.int32()).cast(pa.date32()), "-0221-09-04", "12921-08-18"),
    "moments": (
        pa.array([253_402_300_799, 0])
        .cast(pa.timestamp("s", "Europe/Berlin"))
        .cast(pa.timestamp("us", "Europe/Berlin")),
        "1970-01-01 00:00:00+00:00",
        "9999-12-31 23:59:59+00:00",
    ),
    "nanoseconds": (
        pa.array([1, 10**18], pa.timestamp("ns")),
        "1970-01-01 00:00:00.000000001",
        "2001-09-09 01:46:40",
    ),
    "times of day": (pa.array([1, 500_000_000], pa.time64("ns")), "00:00:00.000000001", "00:00:00.5"),
    "durations": (
        pa.array([-1, 86_400_000_000_001], pa.duration("ns")),
        "-1 days 23:59:59.999999999",
        "1 days 00:00:00.000000001",
    ),
    "numbers": (pa.array([2**64 - 1, 1], pa.uint64()), 1, 2**64 - 1),
    "halves": (pa.array([-1.5, 2.0], pa.float16()), -1.5, 2.0),
    "texts": (pa.array(["ä" * 29 + "bcd", "é" * 100]), "ä" * 29 + "bc…", "é" * 30 + "…"),
    "bytes": (pa.array([b"\xff", b""]), "b''", "b'\\xff'"),
    "yes": (pa.array([True, False]), False, True),
}


@pytest.mark.parametrize(("values", "minimum", "maximum"), _FAR.values(), ids=_FAR)
def test_minimum_and_maximum_are_shown_for_every_type(
    values: pa.Array, minimum: Any, maximum: Any, write: Callable[[pa.Table], io.BytesIO]
) -> None:
    column = told(write(pa.table({"x": values})))["x"]
    assert (column.minimum, column.maximum, column.distinct_at_most) == (minimum, maximum, 2)
