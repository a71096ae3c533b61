import datetime
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact_pipelines.analysis.assets import build_analysis_asset
from artifact_pipelines.analysis.interfaces import Answer, Table
from artifact_pipelines.analysis.kinds.profile import Profile
from artifact_pipelines.analysis.profile.distinct import DISTINCT_LIMIT
from artifact_pipelines.analysis.profile.markdown import MOST_COLUMNS
from artifact_pipelines.analysis.profile.statistics import STATISTICS
from artifact_pipelines.analysis.readable import plain_cell, rounded
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.tabular.parquet import write_frame
from artifact_pipelines_tests.analysis.running import resources


def profile_of(path: pathlib.Path) -> pl.DataFrame:
    with Profile().answer({"table": Table(path)}) as found:
        return pl.DataFrame(pl.from_arrow(found.rows))


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "table.parquet"


def profiled(frame: pl.DataFrame, path: pathlib.Path) -> dict[str, dict[str, Any]]:
    with path.open("wb") as sink:
        write_frame(frame, sink)
    return {row["column"]: row for row in profile_of(path).to_dicts()}


def profiled_arrow(table: pa.Table, path: pathlib.Path, **options: Any) -> dict[str, dict[str, Any]]:
    pq.write_table(table, path, **options)
    return {row["column"]: row for row in profile_of(path).to_dicts()}


def test_small_table_matches_statistics_by_hand(path: pathlib.Path) -> None:
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
        ),
        path,
    )
    number = {name: value for name, value in rows["number"].items() if value is not None}
    assert number == {
        "column": "number",
        "type": "BIGINT",
        "row_count": 5,
        "null_count": 1,
        "distinct_count": 3,
        "distinct_is_exact": True,
        "minimum": "1",
        "maximum": "5",
        "mean": 2.5,
        "standard_deviation": math.sqrt(3),
        "skewness": pytest.approx((-(1.5**3) - 2 * 0.5**3 + 2.5**3) / 4 / 2.25**1.5),
        "zero_share": 0.0,
        "negative_share": 0.0,
        "p05": 1.15,
        "p25": 1.75,
        "median": 2.0,
        "p75": 2.75,
        "p95": pytest.approx(4.55),
        "top_values": [
            {"value": "2", "count": 2, "share": 0.5},
            {"value": "1", "count": 1, "share": 0.25},
            {"value": "5", "count": 1, "share": 0.25},
        ],
        "histogram": number["histogram"],
        "missing_together": number["missing_together"],
    }
    assert [each["share"] for each in number["histogram"] if each["share"]] == [0.25, 0.5, 0.25]
    assert (rows["text"]["distinct_count"], rows["text"]["minimum"], rows["text"]["mean"]) == (2, "a", None)
    assert (rows["text"]["shortest"], rows["text"]["mean_length"], rows["text"]["empty_count"]) == (1, 1.0, 0)
    assert (rows["day"]["distinct_count"], rows["day"]["maximum"]) == (3, "2013-01-03")
    assert (rows["list"]["distinct_count"], rows["list"]["null_count"]) == (None, 1)
    assert (rows["yes"]["distinct_count"], rows["yes"]["null_count"], rows["yes"]["mean"]) == (2, 2, 2 / 3)
    assert (rows["none"]["null_count"], rows["none"]["minimum"]) == (5, None)
    assert (rows["kind"]["distinct_count"], rows["kind"]["maximum"]) == (2, "y")
    assert (rows["data"]["distinct_count"], rows["data"]["maximum"], rows["data"]["empty_count"]) == (3, r"\xff", 1)


@pytest.mark.parametrize("kind", [pl.Int32, pl.Float64])
def test_histogram_of_few_whole_numbers_has_no_gaps(kind: type[pl.DataType], path: pathlib.Path) -> None:
    frame = pl.DataFrame({"month": [*range(1, 13)] * 31, "day": [*range(1, 32)] * 12})
    rows = profiled(frame.cast(kind), path)
    months, days = rows["month"]["histogram"], rows["day"]["histogram"]
    assert [(each["low"], each["high"]) for each in months] == [(month, month) for month in range(1, 13)]
    assert [each["share"] for each in months] == [pytest.approx(1 / 12)] * 12
    assert [(each["low"], each["high"]) for each in days] == [(day, day) for day in range(1, 32)]
    assert [each["share"] for each in days] == pytest.approx([1 / 31] * 31)


@pytest.mark.parametrize("most", [12, 31, 365, 10_000])
def test_uniform_whole_numbers_have_no_cliff(most: int, path: pathlib.Path) -> None:
    row = profiled(pl.DataFrame({"a": [*range(1, most + 1)] * 3}), path)["a"]
    shares = [each["share"] for each in row["histogram"]]
    assert max(shares) < 1.06 * min(shares)
    with Profile().answer({"table": Table(path)}) as found:
        assert isinstance(found, Answer)
        [shape] = {part for part in found.page.split() if set(part) <= set("▁▂▃▄▅▆▇█")}
    assert set(shape) <= set("▇█")


def test_table_without_rows_has_a_row_for_each_column(path: pathlib.Path) -> None:
    rows = profiled(pl.DataFrame(schema={"a": pl.Int64, "b": pl.String}), path)
    assert [(row["row_count"], row["distinct_count"], row["mean"]) for row in rows.values()] == [(0, 0, None)] * 2


def test_single_value_has_no_standard_deviation(path: pathlib.Path) -> None:
    row = profiled(pl.DataFrame({"a": [5]}), path)["a"]
    assert (row["mean"], row["standard_deviation"], row["skewness"], row["role"]) == (5, None, None, "constant")


def test_many_distinct_values_are_estimated_and_marked(path: pathlib.Path) -> None:
    row = profiled(pl.DataFrame({"a": [value // 10 * value % 99_991 for value in range(200_000)]}), path)["a"]
    exact = len({value // 10 * value % 99_991 for value in range(200_000)})
    assert not row["distinct_is_exact"]
    assert row["distinct_count"] == pytest.approx(exact, rel=4 / math.sqrt(DISTINCT_LIMIT))


def test_values_that_never_repeat_are_a_key_candidate_with_their_exact_number(path: pathlib.Path) -> None:
    rows = profiled(pl.DataFrame({"a": range(200_000), "b": [f"key {i}" for i in range(200_000)]}), path)
    assert {(row["distinct_count"], row["role"]) for row in rows.values()} == {(200_000, "key candidate")}


@pytest.mark.parametrize("count", [DISTINCT_LIMIT - 1, DISTINCT_LIMIT])
def test_distinct_values_below_the_limit_are_counted(count: int, path: pathlib.Path) -> None:
    row = profiled(pl.DataFrame({"a": list(range(count)) * 3}), path)["a"]
    assert row["distinct_is_exact"] == (count < DISTINCT_LIMIT)
    assert row["distinct_count"] == pytest.approx(count, rel=0 if row["distinct_is_exact"] else 0.07)


def test_repeated_profile_of_several_units_is_identical(path: pathlib.Path) -> None:
    frame = pl.DataFrame({"a": [math.sin(i) for i in range(200_000)]})
    pq.write_table(frame.to_arrow(), path, row_group_size=70_000)
    first, second = (profile_of(path) for _ in range(2))
    polars.testing.assert_frame_equal(first, second, check_exact=True)
    assert first["mean"][0] == pytest.approx(frame["a"].mean())
    assert first["standard_deviation"][0] == pytest.approx(frame["a"].std())
    assert first["skewness"][0] == pytest.approx(frame["a"].skew())


def test_layout_of_row_groups_changes_no_count_and_no_more_than_the_last_digits_of_a_mean(path: pathlib.Path) -> None:
    frame = pl.DataFrame({"a": [math.sin(i) for i in range(150_000)], "b": [f"{i % 5000}" for i in range(150_000)]})
    found = []
    for rows in (150_000, 7_000, 70_000):
        pq.write_table(frame.to_arrow(), path, row_group_size=rows)
        found.append(profile_of(path))
    for other in found[1:]:
        polars.testing.assert_frame_equal(found[0], other, rel_tol=1e-12, abs_tol=1e-12)
        rounded = ["mean", "standard_deviation", "skewness"]
        polars.testing.assert_frame_equal(found[0].drop(rounded), other.drop(rounded), check_exact=True)


def test_nan_infinity_and_null_are_counted_apart(path: pathlib.Path) -> None:
    row = profiled(pl.DataFrame({"a": [math.nan, 1.0, math.inf, None, 3.0, -math.inf, 0.0, -0.0]}), path)["a"]
    assert (row["nan_count"], row["infinity_count"], row["null_count"], row["mean"]) == (1, 2, 1, 1.0)
    assert (row["minimum"], row["maximum"], row["distinct_count"], row["zero_share"]) == ("-inf", "inf", 6, 2 / 7)


def test_integers_near_the_limits_keep_all_digits(path: pathlib.Path) -> None:
    values = [2**63 - 1, 2**63 - 3, 2**63 - 2]
    table = pa.table({"a": values, "b": pa.array([2**64 - 1, 0, 2**64 - 1], pa.uint64()), "c": [2**53 + 1] * 3})
    rows = profiled_arrow(table, path)
    assert (rows["a"]["minimum"], rows["a"]["standard_deviation"]) == (str(2**63 - 3), 1.0)
    assert (rows["b"]["maximum"], rows["b"]["mean"]) == (str(2**64 - 1), (2**65 - 2) / 3)
    assert (rows["c"]["minimum"], rows["c"]["standard_deviation"]) == (str(2**53 + 1), 0.0)


def test_decimals_are_exact(path: pathlib.Path) -> None:
    texts = ["1.10", "-2.20", None, "3.30"]
    wide = ["12345678901234567890123456.78", "0.01", None, "-0.02"]
    frame = pl.DataFrame({"a": texts, "b": wide}).cast({"a": pl.Decimal(10, 2), "b": pl.Decimal(38, 2)})
    rows = profiled(frame, path)
    assert (rows["a"]["minimum"], rows["a"]["mean"], rows["a"]["distinct_count"]) == ("-2.20", 11 / 15, 3)
    assert (rows["b"]["maximum"], rows["b"]["mean"]) == (wide[0], 12345678901234567890123456.77 / 3)


DAYS = np.array(["20201-03-04", "1970-01-01", "-0044-03-15"], "datetime64[D]").astype(np.int64)
TIMES = {
    "date": (pa.array(DAYS.astype(np.int32)).view(pa.date32()), "-0044-03-15", "+20201-03-04"),
    "infinite": (pa.array([2**31 - 1, 0, -(2**31) + 1], pa.int32()).view(pa.date32()), "-infinity", "infinity"),
    "moment": (
        pa.array(DAYS * 86_400 * 10**6).view(pa.timestamp("us", "Europe/Berlin")),
        "-0044-03-15 00:00:00+00:00",
        "+20201-03-04 00:00:00+00:00",
    ),
    "infinite moment": (pa.array([2**63 - 1, 0, -(2**63) + 1]).view(pa.timestamp("us")), "-infinity", "infinity"),
    "duration": (pa.array([90_000_000, -1]).view(pa.duration("ms")), "-1 days 23:59:59.999", "1 days 01:00:00"),
}


@pytest.mark.parametrize("name", TIMES)
def test_times_of_any_year_have_a_range(name: str, path: pathlib.Path) -> None:
    values, minimum, maximum = TIMES[name]
    row = profiled_arrow(pa.table({"a": values}), path)["a"]
    assert (row["minimum"], row["maximum"], row["mean"]) == (minimum, maximum, None)


def test_moments_of_several_zones_are_shown_in_utc(path: pathlib.Path) -> None:
    moments = pa.array([1_700_000_000_000_000, 1_700_003_600_000_000])
    zones = ("Europe/Berlin", "+05:30", "Mars/Olympus")
    rows = profiled_arrow(pa.table({zone: moments.view(pa.timestamp("us", zone)) for zone in zones}), path)
    assert {(row["minimum"], row["maximum"], row["day_count"]) for row in rows.values()} == {
        ("2023-11-14 22:13:20+00:00", "2023-11-14 23:13:20+00:00", 1)
    }


def made_events(frame: pl.DataFrame, settings: Settings) -> Mapping[str, Any]:
    @dg.asset(key=["flights", "table"])
    def table() -> pl.DataFrame:
        return frame

    analysis = build_analysis_asset("flights", "profile", Profile(), {})
    made = dg.materialize([table, analysis], resources=resources(settings))
    [event] = made.asset_materializations_for_node("flights__analyses__profile")
    return event.metadata


def test_asset_page_begins_with_all_columns_of_the_profile(settings: Settings) -> None:
    columns = {f"c{number}": [number, None, 7] for number in range(1, 150)}
    metadata = made_events(pl.DataFrame({"a | b": ["x", "x", "*"], **columns}), settings)
    assert list(metadata)[:3] == ["dagster/row_count", "artifact/summary", "artifact/rows"]
    assert metadata["artifact/summary"].value.startswith("**3 rows, 150 columns, ")
    assert len(metadata["artifact/summary"].value) < 1000  # more is shown only after a click
    rows = [row.data for row in metadata["artifact/rows"].records]
    assert len(rows) == 150
    assert rows[1] == {"column": "c1", "nulls": "33.3\u00a0%", "distinct": "2", "values": "1 to 7, mean 4"}
    assert isinstance(metadata["mean/c1"], dg.FloatMetadataValue)  # Dagster plots it
    page = metadata["artifact/answer"].value.split("\n\n", 1)[1].splitlines()  # below its charts
    assert page[0].startswith("**3 rows, 150 columns, ")
    assert page[0].endswith("bytes**, 33.1 % of all cells are null, 0 rows repeat another one")
    assert r"| a \| b | VARCHAR | 0 % | 2 | \* |  | x |  |  | x 66.7 %, \* 33.3 % |" in page
    assert len([line for line in page if line.startswith("| c")]) == 150  # with the heading
    assert (metadata["profile/rows"].value, metadata["profile/duplicate_rows"].value) == (3, 0)
    assert metadata["profile/null_share"].value == pytest.approx(149 / 450)


def test_every_statistic_says_what_it_means(settings: Settings) -> None:
    shown = made_events(pl.DataFrame({"a": [1]}), settings)["artifact/columns"].value
    meanings = {row.data["column"]: str(row.data["meaning"]) for row in shown.records}
    assert meanings["column"].startswith("VARCHAR: ")
    assert {name: meaning.partition(": ")[2] for name, meaning in meanings.items()} == {
        name: statistic.meaning.replace("`", "")
        for name, statistic in STATISTICS.items()  # no Markdown there
    }


def test_page_of_very_many_columns_is_cut_and_says_so(path: pathlib.Path) -> None:
    with path.open("wb") as sink:
        write_frame(pl.DataFrame({f"c{number}": [1] for number in range(MOST_COLUMNS + 1)}), sink)
    with Profile().answer({"table": Table(path)}) as found:
        assert found.page.endswith("The first 200 of 201 columns. The artifact has all of them.")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (None, ""),
        (0.0, "0"),
        (1234567.891, "1,234,568"),
        (2013.0, "2013"),
        (2013.25, "2013"),
        (-9999.6, "-10,000"),
        (0.00012345, "0.0001234"),
        (1e300, "1.000e+300"),
        (-2.5, "-2.5"),
    ],
)
def test_numbers_are_rounded_for_people(number: float | None, shown: str) -> None:
    assert rounded(number) == shown


@pytest.mark.parametrize(("value", "shown"), [(2013, "2013"), (-12345, "-12,345"), (2013.0, "2013"), (None, "")])
def test_years_in_cells_have_no_comma(value: object, shown: str) -> None:
    assert plain_cell(value) == shown


def test_sample_of_a_large_table_gives_its_quantiles_and_frequent_values(path: pathlib.Path) -> None:
    frame = pl.DataFrame({"a": range(300_000)}).select("a", b=(pl.col("a") * 7919 % 300_000) // 30, c=pl.col("a") % 3)
    rows = profiled(frame, path)
    for name in ("a", "b"):
        scale = rows[name]["maximum"] and int(rows[name]["maximum"])
        assert rows[name]["median"] / scale == pytest.approx(0.5, abs=0.01)
        assert rows[name]["p95"] / scale == pytest.approx(0.95, abs=0.01)
    assert rows["c"]["top_values"][0] == {
        "value": rows["c"]["top_values"][0]["value"],
        "count": 100_000,
        "share": 1 / 3,
    }


def test_shapes_of_texts_are_patterns(path: pathlib.Path) -> None:
    row = profiled(pl.DataFrame({"a": ["N123UA", "N7UA", "n-1", "Éa é"]}), path)["a"]
    assert row["patterns"] == [
        {"pattern": "A9A", "share": 0.5},
        {"pattern": "Aa a", "share": 0.25},
        {"pattern": "a-9", "share": 0.25},
    ]


LONG = "x" * 2_000_000
ZONES = (None, "UTC", "Europe/Berlin", "+05:30", "Mars/Olympus")
BAD: dict[str, Callable[[], pa.Table]] = {
    "no column": lambda: pa.table({}),
    "no row": lambda: pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.list_(pa.string()))}),
    "one row": lambda: pa.table({"a": [1.5], "b": ["x"], "c": [None]}),
    "all null": lambda: pa.table({"a": pa.nulls(9, pa.float64()), "b": pa.nulls(9, pa.string()), "c": pa.nulls(9)}),
    "constant": lambda: pa.table({"a": [7] * 9, "b": [""] * 9, "c": [0.1] * 9}),
    "infinite": lambda: pa.table({"a": [math.inf, -math.inf, math.inf], "b": [1e308, -1e308, 1e308]}),
    "NaN first": lambda: pa.table({"a": [math.nan] * 70_000 + [1.0, 2.0]}),
    "large integers": lambda: pa.table({"a": [2**63 - 1, -(2**63)], "b": pa.array([0, 2**64 - 1], pa.uint64())}),
    "nested": lambda: pa.table({"a": [{"b": [1, 2]}, None], "c": [[["x"]], []]}),
    "binary": lambda: pa.table({"a": [b"\xff\x00", None], "b": pa.array([b"ab", b"cd"], pa.binary(2))}),
    "not UTF-8": lambda: pa.table({"a": pa.array([b"\xff", b"a"]).view(pa.string())}),
    "half floats": lambda: pa.table({"a": np.array([1.5, 2.5], np.float16)}),
    "long text": lambda: pa.table(
        {"a": [*(str(i % 50) for i in range(30_000)), LONG], "b": [*map(str, range(30_000)), LONG]}
    ),
    "long texts that repeat": lambda: pa.table(
        {"a": pa.array([LONG]).dictionary_encode().take(pa.array([0] * 18_000))}
    ),
    "many columns": lambda: pa.table({f"c{i}": [i, None] for i in range(300)}),
    "zones": lambda: pa.table(
        {f"z{i}": pa.array([0, 1]).view(pa.timestamp("us", zone)) for i, zone in enumerate(ZONES)}
    ),
    "maps": lambda: pa.table({"a": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())), "b": [1, 2]}),
    "wide decimals": lambda: pa.table({"a": pa.array([1, None]).cast(pa.decimal256(60, 2))}),
    "text of 17 MB": lambda: pa.table({"a": ["x" * 17_000_000, "y", None] * 2}),
    "odd names": lambda: pa.table({"a.b": ["x"], "": ["y"], "a": [{"b": 1}]}),
}


@pytest.mark.parametrize("name", BAD)
def test_odd_table_has_a_profile(name: str, path: pathlib.Path) -> None:
    table = BAD[name]()
    for options in ({"store_schema": False}, {} if name == "long texts that repeat" else {"use_dictionary": False}):
        rows = profiled_arrow(table, path, **options)
        assert [(row["column"], row["row_count"]) for row in rows.values()] == [
            (column, table.num_rows) for column in table.column_names
        ]
        for row in rows.values():
            assert row["null_count"] == table[row["column"]].null_count


def test_guide_says_what_every_statistic_means() -> None:
    guide = (pathlib.Path(__file__).parents[2] / "docs" / "analysis.md").read_text()
    rows = [f"| `{name}` | {statistic.meaning} |" for name, statistic in STATISTICS.items()]
    assert "\n".join(rows) in guide


def test_page_shows_dates_over_time_and_long_names_that_fit(path: pathlib.Path) -> None:
    long = "customer_value_in_euros_before_taxes"
    days = pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 4, 30), eager=True)
    with path.open("wb") as sink:
        write_frame(pl.DataFrame({"day": days, long: range(len(days)), "two words": [None, 1, 2] * 40}), sink)
    with Profile().answer({"table": Table(path)}) as found:
        assert isinstance(found, Answer)
        [chart] = [each for each in found.charts if each.column == "day"]
        assert chart.specification["kind"] == "lines"
        shown = [row["column"] for row in found.shown or ()]
        assert shown[::2] == ["day", "two words"]
        assert (len(shown[1]) <= 20, shown[1][:8], shown[1][-6:]) == (True, long[:8], long[-6:])
        assert "33.3\u00a0%" in [row["nulls"] for row in found.shown or ()]
        assert long in found.page.replace("\\", "")
