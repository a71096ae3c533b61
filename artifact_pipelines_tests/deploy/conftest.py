"""The servers that a site needs: databases and roles of `deploy/databases.sql`, and two buckets."""

import pathlib
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from artifact_pipelines_tests.deploy.documented import CREATE_DATABASES
from artifact_pipelines_tests.deploy.site import CHECKOUT, Site
from artifact_pipelines_tests.postgresql_server import PostgresqlServer
from artifact_pipelines_tests.storage.back_door import S3BackDoor
from artifact_pipelines_tests.web_server import free_port


@pytest.fixture(scope="module")
def databases(postgresql_server: PostgresqlServer) -> Iterator[dict[str, str]]:
    """URLs of the databases that `deploy/databases.sql` creates, as the template of the environment names them."""
    passwords = {"DAGSTER_PASSWORD": secrets.token_hex(8), "ARTIFACT_PASSWORD": secrets.token_hex(8)}
    script = CREATE_DATABASES.replace("postgresql://postgres@localhost/postgres", '"$URL"')
    for name, password in passwords.items():
        script = script.replace(f"{name}=...", f"{name}={password}")
    postgresql_server.run_psql(script, CHECKOUT)

    def url(driver: str, role: str, database: str) -> str:
        url = postgresql_server.url.set(username=role, password=passwords[f"{role.upper()}_PASSWORD"])
        return url.set(database=database, drivername=driver).render_as_string(hide_password=False)

    yield {
        "DAGSTER_POSTGRES_URL": url("postgresql+psycopg2", "dagster", "dagster"),
        "ARTIFACT_CATALOG_URL": url("postgresql", "artifact", "artifact_catalog"),
    }
    for name in ("dagster", "artifact_catalog"):
        postgresql_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    postgresql_server.execute("DROP ROLE dagster, artifact")


@pytest.fixture(scope="module")
def buckets(s3_server: str) -> Iterator[dict[str, S3BackDoor]]:
    """The buckets of the stored bytes and of the landing zone, by the name of their variable."""
    name = f"site-{secrets.token_hex(6)}"
    doors = {
        "ARTIFACT_STORAGE_URL": S3BackDoor(s3_server, f"{name}-artifacts", "store/"),
        "ARTIFACT_LANDING_URL": S3BackDoor(s3_server, f"{name}-landing", "drop/"),
    }
    for door in doors.values():
        door.client.create_bucket(Bucket=door.bucket)
    yield doors
    for door in doors.values():
        door.empty()


@pytest.fixture(scope="module")
def values(databases: dict[str, str], buckets: dict[str, S3BackDoor], s3_server: str) -> dict[str, str]:
    """Return the variables of `deploy/env.template` for these servers."""
    return {
        **databases,
        "ARTIFACT_STORAGE_URL": f"s3://{buckets['ARTIFACT_STORAGE_URL'].bucket}/store",
        "ARTIFACT_LANDING_URL": f"s3://{buckets['ARTIFACT_LANDING_URL'].bucket}/drop",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test-key",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_ENDPOINT_URL": s3_server,
    }


@pytest.fixture(scope="module")
def make_site(tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]) -> Iterator[Any]:
    """Return a function that makes a site for a project. At the end, nothing of the site runs."""
    made: list[Site] = []

    def make(project: pathlib.Path) -> Site:
        folder = tmp_path_factory.mktemp("site")
        (folder / "tmp").mkdir()
        scheduler = free_port()
        own = {
            "PROJECT": project.name.replace("-", "_"),
            "DAGSTER_HOME": str(folder / "home"),
            "DAGSTER_COMPUTE_LOGS": str(folder / "home" / "logs"),
            "TMPDIR": str(folder / "tmp"),
            "CODE_SERVER_PORT": str(free_port()),
            "WEBSERVER_PORT": str(free_port()),
            "DASK_SCHEDULER_PORT": str(scheduler),
            "DASK_SCHEDULER_ADDRESS": f"tcp://localhost:{scheduler}",
        }
        made.append(Site(folder, project, values | own))
        return made[-1]

    yield make
    for site in made:
        site.stop()
        site.kill()
