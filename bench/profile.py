"""Processor time and memory of a profile, beside one plain scan of the same file and other tools that describe it.

Each competitor has a process of its own, which first describes a small table: imports are not counted. They take turns,
and the quotient to the scan is the median over the turns.
"""

import argparse
import itertools
import multiprocessing
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines.analysis.profile.associations import correlations
from artifact_pipelines.analysis.profile.engine import profile_table
from artifact_pipelines.analysis.profile.markdown import profile_page
from artifact_pipelines.analysis.profile.missing import missing_together
from artifact_pipelines.analysis.profile.reader import TableFile
from artifact_pipelines.analysis.profile.shape import shape_of
from artifact_pipelines.analysis.profile.statistics import profile_rows
from artifact_pipelines.analysis.profile.stored_values import value_type
from artifact_pipelines.tabular.parquet import write_batches
from bench.side_by_side import machine, peak_mib

_PIECE_VALUES = 8_000_000
_TABLES = [(4_000_000, 8), (1_000_000, 200), (10_000, 2_000)]


def make_table(rows: int, columns: int, path: pathlib.Path) -> None:
    """Write numbers, texts, dates and booleans with few and many distinct values, piece by piece."""
    pieces = (piece for piece in _pieces(rows, columns))
    first = next(pieces)
    with path.open("wb") as sink:
        write_batches(first.schema, itertools.chain(first.to_batches(), *(each.to_batches() for each in pieces)), sink)


def _pieces(rows: int, columns: int) -> Iterator[pa.Table]:
    random, step = np.random.default_rng(17), max(1, _PIECE_VALUES // columns)
    for start in range(0, max(1, rows), step):
        count = min(step, rows - start)
        series = {f"c{number}": _series(random, number % 8, start, count) for number in range(columns)}
        yield pl.DataFrame(series).to_arrow()


def _series(random: np.random.Generator, kind: int, start: int, count: int) -> pl.Series:
    kinds: list[Callable[[], pl.Series]] = [
        lambda: pl.Series(np.arange(start, start + count)),
        lambda: pl.Series(random.normal(20, 5, count)),
        lambda: pl.Series(random.integers(0, 1_000_000, count)),
        lambda: pl.Series(random.integers(0, 50, count)).cast(pl.String),
        lambda: pl.Series(random.integers(0, 2_000, count)).cast(pl.Int32).cast(pl.Date),
        lambda: pl.Series(random.integers(0, 2, count)).cast(pl.Boolean),
        lambda: pl.Series(np.round(random.exponential(10, count), 1)),
        lambda: pl.Series(random.integers(0, 2**30, count)).cast(pl.String),
    ]
    return kinds[kind]()


def scan(path: pathlib.Path) -> None:
    """Decode every value once, and do nothing with it."""
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
    for group in range(metadata.num_row_groups):
        with pq.ParquetFile(path, metadata=metadata) as file:
            for _ in file.iter_batches(65_536, row_groups=[group], use_threads=False):
                pass


def summarize(path: pathlib.Path) -> None:
    """Run DuckDB's SUMMARIZE."""
    with duckdb.connect(config={"threads": 2, "memory_limit": "2GB"}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SUMMARIZE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()


def describe(path: pathlib.Path) -> None:
    """Run polars' describe, which has neither distinct nor frequent values."""
    pl.scan_parquet(path).describe()


def profile(path: pathlib.Path) -> None:
    """Make the whole profile with its page."""
    found = profile_table(path)
    profile_page(found, profile_rows(found).to_pylist())


COMPETITORS: dict[str, Callable[[pathlib.Path], object]] = {
    "scan": scan,
    "profile": profile,
    "SUMMARIZE": summarize,
    "describe": describe,
}


def measured(name: str, path: pathlib.Path, small: pathlib.Path) -> tuple[float, float]:
    """Return the processor time in seconds, and the peak of memory in MiB, of a competitor."""
    COMPETITORS[name](small)
    start = time.process_time()
    COMPETITORS[name](path)
    return time.process_time() - start, peak_mib()


def measured_groups(path: pathlib.Path, small: pathlib.Path) -> dict[str, float]:
    """Return the processor time, in seconds, of each group of statistics."""
    profile(small)
    times = [time.process_time()]

    def lap() -> None:
        times.append(time.process_time())

    file = TableFile(path)
    for _ in file.map_units(lambda unit: sum(batch.num_rows for batch in file.batches(unit)), file.units()):
        pass
    lap()
    found = profile_table(path)
    lap()
    for field, summary, sample in zip(found.schema, found.columns, found.sample.columns, strict=True):
        shape_of(summary, sample, value_type(field.type))
    lap()
    correlations(found.schema, found.sample)
    lap()
    missing_together(found.schema, found.sample)
    lap()
    reading, one_pass, *others = np.diff(times).tolist()
    names = ["quantiles, histograms, frequent values, patterns", "correlations", "nulls together"]
    all_values = "counts, extremes, moments, lengths, distinct values and rows, the row sample"
    return {"reading": reading, all_values: one_pass - reading, **dict(zip(names, others, strict=True))}


def compare(path: pathlib.Path, small: pathlib.Path, rounds: int, names: list[str]) -> None:
    """Print what each competitor costs."""
    spawn = multiprocessing.get_context("spawn")
    costs: dict[str, list[float]] = {name: [] for name in names}
    peaks: dict[str, float] = {}
    for _ in range(rounds):
        for name in names:
            with spawn.Pool(1) as pool:
                processor_s, peaks[name] = pool.apply(measured, (name, path, small))
            costs[name].append(processor_s)
    for name in names:
        quotient = statistics.median(one / scanned for one, scanned in zip(costs[name], costs["scan"], strict=True))
        median = statistics.median(costs[name])
        print(f"  {name:10} {median:8.2f} s of processors, {quotient:5.1f} x scan, {peaks[name]:6.0f} MiB at most")
    with spawn.Pool(1) as pool:
        for group, processor_s in pool.apply(measured_groups, (path, small)).items():
            print(f"    of the profile: {group} {processor_s:.2f} s")


def main() -> None:
    """Compare on one table, or on the three usual ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="Rows of the only table.")
    parser.add_argument("--columns", type=int, default=8, help="Its columns.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(COMPETITORS), choices=list(COMPETITORS))
    parser.add_argument("--folder", help="Where the tables are made; 100 million rows x 8 need 4 GB.")
    asked = parser.parse_args()
    print(machine())
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        small = pathlib.Path(folder) / "small.parquet"
        make_table(10, 8, small)
        for rows, columns in [(asked.rows, asked.columns)] if asked.rows else _TABLES:
            path = pathlib.Path(folder) / "table.parquet"
            with spawn.Pool(1) as pool:
                pool.apply(make_table, (rows, columns, path))
            print(f"{rows:,} rows x {columns:,} columns, {path.stat().st_size / 1e6:.0f} MB")
            compare(path, small, asked.rounds, ["scan", *(name for name in asked.only if name != "scan")])


if __name__ == "__main__":
    main()
