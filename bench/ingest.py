"""Reads a CSV file of 1 GB, and NDJSON, into typed Parquet, beside DuckDB and polars: `python -m bench.ingest [rows]`.

Each contender is a process of its own: processor time and peak memory are those of the whole process. DuckDB and polars
write plain Parquet with types from a sample; we find types on all rows, and make the content hash and the logical hash.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
import polars as pl

from bench.side_by_side import peak_mib

_TYPES = {
    "id": "BIGINT",
    "customer": "BIGINT",
    "amount": "DECIMAL(18,2)",
    "carrier": "VARCHAR",
    "day": "DATE",
    "at": "TIMESTAMP",
    "is_late": "BOOLEAN",
    "quantity": "BIGINT",
    "code": "VARCHAR",
    "comment": "VARCHAR",
}


def write_csv(path: pathlib.Path, rows: int) -> None:
    """Write a file of about 100 bytes a row."""
    random = np.random.default_rng(1)
    with path.open("wb") as sink:
        for start in range(0, rows, 500_000):
            count = min(500_000, rows - start)
            carrier = np.array(["UA", "AA", "DL", "B6", "WN"])[random.integers(0, 5, count)]
            quantity = random.integers(0, 100, count)
            frame = pl.DataFrame(
                {
                    "id": np.arange(start, start + count),
                    "customer": random.integers(0, 10**9, count),
                    "amount": pl.Series(random.integers(0, 10**7, count) / 100).cast(pl.Decimal(18, 2)),
                    "carrier": carrier,
                    "day": pl.Series(random.integers(18_000, 20_000, count).astype("int32")).cast(pl.Date),
                    "at": pl.Series(random.integers(1_600_000_000, 1_700_000_000, count) * 10**6).cast(
                        pl.Datetime("us")
                    ),
                    "is_late": random.integers(0, 2, count) == 1,
                    "quantity": quantity,
                    "code": pl.Series(random.integers(0, 10**12, count)).cast(pl.String).str.zfill(14),
                    "comment": [f"the quick {c} fox {q}" for c, q in zip(carrier, quantity, strict=True)],
                }
            )
            frame.write_csv(sink, include_header=start == 0, datetime_format="%Y-%m-%dT%H:%M:%S")


def read_with_duckdb(source: pathlib.Path, sink: pathlib.Path, declared: bool) -> None:
    """DuckDB's COPY."""
    import duckdb

    types = f", types={_TYPES!r}" if declared else ""
    if source.suffix == ".ndjson":
        duckdb.sql(f"COPY (FROM read_json('{source}')) TO '{sink}' (FORMAT parquet, COMPRESSION zstd)")
        return
    duckdb.sql(f"COPY (FROM read_csv('{source}'{types})) TO '{sink}' (FORMAT parquet, COMPRESSION zstd)")


def read_with_polars(source: pathlib.Path, sink: pathlib.Path, declared: bool) -> None:
    """The sink of polars."""
    kinds: dict[str, Any] = {"amount": pl.Decimal(18, 2), "code": pl.String, "day": pl.Date, "at": pl.Datetime("us")}
    if source.suffix == ".ndjson":
        pl.scan_ndjson(source).sink_parquet(sink)
        return
    pl.scan_csv(source, try_parse_dates=not declared, schema_overrides=kinds if declared else None).sink_parquet(sink)


def read_with_us(source: pathlib.Path, sink: pathlib.Path, declared: bool) -> None:
    """Our reader and writer with both hashes."""
    from artifact_pipelines.datasets.interfaces import RawFile
    from artifact_pipelines.datasets.reading.contract import Contract
    from artifact_pipelines.datasets.registry import ByExtension
    from artifact_pipelines.datasets.table_reader import open_table
    from artifact_pipelines.handlers.table_handlers import ArrowHandler
    from artifact_pipelines.storage.hashing import OneThreadHasher

    contract = Contract(_TYPES if declared else {})
    with (
        open_table(RawFile(source, source.suffix[1:], source.name), ByExtension(), contract) as table,
        sink.open("wb") as stream,
    ):
        hashed = _Hashed(stream, OneThreadHasher())
        ArrowHandler().write(table.batches, hashed)  # type: ignore[arg-type]  # it is written to only


class _Hashed:
    def __init__(self, stream: object, hasher: object) -> None:
        self._stream, self._hasher = stream, hasher

    def write(self, data: bytes) -> int:
        self._hasher.update(data)  # type: ignore[attr-defined]
        return self._stream.write(data)  # type: ignore[attr-defined,no-any-return]

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


CONTENDERS = {"ours": read_with_us, "DuckDB": read_with_duckdb, "polars": read_with_polars}


def main() -> None:
    """Run all contenders, or one of them in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=10_000_000)
    parser.add_argument("--one", nargs=3, metavar=("CONTENDER", "SOURCE", "DECLARED"))
    asked = parser.parse_args()
    if asked.one:
        name, source, declared = asked.one
        start = time.perf_counter()
        CONTENDERS[name](pathlib.Path(source), pathlib.Path(source).with_suffix(".parquet"), declared == "declared")
        seconds, wall = time.process_time(), time.perf_counter() - start
        print(f"{name:8} {declared:9} {seconds:8.1f} s cpu {wall:8.1f} s {peak_mib():8.0f} MiB", flush=True)
        return
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "rows.csv"
        write_csv(source, asked.rows)
        print(f"{asked.rows:,} rows, {source.stat().st_size / 1e6:,.0f} MB", flush=True)
        for declared in ("found", "declared"):
            for name in CONTENDERS:
                command = [sys.executable, "-m", "bench.ingest", "--one", name, str(source), declared]
                subprocess.run(command, check=True)
        lines = source.with_suffix(".ndjson")
        pl.read_csv(source, n_rows=asked.rows // 10, schema_overrides={"code": pl.String}).write_ndjson(lines)
        print(f"{asked.rows // 10:,} rows of NDJSON, {lines.stat().st_size / 1e6:,.0f} MB", flush=True)
        for name in CONTENDERS:
            subprocess.run([sys.executable, "-m", "bench.ingest", "--one", name, str(lines), "found"], check=True)


if __name__ == "__main__":
    main()
