"""Processor time and memory of a profile, beside one plain scan of the same file and DuckDB's SUMMARIZE."""

import argparse
import multiprocessing
import pathlib
import resource
import tempfile
import time
from collections.abc import Callable

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq

from artifact_pipelines.analysis.profile.engine import profile_table
from artifact_pipelines.tabular.parquet import write_frame
from bench.side_by_side import machine


def make_table(rows: int, columns: int, path: pathlib.Path) -> None:
    """Write numbers, texts, dates and booleans with few and many distinct values."""
    random = np.random.default_rng(17)
    kinds: list[Callable[[], pl.Series]] = [
        lambda: pl.Series(np.arange(rows)),
        lambda: pl.Series(random.normal(20, 5, rows)),
        lambda: pl.Series(random.integers(0, 1_000_000, rows)),
        lambda: pl.Series(random.integers(0, 50, rows)).cast(pl.String),
        lambda: pl.Series(random.integers(0, 2_000, rows)).cast(pl.Int32).cast(pl.Date),
        lambda: pl.Series(random.integers(0, 2, rows)).cast(pl.Boolean),
        lambda: pl.Series(np.round(random.exponential(10, rows), 1)),
        lambda: pl.Series(random.integers(0, 2**30, rows)).cast(pl.String),
    ]
    frame = pl.DataFrame({f"c{number}": kinds[number % len(kinds)]() for number in range(columns)})
    with path.open("wb") as sink:
        write_frame(frame, sink)


def scan(path: pathlib.Path) -> None:
    """Decode every value once, and do nothing with it."""
    with pq.ParquetFile(path) as file:
        groups = file.metadata.num_row_groups
    for group in range(groups):
        with pq.ParquetFile(path) as file:
            for _ in file.iter_batches(65_536, row_groups=[group], use_threads=False):
                pass


def summarize(path: pathlib.Path) -> None:
    """Run DuckDB's SUMMARIZE."""
    with duckdb.connect(config={"threads": 2, "memory_limit": "2GB"}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SUMMARIZE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()


def _measured(run: Callable[[pathlib.Path], object], path: pathlib.Path) -> tuple[float, int]:
    start = time.process_time()
    run(path)
    return time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Measure each competitor in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=8)
    asked = parser.parse_args()
    print(machine())
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "table.parquet"
        with spawn.Pool(1) as pool:
            pool.apply(make_table, (asked.rows, asked.columns, path))
        print(f"{asked.rows:,} rows x {asked.columns} columns, {path.stat().st_size / 1e6:.0f} MB")
        for name, run in {"scan": scan, "profile": profile_table, "SUMMARIZE": summarize}.items():
            with spawn.Pool(1) as pool:
                processor_s, peak_mb = pool.apply(_measured, (run, path))
            print(f"{name:10} {processor_s:8.2f} s of processors, {peak_mb:6} MiB at most")


if __name__ == "__main__":
    main()
