"""Values that Python or pandas has no type for are still stored, and shown as text."""

import datetime
import io
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from artifact_pipelines.tabular.footer import describe_parquet, preview
from artifact_pipelines_tests.handlers.writing import write_value

_LAST = pl.Series("x", [datetime.datetime(9999, 12, 31, 23, 59, 59)]).dt.replace_time_zone("UTC")
_MAP = pa.map_(pa.string(), pa.date32())
_NS = 1_700_000_000_000_000_123


def _relation(value: str) -> Any:
    return duckdb.sql(f"SELECT {value} AS x")


VALUES: Mapping[str, tuple[Callable[[], Any], str]] = {
    "year 10000": (lambda: _relation("DATE '10000-01-01'"), "10000-01-01"),
    "before Christ": (lambda: _relation("DATE '0044-03-15 (BC)'"), "-0043-03-15"),
    "polars date": (lambda: pl.DataFrame({"x": pl.Series([4_000_000], dtype=pl.Int32).cast(pl.Date)}), "12921-08-18"),
    "in Berlin": (lambda: _LAST.dt.convert_time_zone("Europe/Berlin").to_frame(), "9999-12-31 23:59:59+00:00"),
    "polars ns": (
        lambda: pl.DataFrame({"x": pl.Series([_NS]).cast(pl.Datetime("ns"))}),
        "2023-11-14 22:13:20.000000123",
    ),
    "Arrow ns": (lambda: pa.table({"x": pa.array([_NS], pa.timestamp("ns"))}), "2023-11-14 22:13:20.000000123"),
    "polars time": (lambda: pl.DataFrame({"x": pl.Series([1_123]).cast(pl.Time)}), "00:00:00.000001123"),
    "Arrow time": (lambda: pa.table({"x": pa.array([1_123], pa.time64("ns"))}), "00:00:00.000001123"),
    "duration": (lambda: pa.table({"x": pa.array([1_123], pa.duration("ns"))}), "00:00:00.000001123"),
    "map": (lambda: pa.table({"x": pa.array([[("k", 4_000_000)]], _MAP)}), "{k: 12921-08-18}"),
}


def show(value: Any) -> tuple[Any, Any]:
    """Return the first cell of a stored table as it is shown, and the minimum of its column."""
    sink = io.BytesIO()
    write_value(value, sink)
    [column], [row] = describe_parquet(sink).columns, preview(sink)
    assert column.minimum == column.maximum
    return row["x"], column.minimum


@pytest.mark.parametrize("name", VALUES)
def test_value_without_a_python_type_is_stored_and_shown(name: str) -> None:
    make, shown = VALUES[name]
    assert show(make()) == (shown, None if name == "map" else shown)


_WITHOUT_PANDAS = """
import os, sys

class NoPandas:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoPandas())
from artifact_pipelines_tests.handlers.test_shown_values import VALUES, show
for name, (make, _) in VALUES.items():
    print(name, *show(make()), sep="|", flush=True)
os._exit(0)  # threads of the engines rarely abort a process that ends while they begin
"""


def test_tables_are_stored_and_shown_without_pandas() -> None:
    command = [sys.executable, "-W", "error", "-c", _WITHOUT_PANDAS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = [f"{name}|{shown}|{None if name == 'map' else shown}" for name, (_, shown) in VALUES.items()]
    assert done.stdout.splitlines() == expected
