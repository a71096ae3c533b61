import pathlib

import polars as pl
import pyarrow as pa
import pytest

from artifact_pipelines.analysis.exceptions import InvalidQueryError
from artifact_pipelines.analysis.kinds.sql import Sql
from artifact_pipelines.tabular.exceptions import DuckDBNamesError, UnsafeQueryError


@pytest.fixture
def flights(tmp_path: pathlib.Path) -> dict[str, pathlib.Path]:
    path = tmp_path / "flights.parquet"
    pl.DataFrame({"carrier": ["UA", "AA", "UA"], "delay": [5, 1, 3]}).write_parquet(path)
    return {"flights": path}


def answer(sql: str, tables: dict[str, pathlib.Path]) -> pa.Table:
    with Sql(query=sql).answer(tables) as batches:
        return batches.read_all()


def test_query_is_answered(flights: dict[str, pathlib.Path]) -> None:
    found = answer("SELECT carrier, sum(delay)::INT AS delay FROM flights GROUP BY carrier", flights)
    assert found.to_pylist() == [{"carrier": "AA", "delay": 1}, {"carrier": "UA", "delay": 8}]


def test_own_order_is_kept(flights: dict[str, pathlib.Path]) -> None:
    found = answer("SELECT delay FROM flights ORDER BY delay DESC; ", flights)
    assert found["delay"].to_pylist() == [5, 3, 1]


def test_answer_without_an_order_is_sorted_by_all_columns(flights: dict[str, pathlib.Path]) -> None:
    found = answer("SELECT * FROM (SELECT delay FROM flights ORDER BY delay DESC) -- a comment at the end", flights)
    assert found["delay"].to_pylist() == [1, 3, 5]


def test_empty_answer_has_columns(flights: dict[str, pathlib.Path]) -> None:
    found = answer("SELECT carrier FROM flights WHERE delay > 100", flights)
    assert (found.num_rows, found.column_names) == (0, ["carrier"])


def test_table_whose_columns_differ_only_in_case_is_refused(tmp_path: pathlib.Path) -> None:
    pl.DataFrame({"a": [1], "A": [2]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(DuckDBNamesError, match="'a', 'A'"):  # "A" would be a
        answer('SELECT "A" FROM x', {"x": tmp_path / "x.parquet"})


@pytest.mark.parametrize("sql", ["DROP VIEW flights", "SELECT 1; SELECT 2", "COPY flights TO 'x.csv'", ";"])
def test_anything_but_one_select_is_refused(flights: dict[str, pathlib.Path], sql: str) -> None:
    with pytest.raises(UnsafeQueryError, match="Write one SELECT"):
        answer(sql, flights)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nothing FROM flights",
        "SELECT * FROM weather",
        "SELEC 1",
        "SELECT * FROM '/etc/passwd'",
        "SELECT CAST(carrier AS INT) FROM flights",
        "SELECT error('now')",
    ],
)
def test_failed_query_names_the_available_tables(flights: dict[str, pathlib.Path], sql: str) -> None:
    with pytest.raises(InvalidQueryError, match="Available tables: flights"):
        answer(sql, flights)
