"""Fixtures of all tests: a catalog on each database, a store on each backend, and a separate environment."""

import os
import pathlib
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import engine as catalog_engine
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.core.settings import CATALOG_URL, LANDING_URL, STORAGE_URL, Settings
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.store import Store
from artifact_pipelines_tests.faulty_proxy import Proxy, faulty_proxy
from artifact_pipelines_tests.postgresql_server import PostgresqlServer, running_server
from artifact_pipelines_tests.quick_catalog import quick_catalogs
from artifact_pipelines_tests.quick_dagster import quick_instances
from artifact_pipelines_tests.quick_disk import no_syncs
from artifact_pipelines_tests.storage.back_door import BackDoor, FolderBackDoor, S3BackDoor

_AWS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_SESSION_TOKEN", "AWS_PROFILE")
_SET_BY_EVERY_TEST = {
    "AWS_ACCESS_KEY_ID": "test-key",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
# Add the names before a second thread starts: the C library moves its table of variables when a name is added, and
# polars, once it has scanned S3, keeps reading the table in its own thread. Replacing a value moves nothing.
for _name in (CATALOG_URL, STORAGE_URL, LANDING_URL, *_SET_BY_EVERY_TEST):
    os.environ.setdefault(_name, "")


@pytest.fixture(scope="session")
def is_stress(pytestconfig: pytest.Config) -> bool:
    """True if tests run in their long form (`make stress`)."""
    return bool(pytestconfig.getoption("--stress"))


@pytest.fixture(scope="session", autouse=True)
def skip_work_that_no_test_observes(sqlite_template: pathlib.Path) -> Iterator[None]:
    with no_syncs(), quick_instances(sqlite_template.parent / "dagster"), quick_catalogs(sqlite_template):
        yield


@pytest.fixture(autouse=True)
def settings(request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Point the environment at a catalog, a store and a landing zone of the test's own, on SQLite and local disk.

    With the parameter `production`, catalog and store are on PostgreSQL and S3.
    """
    monkeypatch.setenv(CATALOG_URL, f"sqlite:///{tmp_path / 'catalog.db'}")
    monkeypatch.setenv(STORAGE_URL, str(tmp_path / "store"))
    monkeypatch.setenv(LANDING_URL, str(tmp_path / "landing"))
    for name in ("DAGSTER_HOME", *_AWS):
        monkeypatch.delenv(name, raising=False)
    for name, value in _SET_BY_EVERY_TEST.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "landing").mkdir()
    if getattr(request, "param", None) == "production":
        monkeypatch.setenv(CATALOG_URL, request.getfixturevalue("postgresql_url"))
        monkeypatch.setenv(STORAGE_URL, request.getfixturevalue("s3_url"))
    return Settings.from_environment()


@pytest.fixture
def landing(settings: Settings) -> pathlib.Path:
    return pathlib.Path(settings.landing_url)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A real PostgreSQL server that runs as long as the tests."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """A separate catalog on the server."""
    with postgresql_server.database() as url:
        yield url


@pytest.fixture
def second_postgresql_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """A second catalog on the server."""
    with postgresql_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Path of an empty SQLite catalog to copy. Creating the tables anew would take longer than most tests."""
    return tmp_path_factory.mktemp("template") / "catalog.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request: pytest.FixtureRequest, settings: Settings) -> str:
    """An empty catalog on each supported database."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    template, path = request.getfixturevalue("sqlite_template"), sa.make_url(settings.catalog_url).database
    shutil.copyfile(template, str(path))
    return settings.catalog_url


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[Catalog]:
    with Catalog(catalog_url) as catalog:
        yield catalog


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up almost at once on a database that does not answer."""
    monkeypatch.setattr(catalog_engine, "RETRY_S", 0.1)


@pytest.fixture
def engine(catalog: Catalog, catalog_url: str) -> Iterator[sa.Engine]:
    """The catalog's database, past its interface."""
    engine = make_engine(catalog_url)
    yield engine
    engine.dispose()


# In a separate process, so that it does not wait for the threads of the tests.
_S3_SERVER = """
import logging, sys
import moto.s3.models
from moto.server import ThreadedMotoServer

vars(moto.s3.models)["S3_UPLOAD_PART_MIN_SIZE"] = 1  # small parts make quick tests
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://%s:%s" % server.get_host_and_port(), flush=True)
sys.stdin.read()  # until the tests end
server.stop()
"""


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Endpoint of a real S3 server on the loopback interface that runs as long as the tests.

    ARTIFACT_TEST_S3_ENDPOINT can name another server with the keys `test-key` and `test-secret`.
    """
    if os.environ.get("ARTIFACT_TEST_S3_ENDPOINT"):
        yield os.environ["ARTIFACT_TEST_S3_ENDPOINT"]
        return
    command = [sys.executable, "-c", _S3_SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        endpoint = server.stdout.readline().strip()
        assert endpoint.startswith("http://127.0.0.1:"), "or the tests would reach the real AWS"
        yield endpoint


@pytest.fixture
def s3_back_door(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3BackDoor]:
    """Direct access to a separate bucket. From now on, the environment names its server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    back_door = S3BackDoor(s3_server, f"bucket-{secrets.token_hex(6)}", "a/store/")
    back_door.client.create_bucket(Bucket=back_door.bucket)
    yield back_door
    back_door.empty()  # the server holds everything in memory


@pytest.fixture
def s3_url(s3_back_door: S3BackDoor) -> str:
    return f"s3://{s3_back_door.bucket}/a/store"


@pytest.fixture
def storage_url(request: pytest.FixtureRequest, settings: Settings) -> str:
    """URL of an empty store on each supported backend."""
    return settings.storage_url if request.param == "local" else str(request.getfixturevalue("s3_url"))


@pytest.fixture
def back_door(request: pytest.FixtureRequest, storage_url: str) -> BackDoor:
    """Direct access to the stored objects."""
    if storage_url.startswith("s3://"):
        back_door: BackDoor = request.getfixturevalue("s3_back_door")
        return back_door
    return FolderBackDoor(pathlib.Path(storage_url))


@pytest.fixture
def backend(storage_url: str) -> IStorageBackend:
    return open_backend(storage_url)


@pytest.fixture
def producer(catalog: Catalog, backend: IStorageBackend) -> ArtifactProducer:
    return ArtifactProducer(catalog.files, backend)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """The store as notebooks open it, on SQLite and local disk."""
    from artifact_pipelines import open_store

    with open_store() as store:
        yield store


@pytest.fixture
def proxy(s3_server: str) -> Iterator[Proxy]:
    """A proxy in front of the S3 server that makes requests fail."""
    with faulty_proxy(s3_server) as proxy:
        yield proxy
