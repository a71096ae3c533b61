"""Ready-made questions: group_by, crosstab, time_series."""

import datetime
import pathlib
from typing import Any

import polars as pl
import pydantic
import pytest

from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.interfaces import Answer, DeclaredDataset, Table
from artifact_pipelines.analysis.kinds.crosstab import Crosstab
from artifact_pipelines.analysis.kinds.group_by import GroupBy
from artifact_pipelines.analysis.kinds.time_series import TimeSeries
from artifact_pipelines.analysis.questions.ready_made import IReadyMade

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


def test_days_of_moments_are_those_of_the_zone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    late = datetime.datetime(2024, 3, 30, 23, 30, tzinfo=datetime.UTC)  # half past midnight in Berlin
    moments = [late, late + datetime.timedelta(hours=2)]  # over the change to summer time
    pl.DataFrame({"at": moments}, {"at": pl.Datetime("us", "UTC")}).write_parquet(path)
    assert [r["rows"] for r in rows_of(TimeSeries(time="at", every="day"), path)] == [1, 1]
    [berlin] = rows_of(TimeSeries(time="at", every="day", time_zone="Europe/Berlin"), path)
    assert berlin == {"period": datetime.datetime(2024, 3, 31), "rows": 2}


def test_empty_table_has_an_empty_answer(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    FLIGHTS.clear().write_parquet(path)
    for kind in (
        GroupBy(by=["carrier"]),
        Crosstab(rows="carrier", columns="seats"),
        TimeSeries(time="on", every="day"),
    ):
        assert rows_of(kind, path) == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (GroupBy(by=["carier"]), "no column 'carier'|no column carier"),
        (TimeSeries(time="carrier", every="day"), "not dates or moments"),
        (TimeSeries(time="on", every="hour", where="nope > 1"), "nope"),
    ],
)
def test_question_that_the_table_cannot_answer_is_refused(path: pathlib.Path, kind: IReadyMade, said: str) -> None:
    with pytest.raises(InvalidQueryError, match=said):
        answer(kind, path)


def test_unknown_columns_and_conditions_are_found_with_the_definitions() -> None:
    declared = DeclaredDataset("flights", {"carrier": "VARCHAR"})
    GroupBy(by=["carrier"]).check(declared)
    GroupBy(by=["other"]).check(DeclaredDataset("flights"))
    with pytest.raises(InvalidQueryError, match="columns are"):
        GroupBy(by=["other"]).check(declared)
    for where in ("carrier =", "1; DROP TABLE x", "carrier IN (SELECT 1 FROM other)"):
        with pytest.raises((InvalidQueryError, Exception), match=r".") as caught:
            GroupBy(by=["carrier"], where=where).check(declared)
        assert "InvalidQueryError" in type(caught.value).__name__ or "UnsafeQueryError" in type(caught.value).__name__


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": []},
        {"by": ["a"], "measures": {"a": "count"}},
        {"by": ["a"], "measures": {"x": {"average": "b"}}},
        {"by": ["a"], "measures": {"x": {"sum": "b", "min": "b"}}},
    ],
)
def test_wrong_declarations_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        GroupBy.model_validate(wrong)


def test_one_thread_gives_the_same_sum_each_time(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"g": [1] * 300_000, "f": [0.1 * (i % 977) for i in range(300_000)]}).write_parquet(
        path, row_group_size=10_000
    )
    kind = GroupBy.model_validate({"by": ["g"], "measures": {"f": {"sum": "f"}}})
    assert len({rows_of(kind, path)[0]["f"] for _ in range(3)}) == 1
