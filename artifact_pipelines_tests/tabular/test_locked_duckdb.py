import pathlib
import subprocess
import sys
import time

import duckdb
import polars as pl
import pytest

from artifact_pipelines.tabular.exceptions import UnsafeQueryError
from artifact_pipelines.tabular.locked_duckdb import create_view, locked_duckdb, only_select, select_files


@pytest.fixture
def allowed(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "it's allowed.csv"
    path.write_text("a\n1\n2\n")
    return path


@pytest.fixture
def secret(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "secret.csv"
    path.write_text("password\nhunter2\n")
    return path


def test_allowed_files_can_be_read(allowed: pathlib.Path) -> None:
    with locked_duckdb([allowed]) as connection:
        assert connection.read_csv(str(allowed)).fetchall() == [(1,), (2,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM '{secret}'",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_csv('{folder}/*.csv')",
        "SELECT * FROM read_csv('{allowed}/../secret.csv')",
        "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
        "SELECT * FROM 's3://bucket/x.parquet'",
        "SELECT getenv('HOME')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "COPY (SELECT 1) TO '{allowed}.out'",
        "ATTACH '{folder}/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "RESET enable_external_access",
        "SET allowed_paths = ['{secret}']",
        "SET memory_limit = '1TB'",
        "EXPORT DATABASE '{folder}/out'",
        "IMPORT DATABASE '{folder}'",
        "CREATE PERSISTENT SECRET s (TYPE s3)",
        "SELECT * FROM local_frame",
    ],
)
def test_nothing_else_can_be_read_written_or_set(allowed: pathlib.Path, secret: pathlib.Path, sql: str) -> None:
    import polars as pl

    local_frame = pl.DataFrame({"a": [1]})
    before = sorted(secret.parent.iterdir())
    with locked_duckdb([allowed]) as connection, pytest.raises(duckdb.Error):
        text = sql.format(secret=secret, allowed=str(allowed).replace("'", "''"), folder=secret.parent)
        connection.execute(text).fetchall()
    assert sorted(secret.parent.iterdir()) == before
    assert len(local_frame) == 1


def test_memory_and_spilled_bytes_are_bounded(tmp_path: pathlib.Path) -> None:
    with (
        locked_duckdb([], memory_limit_bytes=64 << 20, temp_limit_bytes=16 << 20) as connection,
        pytest.raises(duckdb.OutOfMemoryException),
    ):
        connection.execute("SELECT count(*) FROM (SELECT DISTINCT range::VARCHAR FROM range(50_000_000))").fetchall()


def test_notebook_without_widgets_can_query(allowed: pathlib.Path) -> None:
    """DuckDB finds out at its import whether it runs in Jupyter, so this needs a process."""
    code = (
        "import sys, types; sys.modules['ipywidgets'] = None; sys.modules['IPython'] = types.SimpleNamespace("
        "get_ipython=lambda: types.SimpleNamespace(config={'IPKernelApp': {}})); "
        "from artifact_pipelines.tabular.locked_duckdb import locked_duckdb\n"
        "with locked_duckdb([]) as connection: print(connection.execute('SELECT 42').fetchall())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "[(42,)]\n"


def test_time_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    with locked_duckdb([]) as connection:
        found = connection.execute("SELECT (TIMESTAMPTZ '2013-01-01 00:00:00+00')::VARCHAR").fetchall()
    assert found == [("2013-01-01 00:00:00+00",)]


@pytest.mark.parametrize("sql", ["SELECT 1", "  SELECT 1;\n", "WITH a AS (SELECT 1) SELECT * FROM a", "FROM range(3)"])
def test_one_select_is_accepted(sql: str) -> None:
    with locked_duckdb([]) as connection:
        assert connection.execute(only_select(connection, sql)).fetchall()


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("", "nothing"),
        ("-- only a comment", "nothing"),
        ("SELECT 1; SELECT 2", "SELECT, SELECT"),
        ("CREATE TABLE x (a INT)", "CREATE"),
        ("SET threads = 1", "SET"),
        ("SELECT 1; DROP TABLE x", "SELECT, DROP"),
        ("INSERT INTO x VALUES (1)", "INSERT"),
    ],
)
def test_other_statements_are_refused_by_kind(sql: str, kind: str) -> None:
    with locked_duckdb([]) as connection, pytest.raises(UnsafeQueryError, match=f"it is {kind}, not one SELECT"):
        only_select(connection, sql)


@pytest.mark.parametrize("condition", ["isnan(x)", "x > 1", "x >= 'nan'::DOUBLE", "NOT x <= 1", "y > 1"])
def test_rows_with_nan_are_found_though_the_statistics_of_parquet_do_not_know_them(
    tmp_path: pathlib.Path, condition: str
) -> None:
    path = tmp_path / "x.parquet"
    values = [0.5] * 3000 + [float("nan")] * 3
    types = {"x": pl.Float64, "y": pl.Float32}
    pl.DataFrame({"x": values, "y": values}, types).write_parquet(path, row_group_size=1000)
    with locked_duckdb([path]) as connection:
        create_view(connection, "t", path)
        assert connection.sql(f"SELECT count(*) FROM t WHERE {condition}").fetchall() == [(3,)]
        assert connection.sql("SELECT typeof(any_value(x)), typeof(any_value(y)) FROM t").fetchall() == [
            ("DOUBLE", "FLOAT")
        ]


def test_tables_with_other_columns_are_united_without_regard_to_case(tmp_path: pathlib.Path) -> None:
    paths = [tmp_path / name for name in ("a", "b")]
    pl.DataFrame({"x": [1.5], "only": ["a"]}).write_parquet(paths[0])
    pl.DataFrame({"late": [1], "X": [2.5]}).write_parquet(paths[1])
    with locked_duckdb(paths) as connection:
        found = connection.sql(select_files(paths, file_column="file"))
        assert found.columns == ["x", "only", "late", "file"]
        assert [row[:3] for row in found.order("x").fetchall()] == [(1.5, "a", None), (2.5, None, 1)]


def test_wide_table_is_bound_in_time_that_grows_with_its_columns(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "wide.parquet"
    pl.DataFrame({f"c{number}": [1.5] for number in range(2000)}).write_parquet(path)
    with locked_duckdb([path]) as connection:
        started_s = time.thread_time()
        create_view(connection, "t", path)
        assert time.thread_time() - started_s < 1
