"""Draws samples of a Parquet table of 8 columns, beside DuckDB: `python -m bench.sampling [rows] [file]`.

Each contender is a process of its own with two threads, which writes its sample as Parquet: processor time and peak
memory are those of the process without its imports. A plain scan of all columns is the measure.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

_CHUNK = 5_000_000
_KEPT = ["id", "size", "amount", "day", "flag", "code"]  # without the columns that a sample adds
_SIZES = (100_000, 1_000_000)
OURS: Mapping[str, dict[str, Any]] = {
    "simple random": {},
    "simple random, key": {"key": ["id"]},
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
    "weighted": "FROM t ORDER BY -ln(random()) / size LIMIT {n}",
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

    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"CREATE VIEW t AS FROM '{table}'")
        query = DUCKDB[name].format(n=n, share=n / rows, percent=100 * n / rows)
        connection.execute(f"COPY ({query}) TO '{table}.sample.parquet' (FORMAT parquet)")
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
    print(json.dumps({"rows": found, "cpu": seconds, "mib": used.ru_maxrss / 1024, "wall": wall}))


def main() -> None:
    """Run all contenders, or one of them in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=100_000_000)
    parser.add_argument("file", nargs="?", type=pathlib.Path, help="A table made before.")
    parser.add_argument("--one", nargs=4, metavar=("TABLE", "WHO", "NAME", "N"))
    asked = parser.parse_args()
    if asked.one:
        table, who, name, n = asked.one
        return measure(table, who, name, int(n), asked.rows)
    with tempfile.TemporaryDirectory() as folder:
        path = asked.file or pathlib.Path(folder) / "table.parquet"
        if asked.file is None:
            write_table(path, asked.rows)
        print(f"{asked.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB", flush=True)
        _compare(path, asked.rows)
    return None


def _compare(path: pathlib.Path, rows: int) -> None:
    for n in (one for one in _SIZES if one < rows):
        plain = _cost(path, "scan", "all columns", n, rows)
        _print("scan", "all columns", n, plain, plain)
        for who, contenders in (("ours", OURS), ("DuckDB", DUCKDB)):
            for name in contenders:
                _print(who, name, n, _cost(path, who, name, n, rows), plain)


def _cost(path: pathlib.Path, who: str, name: str, n: int, rows: int) -> Mapping[str, float]:
    command = [sys.executable, "-m", "bench.sampling", str(rows), "--one", str(path), who, name, str(n)]
    environment = {**os.environ, "POLARS_MAX_THREADS": "2"}
    found: Mapping[str, float] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
    )
    return found


def _print(who: str, name: str, n: int, cost: Mapping[str, float], plain: Mapping[str, float]) -> None:
    times = cost["cpu"] / plain["cpu"]
    print(
        f"n {n:9,}  {who:7} {name:19} {cost['cpu']:7.1f} s cpu {times:5.2f} x {cost['wall']:7.1f} s "
        f"{cost['mib']:6.0f} MiB {int(cost['rows']):12,} rows",
        flush=True,
    )


if __name__ == "__main__":
    main()
