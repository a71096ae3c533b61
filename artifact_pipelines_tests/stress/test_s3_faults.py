"""Every request to S3 fails in every way, twice or always. The result is right or a typed error; nothing is left."""

import io
import secrets
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.tables import file_references, files
from artifact_pipelines.core.settings import S3Settings, Settings
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.backends import s3_client, s3_stream
from artifact_pipelines.storage.backends.s3 import S3Storage
from artifact_pipelines.storage.exceptions import StorageUnavailableError
from artifact_pipelines_tests.faulty_proxy import FAULTS, Fault, Proxy, fail_at, fail_from
from artifact_pipelines_tests.storage.back_door import S3BackDoor
from artifact_pipelines_tests.stress.place import create_and_collect

PART_BYTES = 10_000
WHOLE = secrets.token_bytes(PART_BYTES)  # 1 request: put
IN_PARTS = secrets.token_bytes(3 * PART_BYTES - 5)  # 6: begin, 3 parts, complete, look
CREATES = [(WHOLE, number) for number in range(1)] + [(IN_PARTS, number) for number in range(6)]
READ_REQUESTS = 4  # look, look, two ranges


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_stress = metafunc.config.getoption("--stress")
    if "fault" in metafunc.fixturenames:
        metafunc.parametrize("fault", FAULTS if is_stress else (FAULTS[4], FAULTS[-1]), ids=str)
    if "last_fault" in metafunc.fixturenames:  # the last answer of a dying server: it did nothing, or all
        metafunc.parametrize("last_fault", FAULTS if is_stress else (FAULTS[4], FAULTS[-1]), ids=str)


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(s3_stream, "READ_BYTES", 2 * PART_BYTES)
    monkeypatch.setattr(s3_stream, "FIRST_READ_BYTES", PART_BYTES)


@pytest.fixture
def catalog_url(request: pytest.FixtureRequest, settings: Settings, is_stress: bool) -> str:
    return str(request.getfixturevalue("postgresql_url")) if is_stress else settings.catalog_url


@pytest.fixture
def backend(proxy: Proxy, s3_url: str) -> S3Storage:
    return S3Storage(s3_url, S3Settings(endpoint_url=proxy.endpoint_url), part_bytes=PART_BYTES)


@pytest.fixture
def producer(catalog: Catalog, backend: S3Storage) -> ArtifactProducer:
    producer = ArtifactProducer(catalog.files, backend)
    create_and_collect(producer, catalog, backend)  # these requests are not counted
    return producer


def rows(engine: sa.Engine) -> object:
    with engine.connect() as connection:
        return [connection.execute(sa.select(table)).all() for table in (files, file_references)]


def put(producer: ArtifactProducer, data: bytes) -> int:
    return producer.create_artifact(io.BytesIO(data), "bin")


def read(producer: ArtifactProducer, file_id: int) -> bytes:
    with producer.open(file_id) as stream:  # type: ignore[arg-type]
        return stream.read()


def test_create_and_read_make_the_expected_number_of_requests(
    producer: ArtifactProducer, proxy: Proxy, backend: S3Storage
) -> None:
    for data in (WHOLE, IN_PARTS):
        proxy.reset()
        file_id = put(producer, data)
        assert len(proxy.requests) == len([number for content, number in CREATES if content is data])
    proxy.reset()
    assert read(producer, file_id) == IN_PARTS
    assert len(proxy.requests) == READ_REQUESTS


def test_create_that_fails_twice_succeeds(
    producer: ArtifactProducer, backend: S3Storage, proxy: Proxy, s3_back_door: S3BackDoor, fault: Fault
) -> None:
    for count, (data, number) in enumerate(CREATES, start=1):
        content = data[:-1] + bytes([number])
        proxy.reset(fail_at(number, fault, times=2))
        file_id = put(producer, content)
        proxy.reset()
        assert read(producer, file_id) == content
        # An upload that began without an answer is known to nobody: only `clear_leftovers` finds it.
        if fault.is_done and data is IN_PARTS and number == 0:
            assert len(backend.clear_leftovers(lambda file_id: False)) == 2
        assert len(s3_back_door.everything()) == count, f"request {number}"


def test_create_that_always_fails_leaves_nothing(
    producer: ArtifactProducer,
    backend: S3Storage,
    engine: sa.Engine,
    proxy: Proxy,
    s3_back_door: S3BackDoor,
    fault: Fault,
) -> None:
    before = rows(engine)
    for data, number in CREATES:
        proxy.reset(fail_at(number, fault))
        with pytest.raises(StorageUnavailableError, match="run again"):
            put(producer, data)
        assert len(proxy.requests) < 30
        proxy.reset()
        assert rows(engine) == before
        if fault.is_done and data is IN_PARTS and number == 0:
            assert len(backend.clear_leftovers(lambda file_id: False)) == s3_client.ATTEMPTS
        assert s3_back_door.everything() == [], f"request {number}"


def test_dying_server_leaves_the_catalog_unchanged_and_only_removable_bytes(
    producer: ArtifactProducer,
    backend: S3Storage,
    engine: sa.Engine,
    proxy: Proxy,
    s3_back_door: S3BackDoor,
    last_fault: Fault,
) -> None:
    before = rows(engine)
    for data, number in CREATES:
        proxy.reset(fail_from(number, last_fault))
        with pytest.raises(StorageUnavailableError):
            put(producer, data)
        proxy.reset()
        assert rows(engine) == before
        backend.clear_leftovers(lambda file_id: False)
        for path in list(backend.list_files()):  # the catalog knows none of them
            backend.delete_file(path)
        assert s3_back_door.everything() == []


def test_read_that_fails_twice_is_right_and_one_that_always_fails_is_a_typed_error(
    producer: ArtifactProducer, backend: S3Storage, proxy: Proxy, fault: Fault
) -> None:
    file_id = put(producer, IN_PARTS)
    for number in range(READ_REQUESTS):
        proxy.reset(fail_at(number, fault, times=2))
        assert read(producer, file_id) == IN_PARTS
        proxy.reset(fail_at(number, fault))
        with pytest.raises(StorageUnavailableError):
            read(producer, file_id)


@pytest.mark.parametrize(
    "use",
    [
        lambda backend: list(backend.list_files()),
        lambda backend: backend.clear_leftovers(lambda file_id: False),
    ],
    ids=["list", "clear"],
)
def test_listing_that_fails_twice_is_complete_and_one_that_always_fails_is_an_error(
    backend: S3Storage, proxy: Proxy, s3_back_door: S3BackDoor, use: Callable[[S3Storage], object], fault: Fault
) -> None:
    key = f"a/store/ab/{'ab' * 32}"
    s3_back_door.client.put_object(Bucket=s3_back_door.bucket, Key=f"{key}.1", Body=b"")
    s3_back_door.client.create_multipart_upload(Bucket=s3_back_door.bucket, Key=f"{key}.2")
    proxy.reset(fail_from(0, fault))
    with pytest.raises(StorageUnavailableError):
        use(backend)
    proxy.reset(fail_at(0, fault, times=2))
    found = use(backend)
    assert isinstance(found, list)
    assert len(found) == 1
