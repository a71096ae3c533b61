"""The files in `deploy/`, started as they are, with a real PostgreSQL and an S3 server: `make deploy-check`."""

import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines_tests.deploy.site import DEPLOY, Site
from artifact_pipelines_tests.storage.back_door import S3BackDoor
from artifact_pipelines_tests.web_server import answer, wait_until

SERVICES = ("dagster-code", "dagster-daemon", "dagster-webserver")
ASSETS = """{ assetNodes(group: {groupName: "cities", repositoryName: "__repository__",
repositoryLocationName: "my_project"}) { assetKey { path } isMaterializable
assetMaterializations(limit: 1) { runId } } }"""
LAUNCH = """mutation { launchRun(executionParams: {selector: {repositoryLocationName: "my_project",
repositoryName: "__repository__", jobName: "cities_pipeline"}, mode: "default", runConfigData: {}}) { __typename } }"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, make_site: Callable[[pathlib.Path], Site]) -> Iterator[Site]:
    """A site with the project that `artifact-pipelines init` makes; its services run."""
    project = tmp_path_factory.mktemp("project") / "my-project"
    site = make_site(project)
    site.run("artifact-pipelines", "init", str(project))
    site.run_unit("dagster-migrate")
    for service in SERVICES:
        site.start_unit(service)
    yield site
    assert site.is_running()
    assert set(site.stop()) == set(SERVICES)
    wait_until(lambda: not site.processes(), site.logs)  # the process that forks runs ends a moment later


def ask(site: Site, query: str) -> Any:
    """Ask the web server; None while it starts."""
    try:
        return answer(f"http://127.0.0.1:{site.environment['WEBSERVER_PORT']}", query)
    except OSError:
        return None


def materialized(site: Site) -> set[str]:
    """Return the assets of the dataset that have a value. Empty until all that the sensors make have one."""
    nodes = [node for node in (ask(site, ASSETS) or {}).get("assetNodes", ()) if node["isMaterializable"]]
    made = {"/".join(node["assetKey"]["path"]): bool(node["assetMaterializations"]) for node in nodes}
    return set(made) if made and all(made.values()) else set()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_file_dropped_into_s3_is_analysed_by_the_deployed_services(site: Site, buckets: dict[str, S3BackDoor]) -> None:
    landing, store = buckets["ARTIFACT_LANDING_URL"], buckets["ARTIFACT_STORAGE_URL"]
    content = (site.project / "cities.csv").read_bytes()
    landing.client.put_object(Bucket=landing.bucket, Key="drop/cities.csv", Body=content)
    wait_until(lambda: materialized(site) or not site.is_running(), site.logs, patience_s=600)
    made = materialized(site)
    assert {"cities/raw", "cities/table", "cities/analyses/profile"} <= made

    for asset in made:
        [version] = json.loads(site.run("artifact-pipelines", "history", asset, "--json"))
        assert version["version"] == 1
    verified = json.loads(site.run("artifact-pipelines", "verify", "--json"))
    assert verified["is_clean"]
    assert len(store.everything()) == verified["files"] >= len(made), "each file of the catalog is an object in S3"


@pytest.mark.long
def test_systemd_takes_each_line_of_the_units(tmp_path: pathlib.Path) -> None:
    assert shutil.which("systemd-analyze"), (
        "systemd-analyze is missing. On Debian or Ubuntu, run: apt-get install systemd"
    )
    programs = f"{pathlib.Path(sys.executable).parent}/"
    for unit in (DEPLOY / "systemd").iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/dagster/.venv/bin/", programs))
    command = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.glob("*.service")))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.long
def test_web_server_of_a_site_is_read_only(site: Site) -> None:
    wait_until(lambda: ask(site, ASSETS), site.logs)
    assert ask(site, LAUNCH)["launchRun"]["__typename"] == "UnauthorizedError"


@pytest.mark.long
def test_role_of_the_catalog_cannot_connect_to_the_database_of_dagster(databases: dict[str, str]) -> None:
    url = sa.make_url(databases["ARTIFACT_CATALOG_URL"]).set(drivername="postgresql+psycopg2", database="dagster")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with pytest.raises(sa.exc.OperationalError, match="permission denied"):
        engine.connect()
