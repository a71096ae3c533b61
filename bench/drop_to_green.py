"""How long a user waits from dropping the weather file, with `make dev` running, until its profile is green."""

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
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

from artifact_pipelines.demo import open_weather
from bench.side_by_side import machine

_PROJECT = pathlib.Path(__file__).parents[1]
_GIVE_UP_S = 120
_QUERY = """{assetNodes(assetKeys: [{path: ["weather", "analyses", "profile"]}]) {
  assetMaterializations(limit: 1) { runId } } }"""


class Dev:
    """A running `dagster dev` with a landing zone of its own."""

    def __init__(self, folder: pathlib.Path, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"
        self._landing = folder / "landing"
        self._landing.mkdir()

    def drop(self, content: bytes) -> None:
        """Put the weather file into the landing zone, in one step."""
        hidden = self._landing / ".weather.part"
        hidden.write_bytes(content)
        hidden.replace(self._landing / "weather.csv")

    def wait_for_profile(self, other_than: str | None) -> str:
        """Wait for a profile made by another run, and return that run."""
        deadline = time.monotonic() + _GIVE_UP_S
        while time.monotonic() < deadline:
            run_id = self._profile_run()
            if run_id is not None and run_id != other_than:
                return run_id
            time.sleep(0.1)
        raise TimeoutError(f"no new profile within {_GIVE_UP_S} s")

    def _profile_run(self) -> str | None:
        body = json.dumps({"query": _QUERY}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                [node] = json.load(answer)["data"]["assetNodes"]
        except (urllib.error.URLError, ConnectionError, ValueError):
            return None  # still starting
        made = node["assetMaterializations"]
        return str(made[0]["runId"]) if made else None


@contextlib.contextmanager
def running_dev(folder: pathlib.Path, port: int) -> Iterator[Dev]:
    """Start webserver and daemon as `make dev` does, on new state."""
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text((_PROJECT / "dagster.yaml").read_text())
    places: Mapping[str, str] = {
        "DAGSTER_HOME": str(home),
        "ARTIFACT_CATALOG_URL": f"sqlite:///{folder}/catalog.db",
        "ARTIFACT_STORAGE_URL": f"{folder}/store",
        "ARTIFACT_LANDING_URL": f"{folder}/landing",
    }
    dev = Dev(folder, port)
    command = [str(pathlib.Path(sys.executable).parent / "dagster"), "dev", "--workspace"]
    process = subprocess.Popen(
        [*command, str(_PROJECT / "workspace.yaml"), "--port", str(port), "--log-level", "warning"],
        cwd=home,
        env={**os.environ, **places},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield dev
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def main() -> None:
    """Drop the weather file with one row less each time, and print how long each profile took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", default=7, type=int)
    parser.add_argument("--port", default=3999, type=int)
    arguments = parser.parse_args()
    with open_weather() as weather:
        lines = weather.read().splitlines(keepends=True)
    seconds = []
    with tempfile.TemporaryDirectory() as name, running_dev(pathlib.Path(name), arguments.port) as dev:
        dev.drop(b"".join(lines))
        made = dev.wait_for_profile(None)
        for number in range(1, arguments.rounds + 1):
            time.sleep(3 + 1.7 * (number % 5))  # each time at another moment between two ticks
            start = time.perf_counter()
            dev.drop(b"".join(lines[:-number]))
            made = dev.wait_for_profile(made)
            seconds.append(time.perf_counter() - start)
    print(f"Machine: {machine()}")
    print(f"weather dropped to profile green: median {statistics.median(seconds):.1f} s,", end=" ")
    print(f"{min(seconds):.1f} to {max(seconds):.1f} s in {len(seconds)} rounds")


if __name__ == "__main__":
    main()
