"""Odd and large tables have a profile in bounded memory, measured in a process of its own."""

import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
import pytest

from artifact_pipelines.tabular.parquet import write_batches
from bench.profile import make_table

_CHILD = """
import pathlib, sys, time
from artifact_pipelines.analysis.interfaces import Table
from artifact_pipelines.analysis.kinds.profile import Profile

start = time.process_time()
with Profile().answer({"table": Table(pathlib.Path(sys.argv[1]))}) as found:
    rows = found.rows.num_rows
peak_kib = pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
print(rows, peak_kib, time.process_time() - start)
"""


def _written(frames: Iterator[pl.DataFrame], path: pathlib.Path) -> None:
    first = next(frames).to_arrow()
    with path.open("wb") as sink:
        later = (batch for frame in frames for batch in frame.to_arrow().to_batches())
        write_batches(first.schema, (batch for some in (first.to_batches(), later) for batch in some), sink)


def distinct_texts(path: pathlib.Path) -> None:
    starts = range(0, 10_000_000, 1_000_000)
    frames = (pl.DataFrame({"a": np.arange(start, start + 1_000_000)}).cast(pl.String) for start in starts)
    _written(frames, path)


def one_long_text(path: pathlib.Path) -> None:
    texts = [f"text {number}" for number in range(400_000)]
    texts[200_000] = "x" * 17_000_000
    _written(iter([pl.DataFrame({"a": texts, "b": range(400_000)})]), path)


def long_text_in_every_row(path: pathlib.Path) -> None:
    pl.DataFrame({"a": pl.Series(["x" * 17_000_000]).cast(pl.Categorical).new_from_index(0, 100_000)}).write_parquet(
        path
    )


def two_thousand_columns(path: pathlib.Path) -> None:
    make_table(10_000, 2_000, path)


@pytest.mark.long
@pytest.mark.parametrize(
    ("make", "columns", "most_mb", "most_s"),
    [
        (distinct_texts, 1, 500, 60),
        (one_long_text, 2, 500, 30),
        (long_text_in_every_row, 1, 500, 30),
        (two_thousand_columns, 2_000, 500, 60),
    ],
)
def test_large_table_has_a_profile_in_bounded_memory_and_time(
    make: Callable[[pathlib.Path], None], columns: int, most_mb: int, most_s: float, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "table.parquet"
    make(path)
    command = [sys.executable, "-c", _CHILD, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    rows, peak_kib, processor_s = result.stdout.split()
    print(f"{make.__name__}: {int(peak_kib) * 1024 / 1e6:.0f} MB, {float(processor_s):.1f} s of processors")
    assert int(rows) == columns
    assert int(peak_kib) * 1024 < most_mb * 1_000_000
    assert float(processor_s) < most_s
