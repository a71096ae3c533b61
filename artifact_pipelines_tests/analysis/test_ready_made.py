"""Ready-made questions: group_by, crosstab, time_series."""

import datetime
import pathlib
import subprocess
import sys
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pydantic
import pytest

from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import Answer, DeclaredDataset, IAnalysisKind, Table
from artifact_pipelines.analysis.kinds.cohort import Cohort
from artifact_pipelines.analysis.kinds.crosstab import Crosstab
from artifact_pipelines.analysis.kinds.group_by import GroupBy
from artifact_pipelines.analysis.kinds.time_series import TimeSeries
from artifact_pipelines.analysis.memory import noted
from artifact_pipelines.analysis.questions.ready_made import IReadyMade
from artifact_pipelines.analysis.registry import AnalysisKind
from artifact_pipelines.charts.drawing import draw
from artifact_pipelines.tabular.exceptions import UnsafeQueryError
from artifact_pipelines.tabular.footer import DESCRIPTION

DAY = datetime.date
FLIGHTS = pl.DataFrame(
    {
        "carrier": ["UA", "AA", "UA", None, "AA"],
        "delay": [5.5, None, 1.5, 2.0, float("nan")],
        "seats": [100, 200, 100, 2**62, 2**62],
        "on": [DAY(2024, 1, 31), DAY(2024, 3, 1), DAY(2024, 1, 1), None, DAY(2024, 3, 31)],
    }
)


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "flights.parquet"
    FLIGHTS.write_parquet(path)
    return path


def answer(kind: IReadyMade, path: pathlib.Path) -> Answer:
    with kind.answer({"flights": Table(path)}) as found:
        assert isinstance(found, Answer)
        return found


def rows_of(kind: IReadyMade, path: pathlib.Path) -> list[dict[str, Any]]:
    return list(answer(kind, path).rows.to_pylist())


def test_groups_have_their_measures_in_the_order_of_their_values_and_null_comes_last(path: pathlib.Path) -> None:
    measures = {"flights": "count", "seats": {"sum": "seats"}, "known": {"count": "delay"}, "least": {"min": "delay"}}
    found = rows_of(GroupBy.model_validate({"by": ["carrier"], "measures": measures}), path)
    assert found == [
        {
            "carrier": "AA",
            "flights": 2,
            "seats": 2**62 + 200,
            "known": 1,
            "least": pytest.approx(float("nan"), nan_ok=True),
        },
        {"carrier": "UA", "flights": 2, "seats": 200, "known": 2, "least": 1.5},
        {"carrier": None, "flights": 1, "seats": 2**62, "known": 1, "least": 2.0},
    ]


def test_sums_of_whole_numbers_are_exact_beyond_64_bits_and_those_of_floats_compensated(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"g": [1] * 10, "i": [2**62] * 10, "f": [0.1] * 10}).write_parquet(path)
    measures = {"i": {"sum": "i"}, "f": {"sum": "f"}, "m": {"mean": "f"}}
    [row] = rows_of(GroupBy.model_validate({"by": ["g"], "measures": measures}), path)
    assert row == {"g": 1, "i": 10 * 2**62, "f": 1.0, "m": 0.1}


def test_only_rows_that_fulfil_the_condition_count(path: pathlib.Path) -> None:
    [row] = rows_of(GroupBy(by=["carrier"], where="seats = 100 -- whole"), path)
    assert row == {"carrier": "UA", "rows": 2}


def test_page_and_chart_show_the_groups(path: pathlib.Path) -> None:
    found = answer(GroupBy(by=["carrier"]), path)
    assert found.page.splitlines()[2] == "| AA | 2 |"
    assert [chart.title for chart in found.charts] == ["rows by carrier"]
    assert found.charts[0].specification["labels"][-1] == "null"


def test_pairs_have_their_number_and_three_shares(path: pathlib.Path) -> None:
    found = answer(Crosstab(rows="carrier", columns="seats"), path)
    [first, *_] = found.rows.to_pylist()
    assert first == {
        "carrier": "AA",
        "seats": 200,
        "row_count": 1,
        "share": 0.2,
        "share_of_row": 0.5,
        "share_of_column": 1.0,
    }
    assert found.rows.num_rows == 4
    assert found.page.splitlines()[-1].startswith("| null | 0 | 0 | 1 |")


def test_periods_without_rows_are_rows_with_nothing(path: pathlib.Path) -> None:
    measures = {"flights": "count", "delay": {"mean": "delay"}}
    found = rows_of(TimeSeries.model_validate({"time": "on", "every": "month", "measures": measures}), path)
    assert [(row["period"].month, row["flights"]) for row in found] == [(1, 2), (2, 0), (3, 2)]
    assert (found[0]["delay"], found[1]["delay"]) == (3.5, None)


def test_page_of_weeks_shows_days_without_a_time(path: pathlib.Path) -> None:
    found = answer(TimeSeries(time="on", every="week"), path)
    assert "| 2024-01-01 | 1 |" in found.page.replace("\\", "")
    assert "00:00" not in found.page
    assert noted(found)["first_rows"][0] == {"period": "2024-01-01", "rows": "1"}
    meaning = found.rows.schema.field("period").metadata[DESCRIPTION].decode()
    assert meaning == "Start of the week, a Monday"


def test_days_of_moments_are_those_of_the_zone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    late = datetime.datetime(2024, 3, 30, 23, 30, tzinfo=datetime.UTC)  # half past midnight in Berlin
    moments = [late, late + datetime.timedelta(hours=2)]  # over the change to summer time
    pl.DataFrame({"at": moments}, {"at": pl.Datetime("us", "UTC")}).write_parquet(path)
    assert [r["rows"] for r in rows_of(TimeSeries(time="at", every="day"), path)] == [1, 1]
    [berlin] = rows_of(TimeSeries(time="at", every="day", time_zone="Europe/Berlin"), path)
    assert berlin == {"period": datetime.datetime(2024, 3, 31), "rows": 2}


def test_hour_that_comes_twice_at_the_end_of_summer_time_is_two_hours(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    first = datetime.datetime(2024, 10, 27, 0, 30, tzinfo=datetime.UTC)  # half past two in Berlin, for the first time
    pl.DataFrame(
        {"at": [first, first + datetime.timedelta(hours=1), first + datetime.timedelta(hours=3)]}
    ).write_parquet(path)
    found = answer(TimeSeries(time="at", every="hour", time_zone="Europe/Berlin"), path)
    assert [(str(row["period"]), row["rows"]) for row in found.rows.to_pylist()] == [
        ("2024-10-27 02:00:00+02:00", 1),
        ("2024-10-27 02:00:00+01:00", 1),
        ("2024-10-27 03:00:00+01:00", 0),
        ("2024-10-27 04:00:00+01:00", 1),
    ]


@pytest.mark.parametrize(("zone", "minute"), [("Asia/Kolkata", 30), ("Australia/Lord_Howe", 0)])
def test_hours_are_those_of_a_zone_that_is_half_an_hour_off(zone: str, minute: int, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    moments = [datetime.datetime(2024, 4, 6, hour, 45, tzinfo=datetime.UTC) for hour in (13, 16)]
    pl.DataFrame({"at": moments}).write_parquet(path)  # on Lord Howe Island half an hour comes twice in between
    found = rows_of(TimeSeries(time="at", every="hour", time_zone=zone), path)
    assert sum(row["rows"] for row in found) == 2
    assert found[0]["period"].astimezone(datetime.UTC).minute == minute


VISITS = pl.DataFrame(
    {
        "who": ["a", "b", "a", "a", "c", "a", "b", None, "c"],
        "on": [
            *(DAY(2024, 1, 1), DAY(2024, 1, 31), DAY(2024, 1, 2), DAY(2024, 2, 5), DAY(2024, 2, 29), DAY(2024, 4, 1)),
            *(DAY(2024, 4, 2), DAY(2024, 3, 1), None),
        ],
    }
)


def test_cohorts_are_units_that_began_together_and_periods_without_any_are_zero(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    VISITS.with_columns(unit=pl.lit(None, pl.String), period=1).write_parquet(path)  # names of the query's own columns
    found = answer(Cohort(unit="who", time="on", every="month"), path)
    rows = [(r["cohort"].month, r["periods_later"], r["units"], r["share"]) for r in found.rows.to_pylist()]
    assert rows == [(1, 0, 2, 1), (1, 1, 1, 0.5), (1, 2, 0, 0), (1, 3, 2, 1), (2, 0, 1, 1), (2, 1, 0, 0), (2, 2, 0, 0)]
    assert found.figures == {"cohort/cohorts": 2, "cohort/units": 3}
    assert "| 2024-01-01 | 2 | 50.0 % | 0 % | 100 % |" in found.page.replace("\u00a0", " ")
    shown = found.charts[0].specification
    assert (shown["columns"], shown["cells"]) == (["+1", "+2", "+3"], [[0.5, 0, 1], [0, 0, None]])


def test_cohorts_of_more_periods_than_a_page_takes_are_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"who": ["a", "b"], "on": [DAY(1, 1, 1), DAY(9999, 1, 1)]}).write_parquet(path)
    with pytest.raises(InvalidQueryError, match=r"3,651,\d+ pairs of a cohort and a day"):
        answer(Cohort(unit="who", time="on", every="day"), path)


def test_page_of_many_cohorts_says_which_it_shows(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"who": range(14), "on": [DAY(2000 + year, 1, 1) for year in range(14)]}).write_parquet(path)
    found = answer(Cohort(unit="who", time="on", every="year"), path)
    assert found.page.splitlines()[-1] == (
        "Only the newest 12 cohorts and first 12 periods are shown. The artifact has all."
    )
    meaning = found.rows.schema.field("periods_later").metadata[DESCRIPTION].decode()
    assert meaning == "Years since then; 0 is the first one"


@pytest.mark.parametrize(
    "kind",
    [
        GroupBy(by=["at"]),
        Crosstab(rows="at", columns="who"),
        TimeSeries(time="at", every="year"),
        Cohort(unit="who", time="at", every="year"),
    ],
    ids=lambda kind: kind.kind,
)
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_year_that_python_lacks_is_refused(kind: IReadyMade, zone: str | None, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    at = pa.array([300_000_000_000]).cast(pa.timestamp("s", zone))  # in the year 11476
    pq.write_table(pa.table({"who": [1], "at": at}), path)
    with pytest.raises(InvalidQueryError, match="times outside of the years 1 to 9999"):
        answer(kind, path)


_WITHOUT_PANDAS = """
import os, pathlib, sys

class NoPandas:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoPandas())
from artifact_pipelines_tests.analysis.test_ready_made import Crosstab, GroupBy, answer
for kind in (GroupBy(by=["who", "at"], measures={"last": {"max": "at"}}), Crosstab(rows="at", columns="who")):
    print(answer(kind, pathlib.Path(sys.argv[1])).page, flush=True)
os._exit(0)
"""


@pytest.mark.long
def test_nanoseconds_are_shown_without_pandas(tmp_path: pathlib.Path) -> None:
    at = pa.array([1_700_000_000_000_000_123], pa.timestamp("ns"))
    pq.write_table(pa.table({"who": [1], "at": at}), tmp_path / "x.parquet")
    command = [sys.executable, "-c", _WITHOUT_PANDAS, str(tmp_path / "x.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" 22:13:20.000000123 ") == 3


@pytest.mark.parametrize("name", ["found", "moments", "every_one", "e", "f"])
def test_dataset_may_have_any_name(name: str, path: pathlib.Path) -> None:
    for kind in (TimeSeries(time="on", every="month"), Cohort(unit="carrier", time="on", every="month")):
        with kind.answer({name: Table(path)}) as found:
            assert isinstance(found, Answer)
            assert found.rows.num_rows > 0


def test_first_period_of_a_cohort_is_that_of_the_zone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    late = datetime.datetime(2024, 3, 31, 22, 30, tzinfo=datetime.UTC)  # half past midnight of April in Berlin
    pl.DataFrame({"who": [1.0], "on": [late]}).write_parquet(path)
    [row] = rows_of(Cohort(unit="who", time="on", every="month", time_zone="Europe/Berlin"), path)
    assert row["cohort"] == datetime.datetime(2024, 4, 1)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_moments_of_any_unit_and_zone_have_days(unit: str, zone: str | None, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    moments = pa.array([datetime.datetime(2024, 1, 1, 12), None, datetime.datetime(2024, 1, 2, 23)])
    pq.write_table(pa.table({"at": moments.cast(pa.timestamp(unit, zone))}), path)
    assert [row["rows"] for row in rows_of(TimeSeries(time="at", every="day"), path)] == [1, 1]


def test_pairs_of_lists_and_of_nan_are_counted_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    nan = float("nan")
    pl.DataFrame({"l": [[2], [1, None], [2], None], "f": [nan, 1.0, nan, nan], "s": [{"a": 1}] * 4}).write_parquet(path)
    page = answer(Crosstab(rows="f", columns="l"), path).page.splitlines()
    assert page == [
        r"| f \\ l | \[1, None\] | \[2\] | null |",
        "|---|---|---|---|",
        "| 1 | 1 | 0 | 0 |",
        "| nan | 0 | 2 | 1 |",
    ]
    assert [row["row_count"] for row in rows_of(Crosstab(rows="s", columns="f"), path)] == [1, 3]


@pytest.mark.parametrize("count", [30, 31])
@pytest.mark.parametrize("names", [("many", "one"), ("one", "many")])
def test_page_says_when_it_does_not_show_all_values(count: int, names: tuple[str, str], tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"many": range(count), "one": [1] * count}).write_parquet(path)
    page = answer(Crosstab(rows=names[0], columns=names[1]), path).page
    assert ("At most 30 values" in page) == (count > 30)


def test_shares_of_the_pairs_are_a_heat_map(path: pathlib.Path) -> None:
    [chart] = answer(Crosstab(rows="carrier", columns="seats"), path).charts
    assert chart.title == "seats in each carrier, as shares of its rows"
    assert chart.specification["names"] == ["AA", "UA", "null"]
    assert chart.specification["columns"] == ["100", "200", str(2**62)]
    assert chart.specification["cells"] == [[0, 0.5, 0.5], [1, 0, 0], [0, 0, 1]]
    assert "3 by 3 values; the strongest: UA and 100 1.00, null and" in chart.description
    drawn = draw(chart)
    assert (drawn.count("<rect"), drawn.count(">UA<"), drawn.count(">200<")) == (9, 1, 1)


def test_empty_table_has_an_empty_answer(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    FLIGHTS.clear().write_parquet(path)
    for kind in (
        GroupBy(by=["carrier"]),
        Crosstab(rows="carrier", columns="seats"),
        TimeSeries(time="on", every="day"),
        Cohort(unit="carrier", time="on", every="day"),
    ):
        assert rows_of(kind, path) == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (GroupBy(by=["carier"]), "no column 'carier'|no column carier"),
        (TimeSeries(time="carrier", every="day"), "not dates or moments"),
        (TimeSeries(time="on", every="hour", where="nope > 1"), "nope"),
        (Cohort(unit="nope", time="on", every="day"), "no column nope"),
    ],
)
def test_question_that_the_table_cannot_answer_is_refused(path: pathlib.Path, kind: IReadyMade, said: str) -> None:
    with pytest.raises(InvalidQueryError, match=said):
        answer(kind, path)


TYPES: dict[str, str | None] = {"carrier": "VARCHAR", "delay": "DOUBLE", "at": "TIMESTAMPTZ"}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ({"kind": "group_by", "by": ["other"]}, "no column other; the columns are carrier, delay, at"),
        ({"kind": "group_by", "by": ["carrier"], "where": "nope > 1"}, "nope"),
        ({"kind": "crosstab", "rows": "carrier", "columns": "at", "where": "delay > carrier || 1 + at"}, "at"),
        ({"kind": "group_by", "by": ["carrier"], "measures": {"x": {"sum": "carrier"}}}, r"sum\(VARCHAR\)"),
        ({"kind": "time_series", "time": "carrier", "every": "day"}, "holds VARCHAR, not dates or moments"),
        ({"kind": "group_by", "by": ["carrier"], "where": "carrier ="}, "syntax error"),
        ({"kind": "group_by", "by": ["carrier"], "where": "carrier IN (SELECT 1 FROM other)"}, "reads no table"),
    ],
)
def test_question_that_no_such_table_can_answer_is_refused_with_the_definitions(
    kind: dict[str, Any], said: str
) -> None:
    question: IAnalysisKind = pydantic.TypeAdapter(AnalysisKind).validate_python(kind)
    with pytest.raises(InvalidQueryError, match=said):
        question.check(DeclaredDataset("flights", TYPES))


def test_condition_that_is_more_than_one_is_refused_with_the_definitions() -> None:
    with pytest.raises(UnsafeQueryError, match="not one SELECT"):
        GroupBy(by=["carrier"], where="true); DROP TABLE x; SELECT (1").check(DeclaredDataset("flights", TYPES))


@pytest.mark.parametrize(
    "kind",
    [
        {"kind": "group_by", "by": ["carrier", "found"], "measures": {"x": {"sum": "found"}, "y": {"mean": "delay"}}},
        {"kind": "crosstab", "rows": "carrier", "columns": "at", "where": "delay > 5"},
        {"kind": "time_series", "time": "found", "every": "week", "measures": {"x": {"sum": "delay"}}},
        {"kind": "time_series", "time": "at", "every": "hour", "measures": {"x": {"count": "delay"}}},
        {"kind": "cohort", "unit": "carrier", "time": "at", "every": "month"},
        {"kind": "cohort", "unit": "found", "time": "found", "every": "week"},
    ],
)
def test_question_that_a_table_may_answer_passes_with_the_definitions(kind: dict[str, Any]) -> None:
    question: IAnalysisKind = pydantic.TypeAdapter(AnalysisKind).validate_python(kind)
    question.check(DeclaredDataset("flights", TYPES | {"found": None}))
    question.check(DeclaredDataset("flights"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": []},
        {"by": ["a"], "measures": {"a": "count"}},
        {"by": ["a"], "measures": {"x": {"average": "b"}}},
        {"by": ["a"], "measures": {"x": {"sum": "b", "min": "b"}}},
        {"by": ["a", "A"]},
        {"by": ["a"], "measures": {"n": "count", "N": "count"}},
        {"kind": "time_series", "time": "a", "every": "day", "measures": {"Period": "count"}},
        {"kind": "crosstab", "rows": "a", "columns": "a"},
        {"kind": "crosstab", "rows": "Share", "columns": "a"},
    ],
)
def test_wrong_declarations_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        pydantic.TypeAdapter(AnalysisKind).validate_python({"kind": "group_by", **wrong})


def test_one_thread_gives_the_same_sum_each_time(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"g": [1] * 300_000, "f": [0.1 * (i % 977) for i in range(300_000)]}).write_parquet(
        path, row_group_size=10_000
    )
    kind = GroupBy.model_validate({"by": ["g"], "measures": {"f": {"sum": "f"}}})
    assert len({rows_of(kind, path)[0]["f"] for _ in range(3)}) == 1
