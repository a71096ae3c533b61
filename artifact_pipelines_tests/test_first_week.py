"""What a newcomer does, with the wheel in an environment of its own: `make first-week`."""

import importlib.metadata
import json
import os
import pathlib
import signal
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from artifact_pipelines_tests.web_server import PATIENCE_S, answer, free_port, stop, wait_until

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
OWN_ASSET = """import dagster as dg
import polars as pl


@dg.asset(ins={"cities": dg.AssetIn(key=["cities", "table"])}, io_manager_key="artifact_io_manager")
def largest(cities: pl.DataFrame) -> pl.DataFrame:
    return cities.sort("population", descending=True).head(1)
"""


class Newcomer:
    """A project that `init` made, and the commands of the environment where the wheel is installed."""

    def __init__(self, python: pathlib.Path, folder: pathlib.Path) -> None:
        self.folder = folder
        self.log = folder / "dev.log"
        self._python = python
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("ARTIFACT_", "PYTHON", "DAGSTER"))
        }
        self.environment |= {"DAGSTER_HOME": str(folder), "PATH": f"{python.parent}:{os.environ['PATH']}"}

    def command(self, name: str, *arguments: str) -> list[str]:
        [entry] = importlib.metadata.entry_points(group="console_scripts", name=name)
        code = f"import sys; from {entry.module} import {entry.attr} as main; sys.argv[0] = {name!r}; main()"
        return [str(self._python), "-c", code, *arguments]

    def run(self, name: str, *arguments: str, cwd: pathlib.Path | None = None) -> str:
        done = subprocess.run(
            self.command(name, *arguments),
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def versions(self, asset: str) -> list[dict[str, Any]]:
        try:
            return list(json.loads(self.run("artifact-pipelines", "history", asset, "--json")))
        except AssertionError:  # not made yet
            return []


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """Build the wheel, unpack it into a new environment that finds its dependencies here, and start a project."""
    folder = tmp_path_factory.mktemp("first_week")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(CHECKOUT)]
    subprocess.run(build, check=True, timeout=PATIENCE_S)
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    variables = {"base": str(environment), "platbase": str(environment)}
    packages = pathlib.Path(sysconfig.get_path("purelib", vars=variables))
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    made = Newcomer(environment / "bin" / "python", folder / "my-project")
    made.run("artifact-pipelines", "init", "my-project", cwd=folder)
    (made.folder / "my_project" / "defs" / "largest.py").write_text(OWN_ASSET)
    return made


@pytest.fixture(scope="module")
def dev(newcomer: Newcomer) -> Iterator[str]:
    """Run `dagster dev` in the project. Yields the address of its web server."""
    port = free_port()
    command = newcomer.command("dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port))
    with newcomer.log.open("wb") as log:
        running = subprocess.Popen(
            command, cwd=newcomer.folder, env=newcomer.environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            stop(running, signal.SIGINT)


LAUNCH = """mutation($job: String!) { launchRun(executionParams: {selector: {repositoryLocationName: "my_project",
repositoryName: "__repository__", jobName: $job}, mode: "default", runConfigData: {}}) { __typename
... on LaunchRunSuccess { run { runId } } } }"""
STATUS = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_newcomer_sees_own_data_rolls_back_and_keeps_it_so(newcomer: Newcomer, dev: str) -> None:
    printed = newcomer.run("dg", "check", "defs")
    assert "All definitions loaded successfully" in printed
    newcomer.run("dg", "scaffold", "defs", "artifact_pipelines.DatasetPipeline", "towns")
    assert "All definitions loaded successfully" in newcomer.run("dg", "check", "defs")

    drop = ("artifact-pipelines", "drop", "cities.csv", "--dataset", "cities", "--wait", "--notice", "120")
    assert "cities/table version 1" in newcomer.run(*drop)
    wait_until(lambda: newcomer.versions("cities/analyses/profile"), newcomer.log)
    newcomer.run("dg", "launch", "--assets", "largest")
    assert newcomer.versions("largest")[0]["rows"] == 1

    file = newcomer.folder / "cities.csv"
    file.write_text(file.read_text() + "XX,Nowhere,99999999,\n")  # the bad one
    assert "cities/table version 2" in newcomer.run(*drop)
    assert "Version 2 is withdrawn" in newcomer.run("artifact-pipelines", "rollback", "cities/table", "--to", "1")

    run_id = answer(dev, LAUNCH, job="cities_pipeline")["launchRun"]["run"]["runId"]  # as its schedule does
    wait_until(lambda: answer(dev, STATUS, id=run_id)["runOrError"]["status"] in ("SUCCESS", "FAILURE"), newcomer.log)
    assert answer(dev, STATUS, id=run_id)["runOrError"]["status"] == "SUCCESS"
    current = [row for row in newcomer.versions("cities/table") if "current" in (row["marks"] or "")]
    assert [row["version"] for row in current] == [1]
