"""Clean-up as a whole: which files it deletes and keeps, also after a crash at any point."""

import datetime
import io
import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.collection import CollectionCatalog
from artifact_pipelines.catalog.files import FileCatalog
from artifact_pipelines.core.exceptions import LeaseExpiredError, UnknownFileError
from artifact_pipelines.core.retention import RetentionPolicy
from artifact_pipelines.core.types import (
    Amount,
    Content,
    FileDescription,
    FileId,
    Leftover,
    MaterializationFacts,
    StoragePath,
)
from artifact_pipelines.maintenance.clean_up import CleanUpReport, clean_up
from artifact_pipelines.maintenance.exceptions import TooMuchToDeleteError
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import CatalogOlderThanStoreError, StorageUnavailableError
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines_tests.catalog.test_collection_catalog import age
from artifact_pipelines_tests.catalog.test_file_catalog import counts_agree
from artifact_pipelines_tests.contracts.storage_backend import put
from artifact_pipelines_tests.faulty_proxy import Fault, Proxy
from artifact_pipelines_tests.storage.settling import put_and_settle
from artifact_pipelines_tests.stress import acts
from artifact_pipelines_tests.stress.children import run_at_once
from artifact_pipelines_tests.stress.place import Place

_REAL_DATETIME = datetime.datetime


def create(producer: ArtifactProducer, text: str) -> FileId:
    return producer.create_artifact(io.BytesIO(text.encode()), "txt")


def materialize(catalog: Catalog, producer: ArtifactProducer, text: str, asset: str = "flights/table") -> FileId:
    def settle(lease: Any) -> FileId:
        facts = MaterializationFacts(asset, lease.file.content_hash, run_id=f"run of {text}")
        return catalog.materializations.record(facts, [lease]).file.file_id

    return put_and_settle(producer, io.BytesIO(text.encode()), describe("txt"), settle)


def read(producer: ArtifactProducer, file_id: FileId) -> bytes:
    with producer.open(file_id) as stream:
        return stream.read()


def stored(backend: IStorageBackend) -> set[FileId]:
    return {path.file_id for path in backend.list_files()}


@pytest.fixture
def full(catalog: Catalog, engine: sa.Engine, backend: IStorageBackend, producer: ArtifactProducer) -> list[FileId]:
    """A store with garbage of every kind. Returns the files to keep."""
    held = create(producer, "held")
    producer.release(create(producer, "released"))
    versions = [materialize(catalog, producer, text) for text in ("one", "two", "three")]
    catalog.retention.set_policy("flights/table", RetentionPolicy(keep_last=1))
    producer.release(lost := create(producer, "lost"))
    path = catalog.files.get_file(lost).storage_path
    assert [g.file_id for g in catalog.collection.garbage(0, 10)] == [2, lost]
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM files WHERE file_id = :id"), {"id": lost})
    assert backend.exists(path)
    FileCatalog(engine, lease_s=-1).acquire_all([(Content("f" * 64, 4), FileDescription("txt"))], "blake3")[0]
    return [held, versions[-1]]


@pytest.mark.everywhere
def test_clean_up_deletes_exactly_what_nothing_holds(
    catalog: Catalog, engine: sa.Engine, backend: IStorageBackend, producer: ArtifactProducer, full: list[FileId]
) -> None:
    report = clean_up(catalog, backend, grace_s=0)
    assert stored(backend) == set(full)
    assert [read(producer, file_id) for file_id in full] == [b"held", b"three"]
    assert len(report.reaped) == len(report.orphans) == 1
    assert [str(v.version.name) for v in report.released] == ["flights/table version 2", "flights/table version 1"]
    reasons = sorted(garbage.reason for garbage in report.collected)
    retention = "retention: not among the last 1"
    assert reasons == ["released by its caller", retention, retention, "writer never finished"]
    assert counts_agree(engine)
    again = clean_up(catalog, backend, grace_s=0)
    assert (again.reaped, again.released, again.collected, again.orphans, again.leftovers) == ([], [], [], [], [])


def test_dry_run_changes_nothing_and_lists_the_same_files(
    catalog: Catalog, engine: sa.Engine, backend: IStorageBackend, full: list[FileId]
) -> None:
    before, files = _rows(engine), stored(backend)
    report = clean_up(catalog, backend, grace_s=0, dry_run=True)
    assert _rows(engine) == before
    assert stored(backend) == files
    assert (len(report.reaped), len(report.orphans), len(report.released)) == (1, 1, 2)
    collected = [(garbage.asset, garbage.reason, garbage.size_bytes) for garbage in report.collected]
    assert collected == [(None, "released by its caller", 8), (None, "writer never finished", 4)]
    kept = {v.version.name.version: v.reason for v in report.verdicts if v.is_kept}
    assert kept == {3: "current, one of the last 1"}


def _rows(engine: sa.Engine) -> dict[str, list[tuple[Any, ...]]]:
    with engine.connect() as connection:
        names = ("files", "file_references", "materializations", "retention_policies")
        return {name: [tuple(r) for r in connection.execute(sa.text(f"SELECT * FROM {name}"))] for name in names}


def test_no_stored_file_is_deleted_within_the_grace_period(
    catalog: Catalog, engine: sa.Engine, backend: IStorageBackend, full: list[FileId]
) -> None:
    report = clean_up(catalog, backend)
    assert [garbage.reason for garbage in report.collected] == ["writer never finished"]
    assert len(stored(backend)) == 5
    age(engine, 86_401)
    assert len(clean_up(catalog, backend).collected) == 3
    assert stored(backend) == set(full)


def test_size_of_an_orphan_is_queried_once(
    catalog: Catalog,
    engine: sa.Engine,
    backend: IStorageBackend,
    producer: ArtifactProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = catalog.files.get_file(create(producer, "lost")).storage_path
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM file_references"))
        connection.execute(sa.text("DELETE FROM files"))
    asked: list[StoragePath] = []
    list_files, size_bytes = backend.list_files, backend.size_bytes

    def listed() -> Iterator[StoragePath]:
        yield from list_files()
        asked.clear()  # listing a folder examines every file

    def noted(path: StoragePath) -> int | None:
        asked.append(path)
        return size_bytes(path)

    monkeypatch.setattr(backend, "list_files", listed)
    monkeypatch.setattr(backend, "size_bytes", noted)
    assert clean_up(catalog, backend, dry_run=True).orphans == [Leftover(str(path), 4)]
    assert asked == [path]


def test_left_overs_of_dead_writers_are_deleted(catalog: Catalog, tmp_path: pathlib.Path) -> None:
    backend = open_backend(str(tmp_path / "store"))
    (tmp_path / "store" / ".staging").mkdir(parents=True)
    (tmp_path / "store" / ".staging" / ("0" * 32)).write_bytes(b"123")
    expected = [Leftover(".staging/" + "0" * 32, 3)]
    assert clean_up(catalog, backend, dry_run=True).leftovers == expected
    assert clean_up(catalog, backend).leftovers == expected
    assert clean_up(catalog, backend).leftovers == []


@pytest.mark.parametrize("kind", ["NotImplemented", "MethodNotAllowed", "NoSuchKey"])
def test_server_that_cannot_list_uploads_is_cleaned_up_but_for_these(
    catalog: Catalog, s3_url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint_url)
    backend = open_backend(s3_url)
    producer = ArtifactProducer(catalog.files, backend)
    producer.release(create(producer, "unwanted"))
    proxy.reset(lambda request: Fault(kind) if "?uploads" in request.line else None)
    report = clean_up(catalog, backend, grace_s=0)
    assert (report.freed.files, list(backend.list_files()), report.leftovers) == (1, [], [])
    [skipped] = report.skipped
    assert "does not support list_multipart_uploads" in skipped


@pytest.mark.parametrize("dry_run", [True, False])
def test_large_share_is_refused_before_anything_is_deleted(
    catalog: Catalog,
    backend: IStorageBackend,
    producer: ArtifactProducer,
    monkeypatch: pytest.MonkeyPatch,
    dry_run: bool,
) -> None:
    monkeypatch.setattr("artifact_pipelines.maintenance.orphans.FREE_FILES", 2)
    for text in "abcdef":
        file_id = create(producer, text)
        if text < "d":
            producer.release(file_id)
    with pytest.raises(TooMuchToDeleteError, match="3 of 6 files"):
        clean_up(catalog, backend, grace_s=0, dry_run=dry_run)
    assert len(stored(backend)) == 6
    assert len(clean_up(catalog, backend, grace_s=0, dry_run=dry_run, max_share=0.5).collected) == 3


def test_store_newer_than_the_catalog_is_left_unchanged(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer
) -> None:
    producer.release(create(producer, "released"))
    put(backend, b"newer", StoragePath("e" * 64, FileId(7)))
    with pytest.raises(CatalogOlderThanStoreError):
        clean_up(catalog, backend, grace_s=0)
    assert stored(backend) == {1, 7}
    assert len(catalog.collection.garbage(0, 10)) == 1


def test_crash_between_row_and_bytes_leaves_an_orphan_for_the_next_clean_up(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer.release(file_id := create(producer, "released"))
    path = catalog.files.get_file(file_id).storage_path

    def fail(path: StoragePath) -> None:
        raise StorageUnavailableError("the store", "gone")

    with monkeypatch.context() as broken:
        broken.setattr(backend, "delete_file", fail)
        with pytest.raises(StorageUnavailableError):
            clean_up(catalog, backend, grace_s=0)
    with pytest.raises(UnknownFileError):
        catalog.files.get_file(file_id)
    assert stored(backend) == {file_id}
    assert [orphan.name for orphan in clean_up(catalog, backend, grace_s=0).orphans] == [str(path)]
    assert stored(backend) == set()


@pytest.mark.everywhere
def test_content_created_again_during_its_collection_is_a_new_file(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer.release(old := create(producer, "text"))
    delete, made = backend.delete_file, []

    def create_in_between(path: StoragePath) -> None:
        made.append(create(producer, "text"))
        delete(path)

    monkeypatch.setattr(backend, "delete_file", create_in_between)
    clean_up(catalog, backend, grace_s=0)
    [new] = made
    assert new > old
    assert read(producer, new) == b"text"
    assert stored(backend) == {new}


def test_writer_slower_than_its_lease_fails_and_leaves_nothing(
    catalog: Catalog, engine: sa.Engine, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = FileCatalog(engine, lease_s=-1)  # every lease is expired from the start
    write, reports = backend.write_stream, list[CleanUpReport]()

    def write_and_clean_up(content: Any, path: StoragePath) -> None:
        write(content, path)
        reports.append(clean_up(catalog, backend, grace_s=0))

    monkeypatch.setattr(backend, "write_stream", write_and_clean_up)
    with pytest.raises(LeaseExpiredError):
        create(ArtifactProducer(hasty, backend), "slow")
    assert [garbage.reason for garbage in reports[0].collected] == ["writer never finished"]
    clean_up(catalog, backend, grace_s=0)
    assert stored(backend) == set()
    assert counts_agree(engine)


def test_concurrent_collectors_and_writers_lose_nothing(
    catalog: Catalog, engine: sa.Engine, storage_url: str, backend: IStorageBackend, producer: ArtifactProducer
) -> None:
    is_over = threading.Event()
    collected: list[int] = []
    turns = 5 if storage_url.startswith("s3") else 15

    def collect() -> None:
        while not is_over.is_set():
            collected.append(len(clean_up(catalog, backend, grace_s=0, max_share=1).collected))

    def write(number: int) -> None:
        for turn in range(turns):
            text = f"content {(number + turn) % 5}"
            file_id = create(producer, text)
            assert read(producer, file_id) == text.encode()
            producer.release(file_id)

    with ThreadPoolExecutor(6) as pool:
        collectors = [pool.submit(collect) for _ in range(2)]
        writers = [pool.submit(write, number) for number in range(4)]
        for writer in writers:
            writer.exception()
        is_over.set()
    for future in [*collectors, *writers]:
        future.result()
    collected.append(len(clean_up(catalog, backend, grace_s=0, max_share=1).collected))
    assert sum(collected) > 0
    assert stored(backend) == set()
    assert counts_agree(engine)


@pytest.mark.everywhere
def test_concurrent_processes_collect_each_file_once(
    catalog: Catalog, catalog_url: str, storage_url: str, backend: IStorageBackend, producer: ArtifactProducer
) -> None:
    for number in range(40):
        producer.release(create(producer, f"{number}"))
    outcomes = run_at_once([(acts.collect, Place(catalog_url, storage_url))] * 3)
    assert [(outcome.error, outcome.reason) for outcome in outcomes] == [(None, "")] * 3
    assert sum(count for outcome in outcomes for count in outcome.acknowledged) == 40
    assert stored(backend) == set()


@pytest.mark.parametrize("shift_s", [864_000.0, -864_000.0])
def test_clock_of_the_host_does_not_matter(
    catalog: Catalog,
    engine: sa.Engine,
    backend: IStorageBackend,
    producer: ArtifactProducer,
    monkeypatch: pytest.MonkeyPatch,
    shift_s: float,
) -> None:
    held, leased = create(producer, "held"), "f" * 64
    for clock in ("time", "monotonic"):
        monkeypatch.setattr(time, clock, _shifted(getattr(time, clock), shift_s))
    monkeypatch.setattr(datetime, "datetime", _shifted_datetime(shift_s))
    catalog.files.acquire_all([(Content(leased, 4), FileDescription("txt"))], "blake3")[0]
    producer.release(young := create(producer, "young"))
    for number in range(2):
        materialize(catalog, producer, f"{number}")
    catalog.retention.set_policy("flights/table", RetentionPolicy(keep_within="1d"))
    report = clean_up(catalog, backend)
    assert (report.reaped, report.released, report.collected) == ([], [], [])
    assert {held, young} <= stored(backend)
    age(engine, 86_401)
    assert [garbage.file_id for garbage in clean_up(catalog, backend).collected] == [young]


def _shifted(clock: Callable[[], float], shift_s: float) -> Callable[[], float]:
    return lambda: clock() + shift_s


class _AnyDatetime(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _REAL_DATETIME)


def _shifted_datetime(shift_s: float) -> type:
    def now(tz: datetime.tzinfo | None = None) -> Any:
        return _REAL_DATETIME.now(tz) + datetime.timedelta(seconds=shift_s)

    return _AnyDatetime("datetime", (_REAL_DATETIME,), {"now": staticmethod(now)})


def test_large_clean_up_works_in_batches_and_reports_progress(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifact_pipelines.maintenance.clean_up.BATCH_FILES", 2)
    for number in range(5):
        producer.release(create(producer, f"{number}"))
    steps: list[str] = []
    report = clean_up(catalog, backend, grace_s=0, progress=steps.append)
    assert report.freed == Amount(5, 5)
    assert [text for text in steps if text.startswith("Collecting")] == [
        "Collecting: 2 of 5 files",
        "Collecting: 4 of 5 files",
        "Collecting: 5 of 5 files",
    ]


def test_row_is_deleted_before_its_bytes(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer.release(create(producer, "released"))
    events: list[str] = []
    collect, delete = CollectionCatalog.collect, backend.delete_file

    def collect_noted(self: CollectionCatalog, grace_s: float, limit: int) -> Any:
        gone = collect(self, grace_s, limit)
        events.extend(f"row {garbage.file_id}" for garbage in gone)
        return gone

    def delete_noted(path: StoragePath) -> None:
        events.append(f"bytes {path.file_id}")
        delete(path)

    monkeypatch.setattr(CollectionCatalog, "collect", collect_noted)
    monkeypatch.setattr(backend, "delete_file", delete_noted)
    clean_up(catalog, backend, grace_s=0)
    assert events == ["row 1", "bytes 1"]
