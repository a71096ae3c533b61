"""Installs the wheel, starts a project and runs Dagster in it, once for all tests of this folder: `make first-week`."""

import pathlib
import signal
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator

import pytest

from artifact_pipelines_tests.newcomer.documented import START_DAGSTER
from artifact_pipelines_tests.newcomer.project import Newcomer
from artifact_pipelines_tests.web_server import PATIENCE_S, free_port, stop

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
OWN_ASSET = """import dagster as dg
import polars as pl


@dg.asset(ins={"cities": dg.AssetIn(key=["cities", "table"])}, io_manager_key="artifact_io_manager")
def largest(cities: pl.DataFrame) -> pl.DataFrame:
    return cities.sort("population", descending=True).head(1)
"""

SALES = """type: artifact_pipelines.DatasetPipeline
attributes:
  name: sales
  description: Sales of each month.
  source: "sales_{partition}.csv"
  partitions: monthly
  owners: [team:sales]
"""


@pytest.fixture(scope="session")
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
    (made.folder / "my_project" / "defs" / "sales").mkdir()
    (made.folder / "my_project" / "defs" / "sales" / "defs.yaml").write_text(SALES)
    for month in ("01", "02", "03"):
        (made.folder / f"sales_2024-{month}.csv").write_text(f"shop,sales\nOslo,{month}\n")
    return made


@pytest.fixture(scope="session")
def dev(newcomer: Newcomer) -> Iterator[str]:
    """Run `dagster dev` in the project. Yields the address of its web server."""
    port = free_port()
    command = ["bash", "-c", f"exec env {START_DAGSTER} -h 127.0.0.1 -p {port}"]
    with newcomer.log.open("wb") as log:
        running = subprocess.Popen(
            command, cwd=newcomer.folder, env=newcomer.environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            stop(running, signal.SIGINT)
