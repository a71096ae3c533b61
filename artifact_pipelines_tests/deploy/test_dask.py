"""Steps on two Dask workers that share nothing but PostgreSQL and S3: one is killed, and a backfill loses nothing."""

import json
import os
import pathlib
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from artifact_pipelines_tests.deploy.site import Host, Site
from artifact_pipelines_tests.web_server import answer, wait_until

PARTITIONS = int(os.environ.get("DASK_PARTITIONS", "200"))
PER_RUN = int(os.environ.get("DASK_PARTITIONS_PER_RUN", "10"))
PATIENCE_S = 1800
DEFINITIONS = """
import pathlib
import dagster as dg
import artifact_pipelines
from artifact_pipelines.dask_executor import on_scheduler

@dg.definitions
def defs() -> dg.Definitions:
    declared = dg.load_from_defs_folder(path_within_project=pathlib.Path(__file__).parent / "defs")
    return artifact_pipelines.build_definitions(declared, executor=on_scheduler())
"""
ASSETS = f"""
import os, socket, time
import dagster as dg
import polars as pl

DAYS = dg.StaticPartitionsDefinition([f"{{n:03}}" for n in range({PARTITIONS})])

@dg.asset(io_manager_key="artifact_io_manager")
def slow(context: dg.AssetExecutionContext) -> pl.DataFrame:
    context.log.info(f"computed by process {{os.getpid()}}")
    time.sleep(20)
    return pl.DataFrame({{"a": range(1000)}})

@dg.asset(io_manager_key="artifact_io_manager")
def after_slow(slow: pl.DataFrame) -> pl.DataFrame:
    return slow.with_columns(b=pl.col("a") * 2)

@dg.asset(
    io_manager_key="artifact_io_manager",
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run={PER_RUN}),
)
def days(context: dg.AssetExecutionContext) -> dict[str, pl.DataFrame]:
    return {{key: pl.DataFrame({{"day": [key] * 100}}) for key in context.partition_keys}}
"""
LOCATIONS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name } } } } }"
LAUNCH = """mutation($assets: [AssetKeyInput!]!) { launchRun(executionParams: {selector: {
repositoryLocationName: "my_project", repositoryName: "__repository__", jobName: "__ASSET_JOB",
assetSelection: $assets}, mode: "default", runConfigData: {}}) { __typename ... on LaunchRunSuccess { run { runId } }
... on PythonError { message } } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status } }
logsForRun(runId: $id) { ... on EventConnection { events { ... on MessageEvent { message } } } } }"""
BACKFILL = """mutation($keys: [String!]!) { launchPartitionBackfill(backfillParams: {
assetSelection: [{path: ["days"]}], partitionNames: $keys}) { __typename
... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
... on PartitionBackfill { status numPartitions error { message } } } }"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Host]:
    """The machines of the workers, by the names of their processes."""
    made = [Host(tmp_path_factory.mktemp("hosts") / name) for name in ("first", "second")]
    return {f"dask-worker-{host.name}": host for host in made}


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, make_site: Callable[[pathlib.Path], Site], hosts: dict[str, Host]
) -> Iterator[Site]:
    """A site with a scheduler and two workers, and a web server for its operators."""
    project = tmp_path_factory.mktemp("project") / "my-project"
    site = make_site(project)
    site.run("artifact-pipelines", "init", str(project))
    (project / "my_project" / "definitions.py").write_text(DEFINITIONS)
    (project / "my_project" / "defs" / "on_dask.py").write_text(ASSETS)
    site.run_unit("dagster-migrate")
    site.start_unit("dask-scheduler")
    for host in hosts.values():
        site.start_unit("dask-worker", host)
    for unit in ("dagster-code", "dagster-daemon"):
        site.start_unit(unit)
    site.start_unit("dagster-webserver", without=["--read-only"])
    wait_until(lambda: is_up(site), site.logs, PATIENCE_S)
    yield site
    site.stop()
    wait_until(lambda: not site.processes(), site.logs)  # the process that forks runs ends a moment later


def ask(site: Site, query: str, **variables: object) -> Any:
    return answer(f"http://127.0.0.1:{site.environment['WEBSERVER_PORT']}", query, **variables)


def is_up(site: Site) -> bool:
    try:
        return "my_project" in str(
            ask(site, "{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name } } } } }")
        )
    except OSError:
        return False


def logs_of(site: Site, run_id: str) -> tuple[str, str]:
    """Return the status of a run, and the messages of its events."""
    found = ask(site, RUN, id=run_id)
    return found["runOrError"]["status"], "\n".join(e.get("message", "") for e in found["logsForRun"]["events"])


def is_verified(site: Site) -> bool:
    return bool(json.loads(site.run("artifact-pipelines", "verify", "--json"))["is_clean"])


@pytest.mark.long
@pytest.mark.timeout(PATIENCE_S)
def test_step_of_a_killed_worker_is_made_by_the_other_one_once(site: Site, hosts: dict[str, Host]) -> None:
    launched = ask(site, LAUNCH, assets=[{"path": ["slow"]}, {"path": ["after_slow"]}])["launchRun"]
    run_id = launched["run"]["runId"]

    def computing() -> list[str]:
        return re.findall(r"computed by process (\d+)", logs_of(site, run_id)[1])

    wait_until(computing, site.logs, PATIENCE_S)
    [pid] = computing()
    [killed] = [name for name, process in site.running.items() if process.pid == int(pid)]
    time.sleep(5)  # in the middle of the step
    worker = site.running.pop(killed)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    site.start_unit("dask-worker", hosts[killed])  # as systemd does
    wait_until(lambda: logs_of(site, run_id)[0] in ("SUCCESS", "FAILURE"), site.logs, PATIENCE_S)
    status, messages = logs_of(site, run_id)
    assert status == "SUCCESS", messages
    assert len(computing()) == 2
    for asset in ("slow", "after_slow"):
        [version] = json.loads(site.run("artifact-pipelines", "history", asset, "--json"))
        assert version["version"] == 1
    assert is_verified(site)


@pytest.mark.long
@pytest.mark.timeout(2 * PATIENCE_S)
def test_backfill_on_two_workers_makes_each_partition_once(site: Site) -> None:
    keys = [f"{number:03}" for number in range(PARTITIONS)]
    started_s = time.monotonic()
    launched = ask(site, BACKFILL, keys=keys)["launchPartitionBackfill"]
    backfill = launched["backfillId"]

    def status() -> str:
        return str(ask(site, BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"]["status"])

    wait_until(lambda: status().startswith(("COMPLETED", "FAILED")), site.logs, 2 * PATIENCE_S)
    took_s = time.monotonic() - started_s
    print(f"{PARTITIONS} partitions, {PER_RUN} in each run: {took_s:.0f} s")
    assert status() == "COMPLETED_SUCCESS"
    for key in (keys[0], keys[-1]):
        [version] = json.loads(site.run("artifact-pipelines", "history", "days", "--partition", key, "--json"))
        assert version["version"] == 1
    made = json.loads(site.run("artifact-pipelines", "ls", "--limit", "1000", "--json"))
    assert sorted(row["partition"] for row in made if row["asset"] == "days") == keys
    assert is_verified(site)
