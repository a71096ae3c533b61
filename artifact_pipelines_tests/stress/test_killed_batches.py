"""A run that adds 100 files to a union is killed again and again: no row is lost, and none is there twice."""

import os
import pathlib
import random
import subprocess
import sys
import time

import polars as pl
import pytest

from artifact_pipelines import Store
from artifact_pipelines.core.settings import Settings

FILES, ROWS, KILLS = 100, 20, 4
CHILD = """
import sys
import dagster as dg
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.datasets import retries
from artifact_pipelines_tests.project import NO_LOGS, Project

retries.PAUSES_S = {fault: () if fault == retries.Fault.DATA else (0.0,) * 30 for fault in retries.Fault}
with dg.DagsterInstance.local_temp(sys.argv[1], overrides=NO_LOGS) as instance:
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        instance.report_run_failed(run)  # as the sensor of dead runs does
    plain = {"files": "all", "file_column": "file", "samples": {}, "analyses": {}}
    Project(Settings.from_environment(), instance, **plain).settle()
"""


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", range(3))
def test_killed_batch_loses_no_row_and_doubles_none(
    settings: Settings, landing: pathlib.Path, tmp_path: pathlib.Path, store: Store, seed: int
) -> None:
    dice = random.Random(seed)
    (tmp_path / "dagster").mkdir()
    for file in range(FILES):
        rows = [f"UA,{file * ROWS + row},{file}" for row in range(ROWS)]
        (landing / f"flights{file:03}.csv").write_text("\n".join(["carrier,number,delay", *rows, ""]))
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
    command = [sys.executable, "-c", CHILD, str(tmp_path / "dagster")]
    for _ in range(KILLS):
        stored = dice.randrange(FILES)
        with (tmp_path / "log").open("ab") as log:
            child = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            while child.poll() is None and len(store.catalog.materializations.history("flights/raw")) <= stored:
                time.sleep(0.01)
            time.sleep(dice.random() * dice.choice([0.01, 2]))
            child.kill()
            child.wait()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    frame: pl.DataFrame = store.load("flights/table", as_type=pl.DataFrame)
    assert sorted(frame["number"]) == list(range(FILES * ROWS))
    assert frame["file"].n_unique() == FILES
    files = store.catalog.landing.files_of("flights")
    assert {file.state.value for file in files.values()} == {"ingested"}, [file.reason for file in files.values()]
    versions = store.catalog.datasets.versions("flights")
    assert len({version.raw.file.content_hash for version in versions}) == len(versions) == FILES
