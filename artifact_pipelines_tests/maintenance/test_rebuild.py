"""Rebuilds a lost catalog from the files of its store."""

import gzip
import io

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import RefusedRowsError
from artifact_pipelines.catalog.lost_catalog import ID_MARGIN
from artifact_pipelines.core.types import FileId, StoragePath
from artifact_pipelines.maintenance.rebuild import rebuild
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines_tests.catalog.filled import next_file_id, rows_of
from artifact_pipelines_tests.catalog.test_file_catalog import counts_agree
from artifact_pipelines_tests.maintenance.lost_catalogs import (
    break_blocks,
    create,
    ignore,
    put,
)


def test_rebuild_adopts_unreadable_files(
    producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = create(producer, b"PAR1 broken")
    break_blocks(backend, monkeypatch, {broken})
    assert rebuild(empty, backend, ignore).files == 1
    assert empty.files.get_file(broken).file_type == "bin"


@pytest.mark.everywhere
def test_rebuild_finds_all_files_without_a_backup(
    catalog: Catalog, producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog, empty_engine: sa.Engine
) -> None:
    contents = [b"PAR1 table", gzip.compress(b"text"), b"a,b\n1,2\n", b""]
    known = [catalog.files.get_file(create(producer, content)) for content in contents]
    report = rebuild(empty, backend, ignore)
    assert (report.files, report.duplicates, report.highest_file_id) == (4, 0, 4 + ID_MARGIN)
    found = [empty.files.get_file(file.file_id) for file in known]
    for before, after in zip(known, found, strict=True):
        for name in ("content_hash", "hash_algorithm", "size_bytes", "storage_path", "state", "reference_count"):
            assert getattr(after, name) == getattr(before, name)
    assert [(f.file_type, f.compression_type) for f in found] == [
        ("parquet", None),
        ("bin", "gzip"),
        ("bin", None),
        ("bin", None),
    ]
    assert {tuple(empty.files.holders(file.file_id)) for file in known} == {("rebuilt",)}
    assert counts_agree(empty_engine)
    assert next_file_id(empty) == 5 + ID_MARGIN


def test_creating_a_rebuilt_content_again_corrects_its_file_type(
    producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog
) -> None:
    file_id = create(producer, b"a,b\n")
    rebuild(empty, backend, ignore)
    again = ArtifactProducer(empty.files, backend)
    assert again.create_artifact(io.BytesIO(b"a,b\n"), "csv", metadata={"from": "x"}) == file_id
    assert again.create_artifact(io.BytesIO(b"a,b\n"), "txt") == file_id
    file = empty.files.get_file(file_id)
    assert (file.file_type, file.mime_type, file.metadata) == ("csv", "text/csv", {"from": "x"})


def test_user_metadata_does_not_mark_a_file_as_rebuilt(catalog: Catalog, producer: ArtifactProducer) -> None:
    file_id = producer.create_artifact(io.BytesIO(b"x"), "txt", metadata={"rebuilt": False})
    producer.create_artifact(io.BytesIO(b"x"), "csv", metadata={"by": "another"})
    file = catalog.files.get_file(file_id)
    assert (file.file_type, file.metadata) == ("txt", {"rebuilt": False})


def test_rebuild_keeps_the_newest_of_two_files_with_one_content(
    catalog: Catalog,
    producer: ArtifactProducer,
    backend: IStorageBackend,
    empty: Catalog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("artifact_pipelines.maintenance.rebuild.BATCH_FILES", 2)
    file = catalog.files.get_file(create(producer, b"x"))
    create(producer, b"y")
    for file_id in (9, 5, 7):
        put(backend, StoragePath(file.content_hash, FileId(file_id)), b"x")
    report = rebuild(empty, backend, ignore)
    assert (report.files, report.duplicates, report.highest_file_id) == (2, 3, 9 + ID_MARGIN)
    assert [f.file_id for f in empty.files.list_files(10)] == [9, 2]
    assert next_file_id(empty) == 10 + ID_MARGIN


def test_rebuild_refuses_a_store_of_two_catalogs(
    catalog: Catalog, producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog, empty_engine: sa.Engine
) -> None:
    create(producer, b"x")
    put(backend, StoragePath("ab" * 32, FileId(1)), b"y")
    with pytest.raises(RefusedRowsError, match="not the store of one catalog"):
        rebuild(empty, backend, ignore)
    assert not any(rows_of(empty_engine).values())


def test_empty_store_gives_an_empty_catalog(backend: IStorageBackend, empty: Catalog) -> None:
    assert rebuild(empty, backend, ignore).files == 0
    assert next_file_id(empty) == 1 + ID_MARGIN
