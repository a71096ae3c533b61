"""All of Dagster is killed again and again while files drop. In the end every dataset has its newest good content."""

import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines import open_store
from artifact_pipelines.core.exceptions import ArtifactError
from artifact_pipelines.core.settings import CATALOG_URL, LANDING_URL, STORAGE_URL, Settings
from artifact_pipelines_tests.project import FLIGHTS

ROUNDS = 20
CONVERGE_S = 600
"""After many deaths: their pauses grow up to five minutes."""
CONVERGE_AFTER_ONE_DEATH_S = 120
"""Beside the time that the runs themselves take on a busy machine."""
DATASETS = ("flights", "trains")
PROJECT = f"""
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.dataset_pipeline import DatasetPipeline
from artifact_pipelines.definitions import build_definitions
import dagster as dg

DECLARED = {dict(FLIGHTS)!r}
datasets = [
    DatasetPipeline.model_validate(DECLARED | {{"name": name, "source": f"{{name}}*.csv", "analyses": {{"delays": {{
        "kind": "sql", "query": f"SELECT sum(delay)::BIGINT AS delay FROM {{name}}"}}}}}})
    for name in {DATASETS!r}
]
defs = build_definitions(dg.Definitions.merge(*(each.definitions() for each in datasets)), Settings.from_environment())
"""
REPOSITORY = pathlib.Path(__file__).parents[2]


class RunningDagster:
    """`dagster dev`, started as `make dev` starts it, with a project and a home of its own."""

    def __init__(self, folder: pathlib.Path, settings: Settings) -> None:
        self.home = folder / "dagster"
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text())
        (self.home / "project.py").write_text(PROJECT)
        self._environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.home),
            CATALOG_URL: settings.catalog_url,
            STORAGE_URL: settings.storage_url,
            LANDING_URL: settings.landing_url,
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONWARNINGS": "ignore",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        command = [sys.executable, "-m", "dagster", "dev", "-f", "project.py", "--port", str(port)]
        with (self.home / "dev.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--log-level", "warning"],
                cwd=self.home,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def kill(self, only: str = "") -> None:
        """Kill every process of it, or those whose command line has a text."""
        for pid, command in list(self._processes()):
            if only in command:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        if self._process and not only:
            self._process.wait()

    def _processes(self) -> Iterator[tuple[int, str]]:
        mine = f"DAGSTER_HOME={self.home}".encode()
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if mine in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue


class Files:
    """Drops files; each good one has a delay of its own in all of its rows."""

    def __init__(self, landing: pathlib.Path, dice: random.Random) -> None:
        self._landing = landing
        self._dice = dice
        self._count = 0
        self.newest: dict[str, int] = {}

    def drop(self, dataset: str) -> None:
        self._count += 1
        rows = [f"XX,{number},{self._count}" for number in range(self._dice.choice([3, 50_000]))]
        self._put(f"{dataset}{self._dice.randrange(3)}.csv", ["carrier,number,delay", *rows])
        self.newest[dataset] = self._count

    def drop_bad(self, dataset: str) -> None:
        self._count += 1
        self._put(f"{dataset}_bad.csv", ["no,such,columns", f"{self._count},1,2"])

    def _put(self, name: str, lines: Sequence[str]) -> None:
        hidden = self._landing / f".{name}"
        hidden.write_text("\n".join(lines) + "\n")
        hidden.replace(self._landing / name)


def shown(dataset: str) -> Mapping[str, object]:
    """Return the delay of a dataset's rows as its assets have it now."""
    try:
        with open_store() as store:
            table = store.load(f"{dataset}/table", pl.DataFrame)
            total = store.load(f"{dataset}/analyses/delays", pl.DataFrame)["delay"][0]
            sample = store.load(f"{dataset}/samples/few", pl.DataFrame)["delay"].unique().to_list()
    except ArtifactError as error:
        return {"error": str(error)}
    return {"table": table["delay"].unique().to_list(), "sample": sample, "analysis": [total // table.height]}


def runs_of(home: pathlib.Path) -> str:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = [(run.status.value, sorted(run.tags.items())) for run in instance.get_runs(limit=20)]
    return json.dumps(runs, indent=1)


@pytest.mark.long
def test_all_datasets_converge_to_the_newest_good_content(
    tmp_path: pathlib.Path, settings: Settings, landing: pathlib.Path
) -> None:
    dice = random.Random(int(os.environ.get("KILL_SEED", "14")))
    dagster, files = RunningDagster(tmp_path, settings), Files(landing, dice)
    try:
        for _ in range(int(os.environ.get("KILL_ROUNDS", ROUNDS))):
            dagster.start()
            for _ in range(dice.randrange(1, 5)):
                time.sleep(dice.uniform(1, 15))
                files.drop(dice.choice(DATASETS))
                if dice.random() < 0.3:
                    files.drop_bad(dice.choice(DATASETS))
                if dice.random() < 0.3:
                    dagster.kill(dice.choice(["spawn_main", "api grpc", "code-server", "_daemon"]))
            time.sleep(dice.uniform(0, 10))
            dagster.kill()
        for dataset in DATASETS:
            files.drop(dataset)
        dagster.start()
        wanted = {name: {"table": [n], "sample": [n], "analysis": [n]} for name, n in files.newest.items()}
        deadline = time.monotonic() + CONVERGE_S
        while (now := {name: shown(name) for name in DATASETS}) != wanted and time.monotonic() < deadline:
            time.sleep(2)
        assert now == wanted, runs_of(dagster.home)
    finally:
        dagster.kill()
    assert wait_until_idle(dagster)


@pytest.mark.long
@pytest.mark.parametrize("status", ["STARTING", "STARTED"])
def test_killed_run_holds_up_no_later_file_for_more_than_two_minutes(
    tmp_path: pathlib.Path, settings: Settings, landing: pathlib.Path, status: str
) -> None:
    dagster, files = RunningDagster(tmp_path, settings), Files(landing, random.Random(14))
    try:
        undisturbed_s = seconds_to_converge(dagster, files)
        files.drop("flights")
        wait_for_run(dagster, dg.DagsterRunStatus(status))
        dagster.kill()
        assert seconds_to_converge(dagster, files) < 2 * undisturbed_s + CONVERGE_AFTER_ONE_DEATH_S
    finally:
        dagster.kill()


def seconds_to_converge(dagster: RunningDagster, files: Files) -> float:
    """Drop a file, start Dagster, and wait until all assets have the content of the file."""
    files.drop("flights")
    wanted = {name: [files.newest["flights"]] for name in ("table", "sample", "analysis")}
    started_s = time.monotonic()
    dagster.start()
    while (now := shown("flights")) != wanted:
        assert time.monotonic() - started_s < CONVERGE_S, (now, runs_of(dagster.home))
        time.sleep(1)
    return time.monotonic() - started_s


def wait_for_run(dagster: RunningDagster, status: dg.DagsterRunStatus) -> None:
    deadline = time.monotonic() + CONVERGE_S
    with dg.DagsterInstance.from_config(str(dagster.home)) as instance:
        while not instance.get_runs(dg.RunsFilter(statuses=[status])):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def wait_until_idle(dagster: RunningDagster) -> bool:
    """Start it once more and see that no run stays in progress."""
    unfinished = [status for status in dg.DagsterRunStatus if status not in FINISHED]
    dagster.start()
    try:
        deadline = time.monotonic() + CONVERGE_S
        while time.monotonic() < deadline:
            time.sleep(5)
            with dg.DagsterInstance.from_config(str(dagster.home)) as instance:
                if not instance.get_runs(dg.RunsFilter(statuses=unfinished)):
                    return True
        return False
    finally:
        dagster.kill()


FINISHED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
