"""How long a user waits from a drop, with `make dev` running, until all assets are green; and what waiting costs.

1. One file of the demo's weather: until its samples, analyses and report are made.
2. 54 files, each of another dataset: until all of them are made. Then the same 54 datasets idle.
3. Four datasets idle, in parts of a core: webserver, daemon and code server together.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence

from artifact_pipelines.demo import open_weather
from bench.side_by_side import machine

_PROJECT = pathlib.Path(__file__).parents[1]
_GIVE_UP_S = 900
_DATASETS = 60
_DROPPED = 54
_QUERY = "{assetNodes {assetKey {path} jobNames assetMaterializations(limit: 1) {runId}}}"
_MANY = """
import dagster as dg
from artifact_pipelines import DatasetPipeline, build_definitions

def dataset(name):
    return DatasetPipeline(
        name=name, description="Of a benchmark.", source=f"{name}*.csv", files="latest", owners=["team:bench"],
        samples={"few": {"n": 10}}, analyses={"profile": {"kind": "profile"}},
    ).definitions()

@dg.definitions
def defs():
    return build_definitions(dg.Definitions.merge(*(dataset(f"d{number:02}") for number in range(COUNT))))
"""


class Dev:
    """A running `dagster dev` with a landing zone of its own."""

    def __init__(self, folder: pathlib.Path, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"
        self._landing = folder / "landing"
        self._landing.mkdir()
        self.pid = 0

    def drop(self, name: str, content: bytes) -> None:
        """Put a file into the landing zone, in one step."""
        hidden = self._landing / f".{name}.part"
        hidden.write_bytes(content)
        hidden.replace(self._landing / name)

    def wait_until_made(self, datasets: Sequence[str], other_than: Mapping[str, str]) -> Mapping[str, str]:
        """Wait until other runs have made all assets of some datasets, and return the runs of all assets."""
        deadline = time.monotonic() + _GIVE_UP_S
        while time.monotonic() < deadline:
            runs = self._runs()
            of_datasets = {asset: run for asset, run in runs.items() if asset.split("/")[0] in datasets}
            if of_datasets and all(run and run != other_than.get(asset) for asset, run in of_datasets.items()):
                return runs
            time.sleep(0.1 if len(datasets) == 1 else 1.0)
        raise TimeoutError(f"not all assets were made within {_GIVE_UP_S} s")

    def wait_until_started(self) -> None:
        """Wait until the webserver answers with assets."""
        while not self._runs():
            time.sleep(0.5)

    def _runs(self) -> Mapping[str, str]:
        """Return the run that made each asset last, or an empty text; assets that no run makes are left out."""
        body = json.dumps({"query": _QUERY})
        request = urllib.request.Request(self._url, body.encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                nodes = json.load(answer)["data"]["assetNodes"]
        except (urllib.error.URLError, ConnectionError, ValueError):
            return {}  # still starting
        made = {"/".join(node["assetKey"]["path"]): node["assetMaterializations"] for node in nodes if node["jobNames"]}
        return {asset: runs[0]["runId"] if runs else "" for asset, runs in made.items() if asset.count("/")}

    def idle_share(self, seconds: float) -> float:
        """Return the processor time of all processes over some seconds, in parts of a core."""
        before, start = _processor_s(self.pid), time.monotonic()
        time.sleep(seconds)
        return (_processor_s(self.pid) - before) / (time.monotonic() - start)


def _processor_s(pid: int) -> float:
    """Return the processor time of a process and of all below it, with those that have ended."""
    ticks, parents = {}, {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)], ticks[int(folder.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    own = {pid}
    while below := {child for child, parent in parents.items() if parent in own} - own:
        own |= below
    return sum(ticks.get(each, 0) for each in own) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running_dev(folder: pathlib.Path, port: int, datasets: int | None = None) -> Iterator[Dev]:
    """Start webserver and daemon as `make dev` does, on new state.

    Args:
        datasets: How many small datasets the project has; None: it is the demo.
    """
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text((_PROJECT / "dagster.yaml").read_text())
    workspace = _PROJECT / "workspace.yaml"
    if datasets is not None:
        (folder / "many.py").write_text(_MANY.replace("COUNT", str(datasets)))
        workspace = folder / "workspace.yaml"
        workspace.write_text(
            textwrap.dedent(f"""\
                load_from:
                  - python_module: {{module_name: many, working_directory: {folder}, location_name: many}}
            """)
        )
    places: Mapping[str, str] = {
        "DAGSTER_HOME": str(home),
        "ARTIFACT_CATALOG_URL": f"sqlite:///{folder}/catalog.db",
        "ARTIFACT_STORAGE_URL": f"{folder}/store",
        "ARTIFACT_LANDING_URL": f"{folder}/landing",
    }
    dev = Dev(folder, port)
    command = [str(pathlib.Path(sys.executable).parent / "dagster"), "dev", "--workspace"]
    process = subprocess.Popen(
        [*command, str(workspace), "--port", str(port), "--log-level", "warning"],
        cwd=home,
        env={**os.environ, **places},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    dev.pid = process.pid
    try:
        dev.wait_until_started()
        yield dev
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Dagster with all its processes: one that still wrote would make the removal of its folder fail."""
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=60)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)


@contextlib.contextmanager
def _folder() -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        yield pathlib.Path(name)


def measure_one(rounds: int, port: int) -> None:
    """Drop the weather file with one row less each time, and print how long it took until all its assets were made."""
    with open_weather() as weather:
        lines = weather.read().splitlines(keepends=True)
    seconds = []
    with _folder() as folder, running_dev(folder, port) as dev:
        dev.drop("weather.csv", b"".join(lines))
        made = dev.wait_until_made(["weather"], {})
        for number in range(1, rounds + 1):
            time.sleep(3 + 1.7 * (number % 5))  # each time at another moment between two ticks
            start = time.perf_counter()
            dev.drop("weather.csv", b"".join(lines[:-number]))
            made = dev.wait_until_made(["weather"], made)
            seconds.append(time.perf_counter() - start)
    print(f"weather dropped to all its assets green: median {statistics.median(seconds):.1f} s,", end=" ")
    print(f"{min(seconds):.1f} to {max(seconds):.1f} s in {len(seconds)} rounds")


def measure_many(port: int) -> None:
    """Drop files of many datasets at once, and print how long it took until all were made; then what waiting costs."""
    names = [f"d{number:02}" for number in range(_DROPPED)]
    with _folder() as folder, running_dev(folder, port, _DATASETS) as dev:
        print(f"{_DATASETS} datasets idle: {_settled_share(dev):.1%} of a core")
        start = time.perf_counter()
        for name in names:
            dev.drop(f"{name}.csv", b"id,x\n" + b"".join(b"%d,%d\n" % (row, row * 7) for row in range(100)))
        dev.wait_until_made(names, {})
        print(f"{_DROPPED} files of {_DROPPED} datasets to all assets green: {time.perf_counter() - start:.0f} s")


def measure_idle(port: int) -> None:
    """Print what four datasets cost while nothing happens."""
    with _folder() as folder, running_dev(folder, port, 4) as dev:
        print(f"4 datasets idle: {_settled_share(dev):.1%} of a core")


def _settled_share(dev: Dev) -> float:
    time.sleep(45)
    return dev.idle_share(60)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--port", default=3999, type=int)
    arguments = parser.parse_args()
    print(f"Machine: {machine()}; load of the last minute: {os.getloadavg()[0]:.1f}")
    measure_one(arguments.rounds, arguments.port)
    measure_idle(arguments.port)
    measure_many(arguments.port)


if __name__ == "__main__":
    main()
