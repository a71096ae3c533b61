import polars as pl
import pytest

from artifact_pipelines.tabular.exceptions import DuckDBNamesError, SqlExpressionError, SqlValueError
from artifact_pipelines.tabular.sql_expression import SqlCondition, SqlExpression

ROWS = pl.DataFrame({"id": [1, 2, 3], "Name": ["a", "b", None], "unused": [[1], [2], [3]]})


@pytest.mark.parametrize(
    ("sql", "columns", "expected"),
    [
        ("id > 1 AND name = 'b'", ["id", "Name"], [False, True, None]),
        ('rows."Name" IS NULL -- a comment', ["Name"], [False, False, True]),
        ("list_filter([1, 2], lambda x: x = id)[1] = 1", ["id"], [True, False, None]),
        ("true", [], [True, True, True]),
    ],
)
def test_condition_is_evaluated_for_each_row(sql: str, columns: list[str], expected: list[bool | None]) -> None:
    with SqlCondition("where", sql, ROWS.schema) as condition:
        assert condition.columns == columns
        assert condition.evaluate(ROWS).to_list() == expected


def test_expression_may_have_any_type() -> None:
    with SqlExpression("by", "upper(name) || id", ROWS.schema) as expression:
        assert expression.evaluate(ROWS).to_list() == ["A1", "B2", None]


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("nothing > 1", r"there is no column `nothing` \(a text has single quotes\)\. Columns: id, Name, unused"),
        ("id >", "syntax error"),
        ("id > 1, true", "not true or false"),
        ("id", "it is Int64, not true or false"),
        ("true); DROP TABLE rows; SELECT (true", "SELECT"),
        ("true) FROM rows UNION SELECT (true", "several expressions"),
        ("id = (SELECT max(id) FROM rows)", "a subquery"),
        ("EXISTS (FROM read_text('/etc/passwd'))", "a subquery"),
        ("row_number() OVER () = 1", "a window function"),
        ("count(*) > 1", "one value for several rows"),
        ("random() < 0.5", "random changes from run to run"),
        ("current_date > DATE '2020-01-01'", "current_date changes from run to run"),
        ("", "not true or false"),
    ],
)
def test_other_sql_is_refused_by_its_field(sql: str, problem: str) -> None:
    with pytest.raises(SqlExpressionError, match=problem) as caught, SqlCondition("where", sql, ROWS.schema):
        pass
    assert caught.value.parameter == "where"


def test_value_that_cannot_be_computed_is_refused() -> None:
    with (
        SqlCondition("where", "name::INT = 1", ROWS.schema) as condition,
        pytest.raises(
            SqlValueError, match=r"where: .* fails for a row of the table: .* 'a' .* TRY_CAST in place of CAST"
        ),
    ):
        condition.evaluate(ROWS)


def test_columns_that_duckdb_would_confuse_are_refused() -> None:
    with pytest.raises(DuckDBNamesError), SqlCondition("where", "a > 1", pl.Schema({"a": pl.Int64(), "A": pl.Int64()})):
        pass
