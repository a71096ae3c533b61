"""What is only shown never decides whether a table can be stored: values that Python, or pandas, has no type for."""

import datetime
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pyarrow as pa
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

_LAST = pl.Series("x", [datetime.datetime(9999, 12, 31, 23, 59, 59)]).dt.replace_time_zone("UTC")
_MAP = pa.map_(pa.string(), pa.date32())
_NS = 1_700_000_000_000_000_123


def _relation(value: str) -> Any:
    return duckdb.sql(f"SELECT {value} AS x")


VALUES: Mapping[str, tuple[Callable[[], Any], str]] = {
    "date infinity": (lambda: _relation("'infinity'::DATE"), "<value out of range: 2147483647>"),
    "infinity": (lambda: _relation("'infinity'::TIMESTAMP"), "<value out of range: 9223372036854775807>"),
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


@pytest.fixture
def io_manager(catalog: Catalog, producer: ArtifactProducer) -> ArtifactIOManager:
    return ArtifactIOManager(catalog, producer)


def shown(io_manager: ArtifactIOManager, make: Callable[[], Any]) -> Any:
    """Store what is made, and return its first cell as it is shown, and its statistics."""

    @dg.asset
    def far() -> Any:
        return make()

    result = dg.materialize([far], resources={"io_manager": io_manager})
    [event] = result.asset_materializations_for_node("far")
    metadata: Mapping[str, Any] = event.metadata
    [row], [column] = metadata["artifact/preview"].records, metadata["artifact/columns"].records
    return row.data["x"], column.data["minimum"], column.data["maximum"]


@pytest.mark.parametrize("name", VALUES)
def test_what_is_shown_does_not_decide_what_is_stored(name: str, io_manager: ArtifactIOManager) -> None:
    make, told = VALUES[name]
    statistic = None if name == "map" else told
    assert shown(io_manager, make) == (told, statistic, statistic)


_WITHOUT_PANDAS = """
import io, sys

class NoPandas:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoPandas())
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.tabular.footer import describe_parquet, preview
from artifact_pipelines_tests.handlers.test_far_values import VALUES
from artifact_pipelines_tests.handlers.writing import write_value
for name, (make, _) in VALUES.items():
    value, sink = make(), io.BytesIO()
    write_value(value, sink)
    [column], [row] = describe_parquet(sink).columns, preview(sink)
    print(name, column.minimum, row["x"], sep="|")
"""


def test_nothing_of_it_needs_pandas() -> None:
    command = [sys.executable, "-W", "error", "-c", _WITHOUT_PANDAS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expected = [f"{name}|{None if name == 'map' else told}|{told}" for name, (_, told) in VALUES.items()]
    assert done.stdout.splitlines() == expected
