import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pydantic
import pytest

from artifact_pipelines.analysis.exceptions import InvalidQueryError, QueryLimitError
from artifact_pipelines.analysis.interfaces import Table
from artifact_pipelines.analysis.kinds.sql import Sql
from artifact_pipelines.tabular.exceptions import DuckDBNamesError, UnsafeQueryError


@pytest.fixture
def flights(tmp_path: pathlib.Path) -> dict[str, pathlib.Path]:
    path = tmp_path / "flights.parquet"
    pl.DataFrame({"carrier": ["UA", "AA", "UA"], "delay": [5, 1, 3]}).write_parquet(path)
    return {"flights": path}


def answer(sql: str, tables: dict[str, pathlib.Path]) -> pa.Table:
    with Sql(query=sql).answer({name: Table(path) for name, path in tables.items()}) as batches:
        return batches.read_all()


def test_query_is_answered(flights: dict[str, pathlib.Path]) -> None:
    found = answer("SELECT carrier, sum(delay)::INT AS delay FROM flights GROUP BY carrier", flights)
    assert found.to_pylist() == [{"carrier": "AA", "delay": 1}, {"carrier": "UA", "delay": 8}]


def test_error_that_quotes_bytes_that_are_no_text_is_explained(flights: dict[str, pathlib.Path]) -> None:
    with pytest.raises(InvalidQueryError, match="flights"):
        answer("SELECT bit_length('é'::BIT) FROM flights", flights)  # quotes half of it


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


CROSS_JOIN = "SELECT count(*) AS n FROM range(10_000_000) a, range(10_000_000) b WHERE hash(a.range + b.range) = 1"
MANY_ROWS = "SELECT a.range, b.range FROM range(1_000_000) a, range(1_000_000) b"
ENDLESS_STREAM = "SELECT range FROM range(1_000_000_000_000) ORDER BY (SELECT 1)"
ENDLESS_RECURSION = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) AS n FROM t"
ENDLESS = [CROSS_JOIN, MANY_ROWS, ENDLESS_STREAM, ENDLESS_RECURSION]
SECONDS = 15.0  # a busy machine included


class TerminatedError(BaseException):
    """Stands for the interrupt that Dagster raises."""


@pytest.fixture
def terminated() -> Iterator[None]:
    """Signals the main thread after half a second, as Dagster does when a run is terminated."""

    def terminate(*_: object) -> None:
        raise TerminatedError

    before = signal.signal(signal.SIGUSR1, terminate)
    timer = threading.Timer(0.5, signal.pthread_kill, [threading.main_thread().ident, signal.SIGUSR1])
    timer.start()
    yield
    timer.join()
    signal.signal(signal.SIGUSR1, before)


def drain(sql: str, **limits: str) -> None:
    with Sql.model_validate({"query": sql, **limits}).answer({}) as batches:
        for _ in batches:
            pass


@pytest.mark.usefixtures("terminated")
@pytest.mark.parametrize("sql", ENDLESS)
@pytest.mark.timeout(60)
def test_an_interrupt_ends_an_endless_query_within_seconds(sql: str) -> None:
    started = time.monotonic()
    with pytest.raises(TerminatedError):
        drain(sql)
    assert time.monotonic() - started < SECONDS


@pytest.mark.parametrize("sql", ENDLESS)
@pytest.mark.timeout(60)
def test_a_query_ends_when_its_time_is_over(sql: str) -> None:
    started = time.monotonic()
    with pytest.raises(QueryLimitError, match=r"time_limit .*1s.*raise `time_limit` in the dataset's YAML file:\n"):
        drain(sql, time_limit="1s")
    assert time.monotonic() - started < SECONDS


@pytest.mark.parametrize(
    ("sql", "limit"), [(MANY_ROWS, "spill_limit"), ("SELECT list(range) FROM range(50_000_000)", "memory_limit")]
)
def test_memory_and_spilled_bytes_of_a_query_are_limited(sql: str, limit: str) -> None:
    with pytest.raises(QueryLimitError, match=f"more than {limit} .*raise `{limit}`"):
        drain(sql, memory_limit="32MiB", spill_limit="1MB")


def test_limits_do_not_change_the_code_version() -> None:
    limited = {"query": "SELECT 1", "time_limit": "2h", "memory_limit": "8GB", "spill_limit": "1TB"}
    assert Sql.model_validate(limited).code_version() == Sql(query="SELECT 1").code_version()


@pytest.mark.parametrize("limits", [{"time_limit": "soon"}, {"memory_limit": "much"}, {"spill_limit": -1}])
def test_a_malformed_limit_is_refused_by_name(limits: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError, match=next(iter(limits))):
        Sql.model_validate({"query": "SELECT 1", **limits})


_KILLED = """
import sys
from artifact_pipelines.analysis.interfaces import Table
from artifact_pipelines.analysis.kinds.sql import Sql
with Sql.model_validate({"query": sys.argv[1], "memory_limit": "32MiB"}).answer({}) as batches:
    batches.read_all()
"""


def spilled(folder: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_next_query_removes_the_spill_of_a_killed_process(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", _KILLED, MANY_ROWS]) as process:
        while not spilled(tmp_path):
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    assert spilled(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert answer("SELECT 1", {}).num_rows == 1
    assert not spilled(tmp_path)
