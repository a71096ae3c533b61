"""A process that creates an artifact on S3 is killed before and after each of its requests."""

import datetime
import io

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.tables import file_references
from artifact_pipelines.core.settings import S3Settings, Settings
from artifact_pipelines.core.types import FileId, FileState
from artifact_pipelines.maintenance.orphans import find_orphans
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.backends.s3 import S3Storage
from artifact_pipelines_tests.faulty_proxy import Fault, Plan, Proxy
from artifact_pipelines_tests.storage.back_door import S3BackDoor
from artifact_pipelines_tests.stress import acts
from artifact_pipelines_tests.stress.children import Child
from artifact_pipelines_tests.stress.place import Place

PART_BYTES = 10_000
POINTS = [
    (size_bytes, number, is_done)
    for size_bytes, requests in ((PART_BYTES, 2), (3 * PART_BYTES - 5, 6))
    for number in range(requests)
    for is_done in (False, True)
]
"""Size of the content (one or three S3 parts), number of the request, and whether the server handles it.

Request 0 lists the store, before the first lease: is it the one of this catalog?
"""


def start_child(place: Place, size_bytes: int, proxy: Proxy) -> Child:
    """Start a process that will create an artifact through the proxy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.endpoint_url)
        child = Child(acts.create_in_parts, place, b"x" * size_bytes, PART_BYTES)
    child.wait_until_ready()
    return child


def die_at(number: int, is_done: bool, child: Child, proxy: Proxy) -> None:
    """Start a child's work and kill it at a request."""
    proxy.reset(kill_at(number, is_done, child))
    child.go()
    outcome = child.outcome()
    assert outcome.was_killed
    assert not outcome.acknowledged


def kill_at(number: int, is_done: bool, child: Child) -> Plan:
    fault = Fault("hook", is_done, child.kill)
    return lambda request: fault if request.number == number else None


def collect(catalog: Catalog, engine: sa.Engine, backend: S3Storage) -> None:
    """Do what clean-up does after the leases of dead writers have expired."""
    with engine.begin() as connection:
        is_lease = file_references.c.expires_at.is_not(None)
        connection.execute(sa.update(file_references).where(is_lease).values(expires_at=datetime.datetime(2000, 1, 1)))
    catalog.collection.reap_leases()
    for garbage in catalog.collection.collect(grace_s=0, limit=100):
        backend.delete_file(garbage.storage_path)
    backend.clear_leftovers(catalog.collection.is_leased)
    assert find_orphans(catalog, backend) == {}, "bytes without a row"


def read(producer: ArtifactProducer, file_id: int) -> bytes:
    with producer.open(FileId(file_id)) as stream:
        return stream.read()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_long = metafunc.config.getoption("--stress")
    metafunc.parametrize("database", ["sqlite", "postgresql"] if is_long else ["sqlite"])
    metafunc.parametrize("point", POINTS if is_long else POINTS[3::4], ids=str)


@pytest.fixture
def catalog_url(request: pytest.FixtureRequest, settings: Settings, database: str) -> str:
    return settings.catalog_url if database == "sqlite" else str(request.getfixturevalue("postgresql_url"))


def test_killed_create_can_be_repeated_and_clean_up_removes_its_leftovers(
    catalog: Catalog,
    catalog_url: str,
    engine: sa.Engine,
    s3_url: str,
    s3_back_door: S3BackDoor,
    proxy: Proxy,
    point: tuple[int, int, bool],
) -> None:
    size_bytes, number, is_done = point
    backend = S3Storage(s3_url, S3Settings())
    producer = ArtifactProducer(catalog.files, backend)
    acknowledged = producer.create_artifact(io.BytesIO(b"acknowledged"), "bin")

    die_at(number, is_done, start_child(Place(catalog_url, s3_url), size_bytes, proxy), proxy)

    killed = [file for file in catalog.files.list_files(10) if file.file_id != acknowledged]
    assert [file.state for file in killed] == ([FileState.PENDING] if number else [])
    assert all(backend.size_bytes(path) in (12, size_bytes) for path in backend.list_files())
    repeated = producer.create_artifact(io.BytesIO(b"x" * size_bytes), "bin")
    assert [file.file_id for file in killed] in ([], [repeated])
    collect(catalog, engine, backend)
    assert read(producer, acknowledged) == b"acknowledged"
    assert read(producer, repeated) == b"x" * size_bytes
    assert [file.reference_count for file in catalog.files.list_files(10)] == [1, 1]
    assert len(s3_back_door.everything()) == 2


def test_clean_up_after_a_kill_leaves_nothing(
    catalog: Catalog,
    catalog_url: str,
    engine: sa.Engine,
    s3_url: str,
    s3_back_door: S3BackDoor,
    proxy: Proxy,
    point: tuple[int, int, bool],
) -> None:
    size_bytes, number, is_done = point
    die_at(number, is_done, start_child(Place(catalog_url, s3_url), size_bytes, proxy), proxy)
    backend = S3Storage(s3_url, S3Settings())
    assert backend.clear_leftovers(catalog.collection.is_leased) == [], "its lease has not expired"
    collect(catalog, engine, backend)
    assert s3_back_door.everything() == []
    assert catalog.files.list_files(10) == []
