"""Restores a lost catalog from its backup."""

import datetime
import gzip
import io
import json
import pathlib
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import CatalogNotEmptyError, RefusedRowsError
from artifact_pipelines.catalog.lost_catalog import ID_MARGIN
from artifact_pipelines.catalog.tables import files
from artifact_pipelines.catalog.transfer import migrate
from artifact_pipelines.core.exceptions import UnknownFileError
from artifact_pipelines.core.types import Content, FileDescription, FileId, FileState, StoragePath
from artifact_pipelines.maintenance.backup import back_up, find_backup
from artifact_pipelines.maintenance.clean_up import clean_up
from artifact_pipelines.maintenance.exceptions import (
    DamagedBackupError,
    OutdatedBackupError,
    UnreadableBackupError,
)
from artifact_pipelines.maintenance.orphans import find_orphans
from artifact_pipelines.maintenance.rebuild import rebuild
from artifact_pipelines.maintenance.restore import restore
from artifact_pipelines.maintenance.verification import verify
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import CatalogOlderThanStoreError
from artifact_pipelines.storage.file_types import describe
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines_tests.catalog.filled import fill, materialize, next_file_id, rows_of
from artifact_pipelines_tests.catalog.test_file_catalog import counts_agree
from artifact_pipelines_tests.maintenance.lost_catalogs import (
    break_blocks,
    create,
    ignore,
    put,
    restore_catalog,
)
from artifact_pipelines_tests.storage.settling import put_and_settle


@pytest.mark.everywhere
def test_newest_backup_restores_all_rows(
    catalog: Catalog,
    engine: sa.Engine,
    producer: ArtifactProducer,
    backend: IStorageBackend,
    empty: Catalog,
    empty_engine: sa.Engine,
) -> None:
    lease = fill(catalog, engine, producer)
    back_up(catalog, producer)
    materialize(catalog, producer, b"table 9")
    before = rows_of(engine)
    backup = back_up(catalog, producer)
    report = restore_catalog(empty, backend)
    assert (report.backup_file_id, report.adopted, report.missing, report.dropped) == (backup.file.file_id, 1, 0, 1)
    after = dict(rows_of(empty_engine))
    for table in before.keys() - {"files", "file_references"}:
        assert after[table] == before[table], table
    assert [row for row in after["files"] if row[0] != backup.file.file_id] == [
        row for row in before["files"] if row[0] != lease.file.file_id
    ]
    assert counts_agree(empty_engine)
    assert empty.files.holders(backup.file.file_id) == ["rebuilt"]
    assert empty.materializations.history("flights/table") == catalog.materializations.history("flights/table")
    with ArtifactProducer(empty.files, backend).open(
        empty.materializations.version("flights/table", 2).file.file_id
    ) as stream:
        assert stream.read() == b"table 1"
    with pytest.raises(UnknownFileError):
        empty.files.get_file(lease.file.file_id)
    assert next_file_id(empty) == backup.file.file_id + ID_MARGIN + 1


def test_files_created_since_the_backup_are_adopted_and_held(
    catalog: Catalog, producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog
) -> None:
    materialize(catalog, producer, b"x")
    back_up(catalog, producer)
    new = create(producer, b"PAR1 and so on")
    report = restore_catalog(empty, backend)
    assert report.adopted == 2, "the file and the backup itself"
    file = empty.files.get_file(new)
    assert (file.state, file.size_bytes, file.file_type, file.reference_count) == (FileState.STORED, 14, "parquet", 1)
    assert empty.files.holders(new) == ["rebuilt"]
    assert next_file_id(empty) == new + ID_MARGIN + 1 == report.highest_file_id + 1


@pytest.mark.parametrize("has_backup", [True, False])
def test_id_of_a_vanished_file_is_not_given_again(
    catalog: Catalog, producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog, has_backup: bool
) -> None:
    if has_backup:
        back_up(catalog, producer)
    late = create(producer, b"created after the backup, collected before the loss")
    producer.release(late)
    clean_up(catalog, backend, grace_s=0, max_share=1.0)
    report = restore_catalog(empty, backend) if has_backup else rebuild(empty, backend, ignore)
    new = create(ArtifactProducer(empty.files, backend), b"something else")
    assert new == report.highest_file_id + 1 > late
    assert not find_orphans(empty, backend)
    put(backend, StoragePath("ab" * 32, FileId(new + 1)), b"of another catalog")
    with pytest.raises(CatalogOlderThanStoreError):
        find_orphans(empty, backend)


def test_content_collected_and_created_again_has_its_new_id(
    catalog: Catalog,
    engine: sa.Engine,
    producer: ArtifactProducer,
    backend: IStorageBackend,
    empty: Catalog,
    empty_engine: sa.Engine,
) -> None:
    old = materialize(catalog, producer, b"content").file
    back_up(catalog, producer)
    with engine.begin() as connection:  # as clean-up does
        connection.execute(sa.text("DELETE FROM file_references WHERE file_id = 1"))
        connection.execute(sa.text("DELETE FROM files WHERE file_id = 1"))
    backend.delete_file(old.storage_path)
    new = producer.create_artifact(io.BytesIO(b"content"), "bin")
    assert new != old.file_id
    assert restore_catalog(empty, backend).missing == 0
    found = empty.materializations.current("flights/table").file
    assert (found.file_id, found.file_type, found.metadata) == (new, "csv", old.metadata)
    assert sorted(empty.files.holders(new)) == ["materialization:1", "rebuilt"]
    assert counts_agree(empty_engine)


def test_missing_files_are_counted_and_reported_by_verify(
    catalog: Catalog, producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog
) -> None:
    made = materialize(catalog, producer, b"x")
    back_up(catalog, producer)
    backend.delete_file(made.file.storage_path)
    assert restore_catalog(empty, backend).missing == 1
    assert empty.files.get_file(made.file.file_id).state == FileState.STORED


def test_write_completed_after_the_backup_is_kept(
    catalog: Catalog, producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog, empty_engine: sa.Engine
) -> None:
    def back_up_before_it_is_settled(lease: Any) -> FileId:
        back_up(catalog, producer)
        catalog.files.settle_all([lease], "me")
        return FileId(lease.file.file_id)

    file_id = put_and_settle(producer, io.BytesIO(b"slow"), describe("txt"), back_up_before_it_is_settled)
    report = restore_catalog(empty, backend)
    assert report.dropped == 0
    file = empty.files.get_file(file_id)
    assert (file.state, file.file_type, file.reference_count) == (FileState.STORED, "txt", 1)
    assert empty.files.holders(file_id) == ["rebuilt"]
    assert counts_agree(empty_engine)


@pytest.mark.parametrize("has_lease", [False, True])
def test_files_that_may_be_held_since_the_backup_are_not_collected(
    catalog: Catalog,
    engine: sa.Engine,
    producer: ArtifactProducer,
    backend: IStorageBackend,
    empty: Catalog,
    empty_engine: sa.Engine,
    has_lease: bool,
) -> None:
    file = catalog.files.get_file(create(producer, b"x"))
    producer.release(file.file_id)
    with engine.begin() as connection:
        long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        connection.execute(sa.update(files).values(unreferenced_at=long_ago))
    if has_lease:
        catalog.files.acquire_all([(Content(file.content_hash, 1), FileDescription("bin"))], "blake3")[0]
    back_up(catalog, producer)
    assert materialize(catalog, producer, b"x").file.file_id == file.file_id
    restore_catalog(empty, backend)
    assert empty.files.holders(file.file_id) == ["rebuilt"]
    assert counts_agree(empty_engine)
    with empty_engine.connect() as connection:
        assert connection.execute(sa.select(files.c.unreferenced_at)).scalars().all() == [None, None]
    assert not clean_up(empty, backend).collected
    assert backend.exists(file.storage_path)


def test_unheld_files_collected_since_the_backup_are_dropped(
    catalog: Catalog, producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog, empty_engine: sa.Engine
) -> None:
    file = catalog.files.get_file(create(producer, b"x"))
    producer.release(file.file_id)
    back_up(catalog, producer)
    clean_up(catalog, backend, grace_s=0, max_share=1.0)
    assert restore_catalog(empty, backend).missing == 1
    with pytest.raises(UnknownFileError):
        empty.files.get_file(file.file_id)
    assert verify(empty, backend).is_clean
    assert counts_agree(empty_engine)


def test_named_backup_is_restored_instead_of_the_newest(
    catalog: Catalog, producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog
) -> None:
    materialize(catalog, producer, b"1")
    first = back_up(catalog, producer)
    materialize(catalog, producer, b"2")
    back_up(catalog, producer)
    assert restore_catalog(empty, backend, first.file.file_id).materializations == 1


def test_restore_adopts_unreadable_files(
    catalog: Catalog,
    producer: ArtifactProducer,
    backend: IStorageBackend,
    empty: Catalog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    back_up(catalog, producer)
    broken = create(producer, b"PAR1 broken")
    break_blocks(backend, monkeypatch, {broken})
    report = restore_catalog(empty, backend)
    assert (report.adopted, report.unreadable) == (2, [broken])
    file = empty.files.get_file(broken)
    assert (file.file_type, file.size_bytes, file.state) == ("bin", 11, FileState.STORED)


def test_catalog_with_rows_is_left_unchanged(
    catalog: Catalog, producer: ArtifactProducer, backend: IStorageBackend
) -> None:
    back_up(catalog, producer)
    for bring in (lambda: restore_catalog(catalog, backend), lambda: rebuild(catalog, backend, ignore)):
        with pytest.raises(CatalogNotEmptyError, match="files"):
            bring()
    assert len(catalog.files.list_files(10)) == 1


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_failed_restore_leaves_nothing_and_can_be_repeated(
    catalog: Catalog,
    engine: sa.Engine,
    producer: ArtifactProducer,
    backend: IStorageBackend,
    empty: Catalog,
    empty_engine: sa.Engine,
    batch: int,
) -> None:
    fill(catalog, engine, producer)
    back_up(catalog, producer)
    seen = 0

    def fail(_: int) -> None:
        nonlocal seen
        seen += 1
        if seen == batch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(empty, backend, None, fail)
    assert not any(rows_of(empty_engine).values())
    restore_catalog(empty, backend)
    assert empty.materializations.current("flights/table") == catalog.materializations.current("flights/table")


def lines_of(producer: ArtifactProducer, file_id: FileId) -> list[Any]:
    with producer.open(file_id) as stream, gzip.open(stream, "rt") as lines:
        return [json.loads(line) for line in lines]


def packed(lines: list[Any]) -> bytes:
    return gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


@pytest.mark.parametrize("spoil", [lambda whole: whole[:-20], lambda whole: whole + whole[:40], lambda _: b"garbage"])
def test_incomplete_backup_restores_nothing(
    catalog: Catalog,
    producer: ArtifactProducer,
    backend: IStorageBackend,
    empty: Catalog,
    empty_engine: sa.Engine,
    spoil: Callable[[bytes], bytes],
) -> None:
    materialize(catalog, producer, b"x")
    whole = packed(lines_of(producer, back_up(catalog, producer).file.file_id))
    file_id = create(producer, spoil(whole))
    with pytest.raises(UnreadableBackupError, match="--file-id"):
        restore_catalog(empty, backend, file_id)
    assert not any(rows_of(empty_engine).values())


def _older_schema(lines: list[Any]) -> None:
    lines[0]["schema"] = "0000"


def _newer_schema(lines: list[Any]) -> None:
    lines[0]["schema"] = "9999"


def _columns_of_another_schema(lines: list[Any]) -> None:
    row = next(line[1] for line in lines if isinstance(line, list) and line[0] == "materializations")
    del row["current_since"]


def _path_for_a_hash(lines: list[Any]) -> None:
    row = next(line[1] for line in lines if isinstance(line, list) and line[0] == "files")
    row["content_hash"] = "../../../etc/passwd"


def _strange_ids(lines: list[Any]) -> None:
    lines[0]["highest_ids"]["files"] = 10**30


def _strange_table(lines: list[Any]) -> None:
    next(line for line in lines if isinstance(line, list) and line[0] == "files")[0] = "alembic_version"
    lines[-1]["rows"] = {}


def _wrong_type(lines: list[Any]) -> None:
    next(line[1] for line in lines if isinstance(line, list) and line[0] == "files")["size_bytes"] = "many"


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (_older_schema, OutdatedBackupError),
        (_newer_schema, OutdatedBackupError),
        (_columns_of_another_schema, RefusedRowsError),
        (_path_for_a_hash, RefusedRowsError),
        (_strange_ids, RefusedRowsError),
        (_strange_table, RefusedRowsError),
        (_wrong_type, RefusedRowsError),
    ],
)
def test_backup_with_foreign_rows_restores_nothing(
    catalog: Catalog,
    producer: ArtifactProducer,
    backend: IStorageBackend,
    empty: Catalog,
    empty_engine: sa.Engine,
    spoil: Any,
    error: type[Exception],
) -> None:
    materialize(catalog, producer, b"x")
    lines = lines_of(producer, back_up(catalog, producer).file.file_id)
    spoil(lines)
    file_id = create(producer, packed(lines))
    with pytest.raises(error):
        restore_catalog(empty, backend, file_id)
    assert not any(rows_of(empty_engine).values())


def test_backup_with_a_wrong_hash_restores_nothing(
    catalog: Catalog, producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog, empty_engine: sa.Engine
) -> None:
    materialize(catalog, producer, b"x")
    made = back_up(catalog, producer)
    lines = lines_of(producer, made.file.file_id)
    lines[1][1]["metadata"] = {"forged": True}
    put(backend, made.file.storage_path, packed(lines))
    with pytest.raises(DamagedBackupError):
        restore_catalog(empty, backend)
    put(backend, made.file.storage_path, packed(lines)[:-20])
    with pytest.raises(DamagedBackupError):
        restore_catalog(empty, backend)
    assert not any(rows_of(empty_engine).values())


def test_error_of_a_damaged_backup_names_older_backups(
    catalog: Catalog,
    producer: ArtifactProducer,
    backend: IStorageBackend,
    empty: Catalog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("artifact_pipelines.maintenance.backup.MOST_OLDER_BACKUPS", 2)
    backups = []
    for number in range(4):
        create(producer, b"%d" % number)
        backups.append(back_up(catalog, producer).file)
    put(backend, backups[3].storage_path, gzip.compress(b"damaged")[:10])
    bad_start = find_backup(backend)[0]
    assert bad_start == backups[2].storage_path, "a file with another beginning is not a backup"
    put(backend, backups[3].storage_path, packed(lines_of(producer, backups[2].file_id)))
    named = f"--file-id N. Older backups: {backups[2].file_id}, {backups[1].file_id}."
    with pytest.raises(DamagedBackupError, match=re.escape(named)):
        restore_catalog(empty, backend)
    monkeypatch.setattr("artifact_pipelines.maintenance.backup.FILES_SEARCHED", 1)
    with pytest.raises(DamagedBackupError, match="Older backups: none"):
        restore_catalog(empty, backend)
    assert restore_catalog(empty, backend, backups[2].file_id).backup_file_id == backups[2].file_id


def test_restored_or_migrated_catalog_verifies_as_before(
    catalog: Catalog,
    engine: sa.Engine,
    producer: ArtifactProducer,
    backend: IStorageBackend,
    catalog_url: str,
    tmp_path: pathlib.Path,
    empty: Catalog,
) -> None:
    fill(catalog, engine, producer)
    put(backend, catalog.files.get_file(FileId(2)).storage_path, b"damaged")
    backend.delete_file(catalog.files.get_file(FileId(3)).storage_path)
    migrate(catalog_url, f"sqlite:///{tmp_path / 'moved.db'}", ignore)
    with Catalog(f"sqlite:///{tmp_path / 'moved.db'}") as moved:
        before, after = verify(catalog, backend), verify(moved, backend)
    assert [(f.kind, f.file_id) for f in after.findings] == [(f.kind, f.file_id) for f in before.findings]
    assert len(after.findings) == 2
    assert (after.files, after.size_bytes) == (before.files, before.size_bytes)
    back_up(catalog, producer)
    restore_catalog(empty, backend)
    assert [(f.kind, f.file_id) for f in verify(empty, backend).findings] == [
        (f.kind, f.file_id) for f in before.findings
    ]
