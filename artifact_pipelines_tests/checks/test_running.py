"""What each kind of check finds in a table."""

import datetime
import pathlib
from collections.abc import Mapping
from typing import Any

import polars as pl
import pydantic
import pytest

from artifact_pipelines.checks.declared import check_declared
from artifact_pipelines.checks.exceptions import InvalidCheckError
from artifact_pipelines.checks.interfaces import CheckedTable, ICheckKind
from artifact_pipelines.checks.registry import CheckKind
from artifact_pipelines.checks.running import MOST_ROWS, Finding, run_checks

KINDS: pydantic.TypeAdapter[ICheckKind] = pydantic.TypeAdapter(CheckKind)
NOW = datetime.datetime.now(datetime.UTC)
TABLE = pl.DataFrame(
    {
        "id": [1, 2, 2, None, None],
        "city": ["Rome", "Oslo", None, "Bern", "o'Neill"],
        "share": [0.5, float("nan"), None, -0.1, 1.0],
        "day": [datetime.date(2024, 1, day) for day in range(1, 6)],
        "at": [NOW - datetime.timedelta(hours=hours) for hours in (3, 4, 5, 6, 7)],
        "nested": [[1], None, [2], [], [1]],
    }
)


def run(
    folder: pathlib.Path,
    checks: Mapping[str, Mapping[str, Any]],
    table: pl.DataFrame = TABLE,
    others: Mapping[str, pl.DataFrame] | None = None,
    made_at: datetime.datetime | None = None,
) -> dict[str, Finding]:
    table.write_parquet(folder / "table.parquet")
    paths = {}
    for number, (key, other) in enumerate((others or {}).items()):
        paths[key] = folder / f"{number}.parquet"
        other.write_parquet(paths[key])
    declared = {name: KINDS.validate_python(fields) for name, fields in checks.items()}
    found = run_checks(folder / "table.parquet", CheckedTable("shops", made_at), declared, paths)
    return {each.result.name: each for each in found}


@pytest.mark.parametrize(
    ("fields", "breaking"),
    [
        ({"kind": "not_null", "columns": "city"}, 1),
        ({"kind": "not_null", "columns": ["city", "id"]}, 3),
        ({"kind": "not_null", "columns": ["nested", "day"]}, 1),
        ({"kind": "unique", "columns": "id"}, 2),
        ({"kind": "unique", "columns": ["id", "city"]}, 0),
        ({"kind": "unique", "columns": ["nested"]}, 2),
        ({"kind": "range", "column": "share", "min": 0}, 1),
        ({"kind": "range", "column": "share", "max": 1}, 1),
        ({"kind": "range", "column": "day", "min": datetime.date(2024, 1, 2), "max": datetime.date(2024, 1, 4)}, 2),
        ({"kind": "range", "column": "city", "min": "C"}, 1),
        ({"kind": "allowed", "column": "city", "values": ["Rome", "Oslo", "o'Neill"]}, 1),
        ({"kind": "allowed", "column": "id", "values": [1, 2]}, 0),
        ({"kind": "row_count", "min": 5, "max": 5}, 0),
        ({"kind": "row_count", "max": 4}, 1),
        ({"kind": "freshness", "column": "at", "within": "4h"}, 0),
        ({"kind": "freshness", "column": "at", "within": "2h"}, 1),
        ({"kind": "freshness", "column": "day", "within": "30d"}, 1),
        ({"kind": "sql", "query": "SELECT * FROM shops WHERE share < 0;"}, 1),
        ({"kind": "sql", "query": "SELECT city FROM shops GROUP BY city HAVING count(*) > 1"}, 0),
    ],
    ids=str,
)
def test_each_kind_counts_the_rows_that_break_it(
    tmp_path: pathlib.Path, fields: Mapping[str, Any], breaking: int
) -> None:
    [found] = run(tmp_path, {"it": fields}).values()
    assert found.result.figures == {"breaking_rows": breaking}, found.result.text
    assert found.result.passed == (breaking == 0)
    assert (found.rows.num_rows if found.rows else 0) == breaking


def test_breaking_rows_have_all_columns_in_the_order_of_the_table(tmp_path: pathlib.Path) -> None:
    [found] = run(tmp_path, {"it": {"kind": "not_null", "columns": "id"}}).values()
    assert found.rows is not None
    assert found.rows.column_names == TABLE.columns
    assert found.rows["city"].to_pylist() == ["Bern", "o'Neill"]
    assert found.result.text == "2 rows have no value in `id`. Expected: Every row has a value in `id`."


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"kind": "range", "column": "share", "min": 0}, "1 row breaks the rule. Expected: `share` is at least 0."),
        (
            {"kind": "unique", "columns": "id"},
            "2 rows have the same `id` as another row. Expected: No two rows have the same `id`.",
        ),
        (
            {"kind": "foreign_key", "columns": "city", "to": "places", "to_columns": "name"},
            "2 rows have a value that is not found. Expected: Each `city` is found in `name` of dataset places.",
        ),
        ({"kind": "sql", "query": "FROM shops"}, "The query returned 5 rows. Expected: This query returns no rows."),
    ],
    ids=str,
)
def test_failure_says_what_was_found_and_what_was_expected(
    tmp_path: pathlib.Path, fields: Mapping[str, Any], text: str
) -> None:
    places = {"places/table": pl.DataFrame({"name": ["Rome", "Bern"]})}
    [found] = run(tmp_path, {"it": fields}, others=places).values()
    assert found.result.text == text


def test_count_is_exact_and_kept_rows_are_bounded(tmp_path: pathlib.Path) -> None:
    table = pl.DataFrame({"id": [None] * 5000, "n": range(5000)}, schema={"id": pl.Int64, "n": pl.Int64})
    [found] = run(tmp_path, {"it": {"kind": "not_null", "columns": "id"}}, table).values()
    assert found.rows is not None
    assert (found.result.figures["breaking_rows"], found.rows.num_rows) == (5000, MOST_ROWS)
    assert found.rows["n"].to_pylist() == list(range(MOST_ROWS))


def test_foreign_key_names_rows_without_a_partner(tmp_path: pathlib.Path) -> None:
    fields = {"kind": "foreign_key", "columns": ["city"], "to": "places", "to_columns": ["name"]}
    places = {"places/table": pl.DataFrame({"name": ["Rome", "Bern", "Bern"]})}
    [found] = run(tmp_path, {"it": fields}, others=places).values()
    assert found.rows is not None
    assert found.rows["city"].to_pylist() == ["Oslo", "o'Neill"]
    [absent] = run(tmp_path, {"it": fields}).values()
    assert "asset places/table holds no table" in absent.result.text


def test_table_becomes_too_old_as_the_clock_goes_on(tmp_path: pathlib.Path) -> None:
    TABLE.write_parquet(tmp_path / "table.parquet")
    newest = TABLE["at"].max()
    assert isinstance(newest, datetime.datetime)
    checks = {
        "column": KINDS.validate_python({"kind": "freshness", "column": "at", "within": "36h"}),
        "version": KINDS.validate_python({"kind": "freshness", "within": "36h"}),
    }
    said = []
    for hours in (35, 36, 37):
        table = CheckedTable("shops", newest, newest + datetime.timedelta(hours=hours))
        found = [each.result for each in run_checks(tmp_path / "table.parquet", table, checks, {})]
        said.append([each.passed for each in found])
    assert said == [[True, True], [True, True], [False, False]]
    assert found[0].text.startswith(f"The newest `at` is from {newest:%Y-%m-%d %H:%M:%S}")
    assert found[0].text.endswith("Expected: The newest `at` is at most 36h old.")
    assert found[1].text.startswith(f"The current version is from {newest:%Y-%m-%d %H:%M:%S}")


def test_age_of_a_version_is_that_of_its_content(tmp_path: pathlib.Path) -> None:
    fields = {"fresh": {"kind": "freshness", "within": "2h"}}
    assert run(tmp_path, fields, made_at=NOW - datetime.timedelta(hours=1))["fresh"].result.passed
    assert not run(tmp_path, fields, made_at=NOW - datetime.timedelta(hours=3))["fresh"].result.passed


def test_check_that_cannot_be_made_fails_and_holds_up_no_other(tmp_path: pathlib.Path) -> None:
    found = run(
        tmp_path,
        {
            "lost": {"kind": "not_null", "columns": "ctiy", "severity": "warn"},
            "typed": {"kind": "range", "column": "city", "max": 5},
            "escaped": {"kind": "sql", "query": "SELECT * FROM read_csv('/etc/passwd')"},
            "fine": {"kind": "not_null", "columns": "day"},
        },
    )
    assert {name: each.result.passed for name, each in found.items()} == {
        "lost": False,
        "typed": False,
        "escaped": False,
        "fine": True,
    }
    assert not found["lost"].result.is_error
    assert "Columns of the table: id, city, share, day, at, nested." in found["lost"].result.text
    assert all("cannot be made" in found[name].result.text for name in ("lost", "typed", "escaped"))


def test_empty_table_breaks_only_what_asks_for_rows(tmp_path: pathlib.Path) -> None:
    checks: dict[str, dict[str, Any]] = {
        "nulls": {"kind": "not_null", "columns": "id"},
        "unique": {"kind": "unique", "columns": "id"},
        "rows": {"kind": "row_count", "min": 1},
        "fresh": {"kind": "freshness", "column": "at", "within": "1h"},
    }
    found = run(tmp_path, checks, TABLE.clear())
    assert {name for name, each in found.items() if not each.result.passed} == {"rows", "fresh"}
    assert found["rows"].result.text.startswith("The table has 0 rows. Expected: The table has at least 1 row.")
    assert found["fresh"].result.text.startswith("No row has a value in `at`.")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "not_nul", "columns": "a"}, "Input should be 'not_null' or 'unique'"),
        ({"kind": "not_null"}, "columns\n  Field required"),
        ({"kind": "not_null", "columns": []}, "at least 1 item"),
        ({"kind": "range", "column": "a"}, "give `min`, `max` or both"),
        ({"kind": "range", "column": "a", "min": 2, "max": 1}, "`min` 2 is above `max` 1"),
        ({"kind": "range", "column": "a", "min": "a", "max": 1}, "`min` and `max` have different types"),
        ({"kind": "freshness", "within": "soon"}, "within"),
        ({"kind": "foreign_key", "columns": ["a", "b"], "to": "c", "to_columns": "d"}, "have different lengths"),
        ({"kind": "row_count", "min": 1, "blocking": True, "severity": "warn"}, "needs `severity: error`"),
    ],
    ids=str,
)
def test_wrong_fields_are_refused(fields: Mapping[str, Any], message: str) -> None:
    with pytest.raises(pydantic.ValidationError) as raised:
        KINDS.validate_python(fields)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "not_null", "columns": "ctiy"}, "ctiy"),
        ({"kind": "unique", "columns": ["id", "nam"]}, "nam"),
        ({"kind": "range", "column": "city", "min": 5}, "VARCHAR"),
        ({"kind": "sql", "query": "SELECT FROM"}, "syntax error"),
        ({"kind": "sql", "query": "SELECT 1; SELECT 2"}, "not one SELECT"),
        ({"kind": "sql", "query": "SELECT * FROM shop"}, "there is no table shop among its inputs"),
        ({"kind": "sql", "query": "SELECT 1", "inputs": {"shops": "a/table"}}, "`inputs` has another table shops"),
    ],
    ids=str,
)
def test_checks_that_can_never_be_made_are_found_in_the_declaration(fields: Mapping[str, Any], message: str) -> None:
    check = KINDS.validate_python(fields)
    with pytest.raises(InvalidCheckError) as raised:
        check_declared("it", check, "shops", {"id": "BIGINT", "city": "VARCHAR"})
    assert message in str(raised.value)
    assert "`checks.it`" in str(raised.value)


def test_declared_checks_that_can_be_made_are_accepted() -> None:
    for fields in (
        {"kind": "foreign_key", "columns": "city", "to": "places"},
        {"kind": "freshness", "within": "1d"},
        {"kind": "row_count", "min": 1},
        {"kind": "sql", "query": "SELECT shops.* FROM shops ANTI JOIN p USING (id)", "inputs": {"p": "places/table"}},
    ):
        check_declared("it", KINDS.validate_python(fields), "shops", {"id": "BIGINT", "city": "VARCHAR"})
    unknown = KINDS.validate_python({"kind": "not_null", "columns": "anything"})
    check_declared("it", unknown, "shops", None)
