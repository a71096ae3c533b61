"""A process that creates an artifact on S3 is killed before and after each of its requests, and before each commit."""

import datetime
import io
import os
import signal
import subprocess
import sys

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

PART_BYTES = 10_000
_CHILD = """
import io, sys
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import S3Settings, Settings
from artifact_pipelines.maintenance.orphans import find_orphans
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.backends.s3 import S3Storage

catalog_url, storage_url, part_bytes = sys.argv[1:]
with Catalog(catalog_url) as catalog:
    producer = ArtifactProducer(catalog.files, S3Storage(storage_url, S3Settings(), part_bytes=int(part_bytes)))
    print("ready", flush=True)
    while size := int(sys.stdin.readline() or 0):
        print(producer.create_artifact(io.BytesIO(b"x" * size), "bin"), flush=True)
"""


POINTS = [
    (size_bytes, number, is_done)
    for size_bytes, requests in ((PART_BYTES, 1), (3 * PART_BYTES - 5, 6))
    for number in range(requests)
    for is_done in (False, True)
]
"""Size of the content (whole, or in three parts), number of the request, and whether it is done."""


class Child:
    """A process that creates what it is told to, through the proxy, until it is killed."""

    def __init__(self, catalog_url: str, storage_url: str, proxy: Proxy) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, catalog_url, storage_url, str(PART_BYTES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "AWS_ENDPOINT_URL": proxy.endpoint_url},
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def create(self, size_bytes: int) -> str:
        """Return what it said: a file ID, or nothing when it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{size_bytes}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def kill_at(number: int, is_done: bool, child: Child) -> Plan:
    fault = Fault("hook", is_done, child.kill)
    return lambda request: fault if request.number == number else None


def collect(catalog: Catalog, engine: sa.Engine, backend: S3Storage) -> None:
    """Do what clean-up does once the leases of dead writers have run out."""
    with engine.begin() as connection:
        is_lease = file_references.c.expires_at.is_not(None)
        connection.execute(sa.update(file_references).where(is_lease).values(expires_at=datetime.datetime(2000, 1, 1)))
    catalog.collection.reap_leases()
    for garbage in catalog.collection.collect(grace_s=0, limit=100):
        backend.delete_file(garbage.storage_path)
    backend.clear_leftovers(catalog.collection.is_leased)
    assert find_orphans(catalog, backend) == {}, "bytes without a row are only there when their row is gone"


def read(producer: ArtifactProducer, file_id: int) -> bytes:
    with producer.open(FileId(file_id)) as stream:
        return stream.read()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_long = metafunc.config.getoption("--stress")
    metafunc.parametrize("database", ["sqlite", "postgresql"] if is_long else ["sqlite"])
    metafunc.parametrize("point", POINTS if is_long else POINTS[1::4], ids=str)


@pytest.fixture
def catalog_url(request: pytest.FixtureRequest, settings: Settings, database: str) -> str:
    return settings.catalog_url if database == "sqlite" else str(request.getfixturevalue("postgresql_url"))


def test_a_killed_create_leaves_nothing_that_clean_up_does_not_find_and_can_be_repeated(
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

    child = Child(catalog_url, s3_url, proxy)
    proxy.reset(kill_at(number, is_done, child))
    assert child.create(size_bytes) == "", "it was to be killed before it could answer"
    child.close()

    [killed] = [file for file in catalog.files.list_files(10) if file.file_id != acknowledged]
    assert killed.state == FileState.PENDING
    assert all(backend.size_bytes(path) in (12, size_bytes) for path in backend.list_files())
    repeated = producer.create_artifact(io.BytesIO(b"x" * size_bytes), "bin")
    assert repeated == killed.file_id
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
    child = Child(catalog_url, s3_url, proxy)
    proxy.reset(kill_at(number, is_done, child))
    assert child.create(size_bytes) == ""
    child.close()
    backend = S3Storage(s3_url, S3Settings())
    assert backend.clear_leftovers(catalog.collection.is_leased) == [], "its lease has not run out"
    collect(catalog, engine, backend)
    assert s3_back_door.everything() == []
    assert catalog.files.list_files(10) == []
