"""Processor time, memory and size of the report of a table, beside those of ydata-profiling and Evidently.

python -m bench.report
python -m bench.report --others PYTHON    where fg-data-profiling and evidently are installed

Each report is made from a Parquet file by a process of its own; its imports count, as the first line shows alone.
"""

import argparse
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from bench.profile import make_table
from bench.side_by_side import machine

_TABLES = [(10, 8), (1_000_000, 8), (10_000, 100)]
_PACKAGES = {"ydata": "fg-data-profiling", "ydata-minimal": "fg-data-profiling", "evidently": "evidently"}
_TIME_LIMIT_S = 1200


class Cost(NamedTuple):
    """What a report cost: seconds of processors, on the clock, MB of memory at most, and bytes of HTML."""

    processor_s: float
    clock_s: float
    peak_mb: float
    html_bytes: int


def make_report(table: pathlib.Path, output: pathlib.Path) -> None:
    """Store a table, its profile and its report, as the assets of a dataset do, and write the report into a file."""
    from artifact_pipelines.analysis.interfaces import Answer, Table
    from artifact_pipelines.analysis.kinds.profile import Profile
    from artifact_pipelines.analysis.memory import noted
    from artifact_pipelines.catalog.catalog import Catalog
    from artifact_pipelines.core.types import FileDescription, LoadedInput, MaterializationFacts
    from artifact_pipelines.handlers.table_handlers import ArrowHandler
    from artifact_pipelines.report.gathering import gather
    from artifact_pipelines.report.page import render
    from artifact_pipelines.storage.factory import open_producer

    with (
        tempfile.TemporaryDirectory() as folder,
        Catalog(f"sqlite:///{folder}/catalog.db", make_tables=True) as catalog,
    ):
        producer = open_producer(catalog.files, f"{folder}/store")
        with producer.holding() as holding, table.open("rb") as stream:
            holding.put(stream, FileDescription("parquet"))
            stored = MaterializationFacts("bench/table", "1")
            made = holding.settle_with(lambda leases: catalog.materializations.record(stored, leases))
        with Profile().answer({"bench": Table(table)}) as answer, producer.holding() as holding:
            assert isinstance(answer, Answer)
            rows = pathlib.Path(folder, "profile.parquet")
            with rows.open("wb") as sink:
                ArrowHandler().write(answer.rows, sink)
            with rows.open("rb") as stream:
                holding.put(stream, FileDescription("parquet"))
            facts = MaterializationFacts(
                "bench/analyses/profile", "1", metadata={"source": noted(answer)}, inputs=(LoadedInput.of(made),)
            )
            holding.settle_with(lambda leases: catalog.materializations.record(facts, leases))
        output.write_bytes(render(gather(catalog, producer.artifact, "bench", made)))


def measure(command: list[str]) -> Cost | None:
    """Return what a process cost that writes a report; None: it failed, or took too long.

    Args:
        command: Its last argument is the path of the report.
    """
    output = pathlib.Path(command[-1])
    start_s = time.perf_counter()
    process = subprocess.Popen(
        ["timeout", str(_TIME_LIMIT_S), *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read().decode(errors="replace").strip().splitlines()
    _, status, used = os.wait4(process.pid, 0)
    clock_s = time.perf_counter() - start_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not output.exists():
        print(f"    failed after {clock_s:.0f} s with {process.returncode}: {' '.join(said[-1:])[:200]}")
        return None
    size = output.stat().st_size
    output.unlink()
    return Cost(used.ru_utime + used.ru_stime, clock_s, used.ru_maxrss * 1024 / 1e6, size)


def installed(python: str) -> dict[str, str]:
    """Return the tools that a Python has, with their versions."""
    code = "import importlib.metadata as m; print(*[f'{each.name}=={each.version}' for each in m.distributions()])"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    versions = dict(each.split("==") for each in found)
    return {tool: f"{package} {versions[package]}" for tool, package in _PACKAGES.items() if package in versions}


def compare(table: pathlib.Path, folder: pathlib.Path, others: str, rounds: int) -> None:
    """Print what each report of a table costs, the tools in turn."""
    arguments = [str(table), str(folder / "report.html")]
    commands = {"ours": [sys.executable, "-m", "bench.report", "--make", *arguments]}
    script = str(pathlib.Path(__file__).with_name("other_reports.py"))
    commands |= {tool: [others, script, tool, *arguments] for tool in installed(others)}
    costs: dict[str, list[Cost]] = {}
    for _ in range(rounds):
        for name, command in commands.items():
            if cost := measure(command):
                costs.setdefault(name, []).append(cost)
    for name, measured in costs.items():
        median = Cost(*map(statistics.median, zip(*measured, strict=True)))
        print(
            f"  {name:14} {median.processor_s:8.1f} s of processors, {median.clock_s:7.1f} s, "
            f"{median.peak_mb:6.0f} MB at most, {median.html_bytes / 1e6:6.2f} MB of HTML"
        )


def main() -> None:
    """Compare, or make one report in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", nargs=2, type=pathlib.Path, metavar=("TABLE", "OUTPUT"), help=argparse.SUPPRESS)
    parser.add_argument("--others", default=sys.executable, help="Python where the other tools are installed.")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    if asked.make:
        make_report(*asked.make)
        return
    tools = installed(asked.others)
    print(machine(), *dict.fromkeys(tools.values()) or ["without fg-data-profiling and evidently"], sep="; ")
    with tempfile.TemporaryDirectory() as folder:
        table = pathlib.Path(folder, "table.parquet")
        for rows, columns in _TABLES:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(make_table, (rows, columns, table))
            print(f"{rows:,} rows x {columns:,} columns, {table.stat().st_size / 1e6:.0f} MB")
            compare(table, pathlib.Path(folder), asked.others, asked.rounds)


if __name__ == "__main__":
    main()
