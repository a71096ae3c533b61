"""Verification finds all damage and nothing else, also during concurrent writes and clean-ups."""

import io
import pathlib
from collections.abc import Callable
from typing import BinaryIO

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.tables import file_references, files
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.findings import FindingKind
from artifact_pipelines.core.types import FileId, FileInfo, FileState, MaterializationFacts, StoragePath
from artifact_pipelines.maintenance.clean_up import clean_up
from artifact_pipelines.maintenance.exceptions import ForeignStoreError, TooMuchToDeleteError
from artifact_pipelines.maintenance.verification import verify
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import StorageUnavailableError
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines_tests.storage.back_door import BackDoor
from artifact_pipelines_tests.storage.settling import put_and_settle


def content(number: int) -> bytes:
    return f"content {number}\n".encode() * (1000 + number)


@pytest.fixture
def stored(producer: ArtifactProducer, catalog: Catalog) -> list[FileInfo]:
    """Five files, the first of which an asset holds."""

    def record(lease: object) -> FileId:
        facts = MaterializationFacts("flights/table", "v")
        return catalog.materializations.record(facts, [lease]).file.file_id  # type: ignore[list-item]

    ids = [put_and_settle(producer, io.BytesIO(content(0)), describe("txt"), record)]
    ids += [producer.create_artifact(io.BytesIO(content(number)), "txt") for number in range(1, 5)]
    return [catalog.files.get_file(file_id) for file_id in ids]


def test_intact_store_is_clean_and_marked_as_verified(
    catalog: Catalog, backend: IStorageBackend, stored: list[FileInfo]
) -> None:
    report = verify(catalog, backend)
    assert report.is_clean
    assert (report.findings, report.files) == ([], 5)
    assert report.size_bytes == sum(file.size_bytes for file in stored)
    assert all(catalog.files.get_file(file.file_id).verified_at for file in stored)


def test_empty_store_is_clean(catalog: Catalog, backend: IStorageBackend) -> None:
    assert verify(catalog, backend).is_clean


@pytest.mark.parametrize(
    ("damage", "kind", "expected", "found"),
    [
        (lambda data: None, FindingKind.MISSING, "10,000 bytes", "nothing"),
        (lambda data: data[:-1], FindingKind.WRONG_SIZE, "10,000 bytes", "9,999 bytes"),
        (lambda data: data + b"x", FindingKind.WRONG_SIZE, "10,000 bytes", "10,001 bytes"),
        (lambda data: b"X" + data[1:], FindingKind.CORRUPT, "blake3", ""),
    ],
)
@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.everywhere
def test_damage_names_its_holders_and_heals_when_the_content_is_created_again(
    catalog: Catalog,
    backend: IStorageBackend,
    producer: ArtifactProducer,
    back_door: BackDoor,
    stored: list[FileInfo],
    damage: Callable[[bytes], bytes | None],
    kind: FindingKind,
    expected: str,
    found: str,
    repair: bool,
) -> None:
    file = stored[0]
    damaged = damage(back_door.get(file.storage_path))
    back_door.delete(file.storage_path) if damaged is None else back_door.put(file.storage_path, damaged)
    for _ in range(2):  # the next day, again
        report = verify(catalog, backend, share=0.2, repair=repair)
        [finding] = report.findings
        assert not report.is_clean
        assert (finding.kind, finding.file_id, finding.is_repaired) == (kind, file.file_id, False)
        assert (finding.holders, finding.where) == (["flights/table version 1"], backend.uri(file.storage_path))
        assert expected in finding.expected
        assert found in finding.found
        assert finding.kind.remedy
    if damaged is not None:
        assert back_door.get(file.storage_path) == damaged, "the evidence stays"
    assert producer.create_artifact(io.BytesIO(content(0)), "txt") == file.file_id
    assert verify(catalog, backend).findings == []
    with producer.open(file.file_id) as stream:
        assert stream.read() == content(0)


def test_unreadable_file_is_a_finding_and_unavailable_store_an_error(
    catalog: Catalog, backend: IStorageBackend, stored: list[FileInfo], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, bad = backend.read_stream, {file.storage_path for file in stored[:4]}  # bad blocks are adjacent

    def refuse(path: StoragePath) -> BinaryIO:
        if path in bad:
            raise StorageUnavailableError(str(path), "Input/output error")
        return read(path)

    monkeypatch.setattr(backend, "read_stream", refuse)
    findings = verify(catalog, backend).findings
    assert [(f.kind, f.file_id, f.found) for f in findings] == [
        (FindingKind.UNREADABLE, file.file_id, "Input/output error") for file in stored[:4]
    ]
    assert catalog.files.get_file(stored[0].file_id).state == FileState.STORED, "it may be readable tomorrow"
    assert catalog.files.get_file(stored[4].file_id).verified_at, "files behind it are read all the same"
    size_bytes = backend.size_bytes

    def one_can_not_be_looked_at(path: StoragePath) -> int | None:
        if path == stored[2].storage_path:
            raise StorageUnavailableError(str(path), "Input/output error")
        return size_bytes(path)

    monkeypatch.setattr(backend, "list_files", lambda: iter([file.storage_path for file in stored]))
    monkeypatch.setattr(backend, "size_bytes", one_can_not_be_looked_at)
    assert len(verify(catalog, backend).findings) == 4
    monkeypatch.setattr(backend, "size_bytes", refuse)
    with pytest.raises(StorageUnavailableError):
        verify(catalog, backend)


def test_restored_bytes_clear_the_damage_mark(
    catalog: Catalog, backend: IStorageBackend, back_door: BackDoor, stored: list[FileInfo]
) -> None:
    path = stored[1].storage_path
    back_door.put(path, bytes(stored[1].size_bytes))
    assert not verify(catalog, backend).is_clean
    assert catalog.files.get_file(stored[1].file_id).state == FileState.DAMAGED
    back_door.put(path, content(1))  # restored from a backup
    assert verify(catalog, backend).is_clean
    assert catalog.files.get_file(stored[1].file_id).state == FileState.STORED


def test_shares_rotate_and_damaged_files_do_not_count(
    catalog: Catalog, backend: IStorageBackend, back_door: BackDoor, stored: list[FileInfo]
) -> None:
    back_door.delete(stored[0].storage_path)
    seen = []
    for _ in range(4):
        report = verify(catalog, backend, share=0.2)
        assert [finding.file_id for finding in report.findings] == [stored[0].file_id]
        assert report.files == 2
        seen.append(report.size_bytes)
    assert seen == [file.size_bytes for file in stored[1:]]


@pytest.mark.parametrize("share", [0.0, -1.0, 1.1])
def test_share_out_of_range_is_refused(catalog: Catalog, backend: IStorageBackend, share: float) -> None:
    with pytest.raises(InvalidArgumentError, match="share must be"):
        verify(catalog, backend, share=share)


def test_progress_is_reported_in_bytes(catalog: Catalog, backend: IStorageBackend, stored: list[FileInfo]) -> None:
    reports: list[tuple[int, int]] = []
    verify(catalog, backend, on_progress=lambda read, expected: reports.append((read, expected)))
    total = sum(file.size_bytes for file in stored)
    assert reports[-1] == (total, total)
    assert [read for read, _ in reports] == sorted(read for read, _ in reports)


@pytest.mark.everywhere
def test_wrong_rows_are_found_and_repaired(
    catalog: Catalog, backend: IStorageBackend, stored: list[FileInfo], engine: sa.Engine
) -> None:
    held = file_references.c.file_id
    with engine.begin() as connection:
        connection.execute(sa.delete(file_references).where(held == stored[0].file_id))
        connection.execute(sa.update(files).where(files.c.file_id == stored[0].file_id).values(reference_count=0))
        connection.execute(
            sa.update(file_references).where(held == stored[1].file_id).values(holder="materialization:9")
        )
        connection.execute(sa.update(files).where(files.c.file_id == stored[2].file_id).values(reference_count=7))
    expected = [
        (FindingKind.HELD_BY_NOTHING, stored[1].file_id),
        (FindingKind.UNHELD, stored[0].file_id),
        (FindingKind.WRONG_COUNT, stored[2].file_id),
    ]
    for repair in (False, True):
        report = verify(catalog, backend, repair=repair)
        assert [(finding.kind, finding.file_id) for finding in report.findings] == expected
        assert [finding.is_repaired for finding in report.findings] == [repair] * 3
        assert report.is_clean is repair
    assert verify(catalog, backend).findings == []
    assert [catalog.files.get_file(file.file_id).reference_count for file in stored] == [1, 0, 1, 1, 1]


def test_repair_removes_bytes_without_a_row(
    catalog: Catalog, backend: IStorageBackend, back_door: BackDoor, stored: list[FileInfo], engine: sa.Engine
) -> None:
    catalog.files.release(stored[4].file_id, "caller")
    with engine.begin() as connection:
        connection.execute(sa.delete(files).where(files.c.file_id == stored[4].file_id))
    for repair in (False, True):
        report = verify(catalog, backend, repair=repair)
        [finding] = report.findings
        assert (finding.kind, finding.file_id, finding.is_repaired) == (
            FindingKind.ORPHAN,
            stored[4].file_id,
            repair,
        )
        assert report.is_clean, "garbage of a crash is not damage"
        assert backend.exists(stored[4].storage_path) is not repair
    assert verify(catalog, backend).findings == []


def test_large_share_of_garbage_is_reported_and_not_removed(
    catalog: Catalog,
    backend: IStorageBackend,
    stored: list[FileInfo],
    engine: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.delete(file_references))
        connection.execute(sa.delete(files).where(files.c.file_id > 1))
        connection.execute(sa.update(files).values(reference_count=0))
    monkeypatch.setattr("artifact_pipelines.maintenance.orphans.FREE_FILES", 0)
    with pytest.raises(TooMuchToDeleteError):
        verify(catalog, backend, repair=True)
    assert len([f for f in verify(catalog, backend).findings if f.kind == FindingKind.ORPHAN]) == 4


def test_store_of_another_catalog_is_refused_before_any_read(
    catalog: Catalog,
    backend: IStorageBackend,
    back_door: BackDoor,
    stored: list[FileInfo],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    back_door.put(StoragePath("a" * 64, stored[0].file_id), b"other")
    monkeypatch.setattr(backend, "read_stream", None)
    with pytest.raises(ForeignStoreError):
        verify(catalog, backend)


def test_failed_repair_is_reported(
    catalog: Catalog, backend: IStorageBackend, stored: list[FileInfo], engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.delete(file_references).where(file_references.c.file_id == stored[0].file_id))
        connection.execute(sa.delete(files).where(files.c.file_id == stored[0].file_id))
    report = verify(catalog, backend, repair=True)
    found = [(finding.kind, finding.is_repaired) for finding in report.findings]
    assert found == [(FindingKind.LOST, False)]
    assert not report.is_clean
    clean_up(catalog, backend, grace_s=0)
    assert backend.exists(stored[0].storage_path), "the remaining bytes stay"


class Meanwhile:
    """A backend that runs a function during its next read."""

    def __init__(self, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch) -> None:
        self._read = backend.read_stream
        self._then: Callable[[], object] | None = None
        monkeypatch.setattr(backend, "read_stream", self.read_stream)

    def happens(self, then: Callable[[], object]) -> None:
        self._then = then

    def read_stream(self, path: StoragePath) -> BinaryIO:
        then, self._then = self._then, None
        if then is None:
            return self._read(path)
        with self._read(path) as stream:
            data = stream.read()
        then()
        return io.BytesIO(data)


@pytest.fixture
def meanwhile(backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    return Meanwhile(backend, monkeypatch)


def test_file_collected_during_its_read_is_not_a_finding(
    catalog: Catalog, backend: IStorageBackend, stored: list[FileInfo], engine: sa.Engine, back_door: BackDoor
) -> None:
    """The collector deletes row and bytes after verification has listed the file."""
    listed = list(catalog.audit.files_to_verify())
    catalog.files.release(stored[1].file_id, "caller")
    with engine.begin() as connection:
        connection.execute(sa.delete(files).where(files.c.file_id == stored[1].file_id))
    back_door.delete(stored[1].storage_path)
    catalog.audit.files_to_verify = lambda batch=0: iter(listed)  # type: ignore[method-assign]
    assert verify(catalog, backend).findings == []


def test_file_healed_during_its_read_is_not_a_finding(
    catalog: Catalog,
    backend: IStorageBackend,
    producer: ArtifactProducer,
    back_door: BackDoor,
    stored: list[FileInfo],
    meanwhile: Meanwhile,
) -> None:
    back_door.put(stored[0].storage_path, bytes(stored[0].size_bytes))

    def heal() -> None:
        catalog.files.mark_damaged(stored[0])
        producer.create_artifact(io.BytesIO(content(0)), "txt")

    meanwhile.happens(heal)
    assert verify(catalog, backend).findings == []
    assert catalog.files.get_file(stored[0].file_id).state == FileState.STORED


def test_damage_is_found_despite_a_faster_verifier(
    catalog: Catalog, backend: IStorageBackend, back_door: BackDoor, stored: list[FileInfo], meanwhile: Meanwhile
) -> None:
    back_door.put(stored[0].storage_path, bytes(stored[0].size_bytes))
    meanwhile.happens(lambda: verify(catalog, backend))
    assert [finding.file_id for finding in verify(catalog, backend).findings] == [stored[0].file_id]


def test_file_being_written_is_not_a_finding(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, reports = backend.write_stream, []

    def look(*arguments: object) -> None:
        reports.append(verify(catalog, backend))
        write(*arguments)  # type: ignore[arg-type]
        reports.append(verify(catalog, backend))

    monkeypatch.setattr(backend, "write_stream", look)
    producer.create_artifact(io.BytesIO(content(7)), "txt")
    assert [report.findings for report in reports] == [[], []]


def test_large_file_is_read_in_pieces(catalog: Catalog, tmp_path: pathlib.Path) -> None:
    import tracemalloc

    backend = open_backend(str(tmp_path / "store"))  # the memory of a test server for S3 would count too
    ArtifactProducer(catalog.files, backend).create_artifact(io.BytesIO(bytes(40 << 20)), "bin")
    tracemalloc.start()
    assert verify(catalog, backend).is_clean
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
