import datetime
import io
import math
from typing import Any

import hypothesis
import hypothesis.strategies as st
import polars as pl
import polars.testing
import pytest

from artifact_pipelines.analysis.kinds.profile import DISTINCT_LIMIT, finish, measure, merge, profile
from artifact_pipelines.tabular.parquet import write_frame


def profiled(frame: pl.DataFrame) -> dict[str, dict[str, Any]]:
    sink = io.BytesIO()
    write_frame(frame, sink)
    return {row["column"]: row for row in profile(io.BytesIO(sink.getvalue())).to_dicts()}


def test_small_table_matches_statistics_by_hand() -> None:
    rows = profiled(
        pl.DataFrame(
            {
                "number": [1, 2, 2, None, 5],
                "text": ["b", "a", None, None, "b"],
                "day": [datetime.date(2013, 1, day) for day in (3, 1, 2, 3, 3)],
                "list": [[1], [2], [3], None, [4]],
                "yes": [True, False, True, None, None],
                "none": [None] * 5,
                "kind": pl.Series(["x", "y", "x", "x", None], dtype=pl.Categorical),
                "data": [b"\xff", b"", None, b"a", b"a"],
            }
        )
    )
    assert rows["number"] == {
        "column": "number",
        "type": "Int64",
        "row_count": 5,
        "null_count": 1,
        "distinct_count": 3,
        "distinct_is_exact": True,
        "minimum": "1",
        "maximum": "5",
        "mean": 2.5,
        "standard_deviation": math.sqrt(3),
    }
    assert (rows["text"]["distinct_count"], rows["text"]["minimum"], rows["text"]["mean"]) == (2, "a", None)
    assert (rows["day"]["distinct_count"], rows["day"]["maximum"]) == (3, "2013-01-03")
    assert (rows["list"]["distinct_count"], rows["list"]["null_count"]) == (None, 1)
    assert (rows["yes"]["distinct_count"], rows["yes"]["null_count"]) == (2, 2)
    assert (rows["none"]["distinct_count"], rows["none"]["minimum"]) == (0, None)
    assert (rows["kind"]["distinct_count"], rows["kind"]["maximum"]) == (2, "y")
    assert (rows["data"]["distinct_count"], rows["data"]["maximum"]) == (3, None)


def test_table_without_rows_has_a_row_for_each_column() -> None:
    rows = profiled(pl.DataFrame(schema={"a": pl.Int64, "b": pl.String}))
    assert [(row["row_count"], row["distinct_count"], row["mean"]) for row in rows.values()] == [(0, 0, None)] * 2


def test_single_value_has_no_standard_deviation() -> None:
    assert profiled(pl.DataFrame({"a": [5]}))["a"]["standard_deviation"] is None


numbers = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=30)


@hypothesis.given(st.lists(numbers, min_size=1, max_size=5))
def test_merged_batches_equal_one_batch(batches: list[list[float | None]]) -> None:
    parts = [measure(pl.Series(batch, dtype=pl.Float64)) for batch in batches]
    merged = parts[0]
    for part in parts[1:]:
        merged = merge(merged, part)
    at_once = measure(pl.Series([value for batch in batches for value in batch], dtype=pl.Float64))
    for left, right in zip(finish("x", merged), finish("x", at_once), strict=True):
        assert left == (pytest.approx(right, rel=1e-9, abs=1e-6) if isinstance(right, float) else right)


def test_many_distinct_values_are_estimated_and_marked() -> None:
    row = profiled(pl.DataFrame({"a": range(200_000)}))["a"]
    assert not row["distinct_is_exact"]
    assert row["distinct_count"] == pytest.approx(200_000, rel=4 / math.sqrt(DISTINCT_LIMIT))


@pytest.mark.parametrize("count", [DISTINCT_LIMIT - 1, DISTINCT_LIMIT])
def test_distinct_values_below_the_limit_are_counted(count: int) -> None:
    row = profiled(pl.DataFrame({"a": list(range(count)) * 3}))["a"]
    assert row["distinct_is_exact"] == (count < DISTINCT_LIMIT)
    assert row["distinct_count"] == pytest.approx(count, rel=0 if row["distinct_is_exact"] else 0.07)


def test_repeated_profile_of_several_batches_is_identical() -> None:
    frame = pl.DataFrame({"a": [math.sin(i) for i in range(200_000)]})
    sink = io.BytesIO()
    write_frame(frame, sink)
    first, second = (profile(io.BytesIO(sink.getvalue())) for _ in range(2))
    polars.testing.assert_frame_equal(first, second, check_exact=True)
    assert first["mean"][0] == pytest.approx(frame["a"].mean())
    assert first["standard_deviation"][0] == pytest.approx(frame["a"].std())


@pytest.mark.parametrize(("values", "mean"), [([1.0, math.inf], math.inf), ([1.0, math.nan], math.nan)])
def test_infinity_and_nan_show_in_the_mean(values: list[float], mean: float) -> None:
    assert profiled(pl.DataFrame({"a": values}))["a"]["mean"] == pytest.approx(mean, nan_ok=True)
