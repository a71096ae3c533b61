"""The IO manager against files that polars writes: a table of 1 GB, a tiny value, the memory for 4 GB.

For each it gives time on the clock and of processors.
"""

import argparse
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl
from polars.io.plugins import register_io_source

from artifact_pipelines.io_manager.resources import ArtifactIOManagerFactory
from bench.side_by_side import Cost, machine, measure_costs

ROWS = 20_000_000
ASSETS = 100
_PIECE_ROWS = 500_000
_LEVEL = 1  # of zstd, as in the IO manager; the default of polars is 3
_QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}

_FOUR_GB = """
import pathlib, sys
from bench.io_manager import Place, streamed_frame
from bench.side_by_side import peak_mib
place = Place(pathlib.Path(sys.argv[1]))
place.write(streamed_frame(80_000_000))
print(peak_mib())
"""


def piece(start: int) -> pl.DataFrame:
    """Return rows of 52 bytes: integers, floats, times, and text with nulls."""
    number = pl.col("id")
    return pl.DataFrame({"id": pl.int_range(start, start + _PIECE_ROWS, eager=True)}).with_columns(
        amount=number * 7919 % 1_000_003 * 0.01,
        share=number.cast(pl.Float64).sin(),
        kind=(number * 31 % 17).cast(pl.Int32),
        customer=number * 104_729 % 5_000_011,
        moment=(number * 1_000_000 + 1_700_000_000_000_000).cast(pl.Datetime("us", "UTC")),
        text=pl.when(number % 11 != 0).then(pl.format("row {}", number % 99_991)),
    )


def streamed_frame(rows: int) -> pl.LazyFrame:
    """Return a frame that makes its rows when they are requested."""

    def pieces(*_: object) -> Iterator[pl.DataFrame]:
        return map(piece, range(0, rows, _PIECE_ROWS))

    return register_io_source(pieces, schema=piece(0).schema)


class Place:
    """A folder to measure in: a file that polars writes, and a store."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._state = folder / "state"
        self._file = folder / "plain.parquet"
        self._frame: pl.DataFrame | pl.LazyFrame = pl.DataFrame()

    def write(self, frame: pl.DataFrame | pl.LazyFrame) -> None:
        """Materialize a frame through the IO manager."""
        self._frame = frame
        run(self._assets(pl.DataFrame), "table", self.io_manager())

    def read(self, kind: Any) -> None:
        """Load the frame through the IO manager, as a frame or as a scan that reads everything."""
        run(self._assets(kind), "consumer", self.io_manager())

    def write_plainly(self, frame: pl.DataFrame | pl.LazyFrame, level: int | None = _LEVEL) -> None:
        """Write a frame in an asset without an IO manager, with the same codec; the file is durable at the end."""

        @dg.asset
        def table() -> None:
            frame.lazy().sink_parquet(self._file, compression="zstd", compression_level=level)
            with self._file.open("rb") as file:
                os.fsync(file.fileno())

        run([table], "table", dg.mem_io_manager)

    def read_plainly(self, kind: Any) -> None:
        """Read the file in an asset without an IO manager."""

        @dg.asset
        def consumer() -> None:
            use(pl.read_parquet(self._file) if kind is pl.DataFrame else pl.scan_parquet(self._file))

        run([consumer], "consumer", dg.mem_io_manager)

    def io_manager(self) -> ArtifactIOManagerFactory:
        """Return an IO manager for this place."""
        url = f"sqlite:///{self._state}/catalog.db"
        return ArtifactIOManagerFactory(catalog_url=url, storage_url=str(self._state / "store"))

    def prepare(self) -> None:
        """Remove all files and create an empty catalog; creating it is not measured."""
        self._file.unlink(missing_ok=True)
        shutil.rmtree(self._state, ignore_errors=True)
        self.write(pl.DataFrame({"a": [1]}))

    def _assets(self, kind: Any) -> list[dg.AssetsDefinition]:
        @dg.asset
        def table() -> Any:
            return self._frame

        @dg.asset(ins={"table": dg.AssetIn(dagster_type=kind)})
        def consumer(table: Any) -> None:
            use(table)

        return [table, consumer]


def use(frame: pl.DataFrame | pl.LazyFrame) -> None:
    """Read everything that a scan yields; a frame is read already."""
    if isinstance(frame, pl.LazyFrame):
        frame.select(pl.selectors.numeric().sum(), pl.selectors.temporal().max(), pl.selectors.string().max()).collect(
            engine="streaming"
        )


def run(assets: list[dg.AssetsDefinition], name: str, io_manager: Any) -> None:
    """Materialize one asset."""
    options: dict[str, Any] = {"selection": [name], "run_config": _QUIET}
    assert dg.materialize(assets, resources={"io_manager": io_manager}, **options).success


def measure_tables(folder: pathlib.Path, rounds: int) -> None:
    """Print the costs of a DataFrame and of a LazyFrame."""
    frame = streamed_frame(ROWS).collect()
    measure_table(Place(folder), frame, pl.DataFrame, rounds)
    measure_table(Place(folder), frame.lazy(), pl.LazyFrame, rounds)


def measure_table(place: Place, frame: pl.DataFrame | pl.LazyFrame, kind: Any, rounds: int) -> None:
    """Print how long writing and reading take, against polars."""
    name = kind.__name__
    writers = {
        "polars": lambda: place.write_plainly(frame),
        "polars' defaults": lambda: place.write_plainly(frame, level=None),
        "IO manager": lambda: place.write(frame),
    }
    written = measure_costs(writers, rounds, place.prepare)
    report(f"writing a {name} of 1 GB", written)
    report("  against polars' default level", {**written, "polars": written["polars' defaults"]})
    place.prepare()
    place.write_plainly(frame)
    place.write(frame)
    read = measure_costs(
        {"polars": lambda: place.read_plainly(kind), "IO manager": lambda: place.read(kind)}, rounds, lambda: None
    )
    report(f"reading a {name} of 1 GB", read)
    report(f"both, a {name} of 1 GB", {who: add_costs(written[who], read[who]) for who in read})

    def both(write: Callable[[Any], None], read: Callable[[Any], None]) -> None:
        write(frame)
        read(kind)

    at_once = {
        "polars": lambda: both(place.write_plainly, place.read_plainly),
        "IO manager": lambda: both(place.write, place.read),
    }
    report(f"read right back, a {name}", measure_costs(at_once, rounds, place.prepare))


def measure_tiny(folder: pathlib.Path, rounds: int) -> None:
    """Print the cost of writing and of reading a tiny value, for each asset of a process that materializes many."""
    place = Place(folder)
    managers = {"Dagster": dg.FilesystemIOManager(base_dir=str(folder / "pickles")), "IO manager": place.io_manager()}
    numbers, readers = zip(*map(_number_and_reader, range(ASSETS)), strict=True)

    def turns(selected: Sequence[dg.AssetsDefinition]) -> Mapping[str, Callable[[], object]]:
        def materialize(manager: Any) -> None:
            options: dict[str, Any] = {"selection": selected, "run_config": _QUIET}
            assert dg.materialize([*numbers, *readers], resources={"io_manager": manager}, **options).success

        return {who: functools.partial(materialize, manager) for who, manager in managers.items()}

    _report_each("written", measure_costs(turns(numbers), rounds, place.prepare))
    for write in turns(numbers).values():
        write()
    _report_each("read", measure_costs(turns(readers), rounds, lambda: None))


def _number_and_reader(index: int) -> tuple[dg.AssetsDefinition, dg.AssetsDefinition]:
    """Return an asset with a tiny value and one that reads it."""

    @dg.asset(name=f"number_{index}")
    def number() -> int:
        return index

    @dg.asset(name=f"reader_{index}", ins={"value": dg.AssetIn(f"number_{index}")})
    def reader(value: int) -> None:
        assert value == index

    return number, reader


def _report_each(done: str, medians: Mapping[str, Cost]) -> None:
    for clock, unit in enumerate(Cost._fields):
        plain_ms, ours_ms = (medians[who][clock] / ASSETS * 1000 for who in ("Dagster", "IO manager"))
        print(
            f"{f'tiny values {done}, per asset, {unit}':40} FilesystemIOManager {plain_ms:5.1f} ms   "
            f"IO manager {ours_ms:5.1f} ms   {ours_ms - plain_ms:.1f} ms more",
            flush=True,
        )


def measure_memory(folder: pathlib.Path, _: int) -> None:
    """Print the peak memory of a process that materializes a LazyFrame of 4 GB."""
    command = [sys.executable, "-W", "ignore", "-c", _FOUR_GB, str(folder)]
    peak_mib = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
    print(f"{'a LazyFrame of 4 GB':32} peak memory of the whole process {peak_mib:.0f} MiB", flush=True)


def add_costs(one: Cost, other: Cost) -> Cost:
    """Return the cost of two steps."""
    return Cost(one.clock_s + other.clock_s, one.processor_s + other.processor_s)


def report(title: str, medians: Mapping[str, Cost]) -> None:
    """Print medians and their ratio, on the clock and of processors."""
    base, ours = medians["polars"], medians["IO manager"]
    print(
        f"{title:32} clock: polars {base.clock_s:6.2f} s   IO manager {ours.clock_s:6.2f} s   "
        f"ratio {ours.clock_s / base.clock_s:.2f}   processor: {base.processor_s:6.2f} s   {ours.processor_s:6.2f} s   "
        f"ratio {ours.processor_s / base.processor_s:.2f}",
        flush=True,
    )


def main() -> None:
    """Measure everything in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", default=pathlib.Path.cwd(), type=pathlib.Path, help="where to measure; the disk decides"
    )
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--only", choices=["tiny", "memory", "tables"], help="measure only this; left out: everything")
    arguments = parser.parse_args()
    print(f"Machine: {machine()}; medians of {arguments.rounds} rounds")
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="bench-") as name:
        measures: dict[str, Callable[[pathlib.Path, int], None]] = {
            "tiny": measure_tiny,
            "memory": measure_memory,
            "tables": measure_tables,
        }
        for measure in [measures[arguments.only]] if arguments.only else measures.values():
            measure(pathlib.Path(name), arguments.rounds)


if __name__ == "__main__":
    main()
