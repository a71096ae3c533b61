"""How columns go together, against pandas and against sums by hand."""

import itertools
import math
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifact_pipelines.analysis.profile.associations import MOST_COMPARED, Compared, correlation_ratio, correlations
from artifact_pipelines.analysis.profile.days import MOST_DAYS, days_of, gaps_of, merge_days
from artifact_pipelines.analysis.profile.findings import findings
from artifact_pipelines.analysis.profile.missing import missing_together
from artifact_pipelines_tests.analysis.test_profile import profiled

LEVELS = st.lists(st.tuples(*[st.sampled_from([None, 0.0, 1.0, 2.5, -3.0, 1e3])] * 2), min_size=10, max_size=40)


def related(columns: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    table = pa.table(columns)
    found = zip(table.column_names, correlations(table.schema, table), strict=True)
    return {(name, each.pop("column")): each for name, entries in found for each in entries or ()}


@given(LEVELS)
def test_pearson_is_that_of_pandas(pairs: list[tuple[float | None, float | None]]) -> None:
    left, right = (list(side) for side in zip(*pairs, strict=True))
    found = related({"a": pa.array(left, pa.float64()), "b": pa.array(right, pa.float64())})
    expected = pd.DataFrame({"a": left, "b": right}, dtype=float).corr().loc["a", "b"]
    pearson = found.get(("a", "b"), {}).get("pearson")
    assert pearson == (None if math.isnan(expected) else pytest.approx(expected, abs=1e-9))


@given(st.lists(st.tuples(*[st.integers(0, 5)] * 2), min_size=10, max_size=40))
def test_spearman_is_that_of_pandas(pairs: list[tuple[int, int]]) -> None:
    left, right = (list(side) for side in zip(*pairs, strict=True))
    expected = pd.DataFrame({"a": left, "b": right}).rank().corr().loc["a", "b"]
    spearman = related({"a": left, "b": right}).get(("a", "b"), {}).get("spearman")
    assert spearman == (None if math.isnan(expected) else pytest.approx(expected, abs=1e-9))


def test_correlation_of_numbers_near_the_limits_is_exact() -> None:
    large = {"a": [2**63 - n for n in range(1, 12)], "b": range(11), "c": [1e308 * (1 - n / 5) for n in range(11)]}
    assert {name: each["pearson"] for name, each in related(large).items() if name[0] == "a"} == {
        ("a", "b"): pytest.approx(-1),
        ("a", "c"): pytest.approx(1),
    }


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("pq")), min_size=10, max_size=40))
def test_cramers_v_follows_bergsmas_formula(pairs: list[tuple[str, str]]) -> None:
    left, right = (list(side) for side in zip(*pairs, strict=True))
    n, rows, columns = len(pairs), len(set(left)), len(set(right))
    v = related({"a": left, "b": right}).get(("a", "b"), {}).get("cramers_v")
    if rows < 2 or columns < 2:
        assert v is None
        return
    phi2 = -1.0 + sum(
        pairs.count((x, y)) ** 2 / left.count(x) / right.count(y) for x, y in itertools.product(set(left), set(right))
    )
    corrected = max(0.0, phi2 - (rows - 1) * (columns - 1) / (n - 1))
    sides = rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)
    assert v == pytest.approx(min(1.0, math.sqrt(corrected / (min(sides) - 1))), abs=1e-7)  # the root of rounding


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(-10, 10)), min_size=5, max_size=40))
def test_correlation_ratio_is_the_share_of_variance_between_categories(pairs: list[tuple[int, float]]) -> None:
    codes, numbers = (np.array(side) for side in zip(*pairs, strict=True))
    found = correlation_ratio(Compared(0, numbers.astype(float)), Compared(1, codes, 3))
    groups = [numbers[codes == code] for code in set(codes.tolist())]
    within, total = sum(len(group) * group.var() for group in groups), len(numbers) * numbers.var()
    if len(groups) < 2 or total < 1e-9:
        return
    expected = 1 - (within / (len(numbers) - len(groups))) / (total / (len(numbers) - 1))
    assert found is not None
    assert found**2 == pytest.approx(max(0.0, expected), abs=1e-6)


def test_perfect_relations_are_one_and_independent_ones_about_zero() -> None:
    random = np.random.default_rng(5)
    group = random.choice(list("abcdefgh"), 2000)
    found = related({"g": group, "h": np.char.add(group, "!"), "i": random.choice(list("xy"), 2000), "n": group == "a"})
    assert found["g", "h"]["cramers_v"] == pytest.approx(1)
    assert found["g", "i"]["cramers_v"] < 0.1
    assert found["n", "g"]["cramers_v"] == pytest.approx(1, abs=0.01)


def test_names_and_constants_are_not_compared() -> None:
    table = pa.table({"name": [f"n{i}" for i in range(10)], "one": [1] * 10, "x": range(10), "list": [[1]] * 10})
    assert correlations(table.schema, table) == [None, None, [], None]


def test_columns_beyond_the_limit_are_not_compared() -> None:
    table = pa.table({f"c{at}": [at, 2, 3 * at, *range(9)] for at in range(3, MOST_COMPARED + 9)})
    compared = [entries for entries in correlations(table.schema, table) if entries is not None]
    assert {len(entries) for entries in compared} == {MOST_COMPARED - 1}
    assert len(compared) == MOST_COMPARED


def test_columns_that_are_null_in_the_same_rows_are_found() -> None:
    table = pa.table({"a": [1, None, None, 4], "b": [None, None, "x", "y"], "c": ["x", None, None, "y"], "d": [1] * 4})
    found = missing_together(table.schema, table)
    assert found[0] == [{"column": "c", "share": 1.0, "correlation": 1.0}]
    assert found[1] == []
    assert found[3] is None


@given(st.lists(st.integers(-800_000, 9_000_000), min_size=1, max_size=50), st.integers(0, 50))
def test_gaps_of_days_are_those_of_a_set(days: list[int], cut: int) -> None:
    merged = merge_days(*(days_of(np.array(part, np.int64), pa.date32()) for part in (days[:cut], days[cut:])))
    known = sorted(set(days))
    gaps = [after - before - 1 for before, after in itertools.pairwise(known)]
    found = gaps_of(merged)
    assert (found["day_count"], found["missing_days"]) == (len(known), sum(gaps))
    assert found["longest_gap_days"] == max(gaps, default=0)


def test_too_many_days_are_left_out() -> None:
    few, many = np.arange(5), np.arange(MOST_DAYS + 1)
    assert days_of(many, pa.date32()) is None
    assert gaps_of(merge_days(days_of(few, pa.date32()), days_of(many, pa.date32()))) == {}


def test_times_have_quantiles_histogram_and_gaps(tmp_path: pathlib.Path) -> None:
    days = pl.Series("day", [0, 1, 2, 3, 8, 9, 10, 11, 12, None], pl.Int32).cast(pl.Date)
    row = profiled(pl.DataFrame({"day": days, "at": days.cast(pl.Datetime("ns", "Europe/Berlin"))}), tmp_path / "t")
    assert row["day"]["time_quantiles"]["median"] == "1970-01-09"
    assert row["at"]["time_quantiles"]["p05"] == "1970-01-01 00:00:00+00:00"
    assert row["day"]["time_histogram"][0] == {"low": "1970-01-01", "high": "1970-01-02", "share": pytest.approx(1 / 9)}
    assert [row["day"][name] for name in ("day_count", "missing_days", "longest_gap_days", "longest_gap_start")] == [
        *(9, 4, 4),
        "1970-01-05",
    ]


def test_page_begins_with_what_stands_out(tmp_path: pathlib.Path) -> None:
    numbers = list(range(20))
    frame = pl.DataFrame({"a": numbers, "b": [2 * n if n else None for n in numbers], "c": [7] * 20, "d": [None] * 20})
    rows = list(profiled(frame.with_columns(e=pl.when(pl.col("b") > 0).then(1)), tmp_path / "t").values())
    assert findings(rows) == [
        "- Without a value: d",
        "- Constant: c",
        "- Key candidates: a",
        "- Null in the same rows: b, e (5.0 % of the rows)",
        "- Correlated: a and b (Pearson 1.00)",
    ]
