"""Draws samples of a Parquet table of 8 columns, beside DuckDB: `python -m bench.sampling [rows] [file]`.

Each contender is a process of its own with two threads, which writes its sample as Parquet: processor time and peak
memory are those of the process without its imports. A plain scan of all columns is the measure. Contenders take turns;
the table at the end has medians over the rounds. One that takes too long is stopped, and left out of later rounds.

100 million rows take 5 GB of disk, what DuckDB spills (at most 15 GB), and an hour or two.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from bench.side_by_side import machine, peak_mib

_CHUNK = 5_000_000
_KEPT = ["id", "size", "amount", "day", "flag", "code"]  # without the columns that a sample adds
_SIZES = (100_000, 1_000_000)
_SPILL = "15GB"
OURS: Mapping[str, dict[str, Any]] = {
    "simple random": {},
    "simple random, integer key": {"key": ["id"]},
    "simple random, text key": {"key": ["code"]},
    "simple random, two keys": {"key": ["stratum", "code"]},
    "bernoulli": {"design": "bernoulli"},
    "stratified": {"design": "stratified", "by": "stratum"},
    "systematic": {"design": "systematic"},
    "cluster": {"design": "cluster", "cluster": "cluster"},
    "weighted": {"design": "weighted", "weight": "size"},
    "pps": {"design": "pps", "size": "size"},
}
DUCKDB: Mapping[str, str] = {
    "reservoir": "FROM t USING SAMPLE {n} ROWS",
    "order by random": "FROM t ORDER BY random() LIMIT {n}",
    "bernoulli": "FROM t USING SAMPLE {percent} PERCENT (bernoulli)",
    "stratified": (
        "FROM (SELECT *, random() AS r FROM t) QUALIFY row_number() OVER (PARTITION BY stratum ORDER BY r) "
        "<= {share} * count(*) OVER (PARTITION BY stratum)"
    ),
    "stratified, rows chosen first": (
        "FROM t WHERE file_row_number IN (FROM (SELECT file_row_number, stratum, random() AS r FROM t) "
        "SELECT file_row_number QUALIFY row_number() OVER (PARTITION BY stratum ORDER BY r) "
        "<= {share} * count(*) OVER (PARTITION BY stratum))"
    ),
    "weighted": "FROM t ORDER BY power(random(), 1 / size) DESC LIMIT {n}",
    "weighted, by logarithms": "FROM t ORDER BY ln(random()) / size DESC LIMIT {n}",
}


def write_table(path: pathlib.Path, rows: int) -> None:
    """Write a table in row groups of 122,880 rows."""
    from artifact_pipelines.tabular.parquet import write_frame

    random = np.random.default_rng(1)

    def chunk(start: int) -> pl.DataFrame:
        count = min(_CHUNK, rows - start)
        return pl.DataFrame(
            {
                "id": np.arange(start, start + count),
                "stratum": pl.Series(random.integers(0, 50, count)).cast(pl.String).str.zfill(3),
                "cluster": random.integers(0, 20_000, count),
                "size": random.gamma(2, 10, count),
                "amount": random.integers(0, 10**6, count),
                "day": pl.Series(random.integers(18_000, 20_000, count).astype("int32")).cast(pl.Date),
                "flag": random.integers(0, 2, count) == 1,
                "code": pl.Series(random.integers(0, 10**9, count)).cast(pl.String),
            }
        )

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for start in range(0, rows, _CHUNK):
            chunk(start).write_parquet(pathlib.Path(folder) / f"{start:012}.parquet")
        with path.open("wb") as sink:
            write_frame(pl.scan_parquet(folder), sink)


def scan(table: str) -> int:
    """Read all columns."""
    return sum(frame.height for frame in pl.scan_parquet(table).collect_batches(engine="streaming"))


def draw_with_us(table: str, name: str, n: int, rows: int) -> int:
    """Draw a sample of about n rows."""
    from artifact_pipelines.sampling import draw

    fields = {"columns": _KEPT, **OURS[name]}
    key = fields.pop("key", ())
    size: Mapping[str, dict[str, Any]] = {
        "bernoulli": {"probability": n / rows},
        "cluster": {"clusters": max(1, round(20_000 * n / rows))},
    }
    sample = draw(table, {**fields, **size.get(name, {"n": n})}, key, is_unique=True)
    sample.rows.sink_parquet(f"{table}.sample.parquet")
    return sample.design.drawn


def draw_with_duckdb(table: str, name: str, n: int, rows: int) -> int:
    """Draw a sample of about n rows."""
    import duckdb

    query = DUCKDB[name]
    spill = {"temp_directory": f"{table}.spill", "max_temp_directory_size": _SPILL}
    with duckdb.connect(config={"threads": 2, **spill}) as connection:
        connection.execute(f"CREATE VIEW t AS FROM read_parquet('{table}', file_row_number = {'file_row' in query})")
        kept = query.format(n=n, share=n / rows, percent=100 * n / rows)
        connection.execute(f"COPY (SELECT {', '.join(_KEPT)} {kept}) TO '{table}.sample.parquet' (FORMAT parquet)")
        return int(connection.execute(f"SELECT count(*) FROM '{table}.sample.parquet'").fetchall()[0][0])


def measure(table: str, who: str, name: str, n: int, rows: int) -> None:
    """Run one contender, and print its costs as JSON."""
    import duckdb  # noqa: F401  # before the clock starts

    import artifact_pipelines.sampling.drawing  # noqa: F401

    contender = {"scan": lambda *_: scan(table), "ours": draw_with_us, "DuckDB": draw_with_duckdb}[who]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    found = contender(table, name, n, rows)
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    wall = time.perf_counter() - start
    print(json.dumps({"rows": found, "cpu": seconds, "mib": peak_mib(), "wall": wall}))


def main() -> None:
    """Run all contenders, or one of them in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=100_000_000)
    parser.add_argument("file", nargs="?", type=pathlib.Path, help="A table made before.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=300, help="Seconds after which a contender is stopped.")
    parser.add_argument("--one", nargs=4, metavar=("TABLE", "WHO", "NAME", "N"))
    asked = parser.parse_args()
    if asked.one:
        table, who, name, n = asked.one
        return measure(table, who, name, int(n), asked.rows)
    with tempfile.TemporaryDirectory() as folder:
        path = asked.file or pathlib.Path(folder) / "table.parquet"
        if asked.file is None:
            print(f"Writing {asked.rows:,} rows", flush=True)
            write_table(path, asked.rows)
        print(f"{machine()}; {asked.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB", flush=True)
        for n in (one for one in _SIZES if one < asked.rows):
            _compare(path, n, asked)
    return None


def _compare(path: pathlib.Path, n: int, asked: argparse.Namespace) -> None:
    """Let all contenders take turns, then print their medians."""
    left = [("scan", "all columns"), *(("ours", name) for name in OURS), *(("DuckDB", name) for name in DUCKDB)]
    costs: dict[tuple[str, str], list[Mapping[str, float]]] = {each: [] for each in left}
    for number in range(asked.rounds):
        for who, name in [*left]:
            cost = _cost(path, who, name, n, asked)
            if cost is None:
                left.remove((who, name))
                print(f"  n {n:,}, round {number + 1}: {who}, {name}: stopped after {asked.limit} s", flush=True)
                continue
            costs[who, name].append(cost)
            print(f"  n {n:,}, round {number + 1}: {who}, {name}: {cost['cpu']:.1f} s of processor time", flush=True)
    plain = statistics.median(each["cpu"] for each in costs["scan", "all columns"])
    for (who, name), found in costs.items():
        if found:
            cpu, wall, mib = (statistics.median(each[unit] for each in found) for unit in ("cpu", "wall", "mib"))
            print(
                f"n {n:9,}  {who:6} {name:31} {cpu:7.1f} s cpu {cpu / plain:6.2f} x {wall:7.1f} s "
                f"{mib:6.0f} MiB {int(found[-1]['rows']):12,} rows",
                flush=True,
            )


def _cost(path: pathlib.Path, who: str, name: str, n: int, asked: argparse.Namespace) -> Mapping[str, float] | None:
    """Return what a contender costs in a process of its own; None: it took too long."""
    command = [sys.executable, "-m", "bench.sampling", str(asked.rows), "--one", str(path), who, name, str(n)]
    environment = {**os.environ, "POLARS_MAX_THREADS": "2"}
    try:
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, timeout=asked.limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        shutil.rmtree(f"{path}.spill", ignore_errors=True)
    found: Mapping[str, float] = json.loads(run.stdout)
    return found


if __name__ == "__main__":
    main()
