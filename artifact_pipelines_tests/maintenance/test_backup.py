"""Backs up a catalog, and finds the backup again."""

import gzip
import json

import dagster as dg
import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.assets import catalog_backup
from artifact_pipelines.maintenance.backup import BACKUP_ASSET, back_up, find_backup
from artifact_pipelines.maintenance.definitions import backup_schedule
from artifact_pipelines.maintenance.exceptions import (
    NoBackupError,
)
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import StorageUnavailableError
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines_tests.catalog.filled import fill, materialize
from artifact_pipelines_tests.maintenance.lost_catalogs import break_blocks, create, restore_catalog


def test_backup_is_the_current_materialization_of_its_asset(
    catalog: Catalog, engine: sa.Engine, producer: ArtifactProducer
) -> None:
    fill(catalog, engine, producer)
    made = back_up(catalog, producer, run_id="run", code_version="1")
    assert catalog.materializations.current(BACKUP_ASSET) == made
    assert catalog.retention.policies()[BACKUP_ASSET].keep_last == 7
    assert (made.run_id, made.code_version, made.file.compression_type) == ("run", "1", "gzip")
    assert made.row_count == sum(made.metadata["rows"].values())
    with producer.open(made.file.file_id) as stream, gzip.open(stream, "rt") as lines:
        first, *rows, last = (json.loads(line) for line in lines)
    assert first["artifact_catalog_backup"] == 1
    assert len(rows) == made.row_count
    assert last == {"rows": made.metadata["rows"]}


def test_newest_backup_is_found_among_many_files(
    catalog: Catalog, producer: ArtifactProducer, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifact_pipelines.maintenance.backup.PEEKED_FILES", 3)
    back_up(catalog, producer)
    made = back_up(catalog, producer)
    for number in range(10):
        create(producer, gzip.compress(b"%d" % number) if number % 2 else b"%d" % number)
    assert find_backup(backend)[0].file_id == made.file.file_id


def test_missing_backup_error_names_unreadable_files(
    producer: ArtifactProducer, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = create(producer, b"x")
    break_blocks(backend, monkeypatch, {broken})
    with pytest.raises(NoBackupError, match=f"Unreadable files.*: {broken}\\."):
        find_backup(backend)


def test_unavailable_store_is_not_reported_as_a_missing_backup(
    producer: ArtifactProducer, backend: IStorageBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artifact_pipelines.maintenance.backup.MOST_UNREADABLE", 2)
    break_blocks(backend, monkeypatch, {create(producer, b"%d" % number) for number in range(3)})
    with pytest.raises(StorageUnavailableError):
        find_backup(backend)


def test_store_without_a_backup_is_an_error_with_a_remedy(
    producer: ArtifactProducer, backend: IStorageBackend, empty: Catalog
) -> None:
    create(producer, b"x")
    with pytest.raises(NoBackupError, match="catalog rebuild"):
        restore_catalog(empty, backend)
    with pytest.raises(NoBackupError, match="File 7 is not in the store"):
        restore_catalog(empty, backend, 7)


def test_backup_asset_shows_its_contents_in_dagster(
    catalog: Catalog, producer: ArtifactProducer, catalog_url: str, storage_url: str
) -> None:
    materialize(catalog, producer, b"x")
    resources = {"artifact_store": ArtifactStore(catalog_url=catalog_url, storage_url=storage_url)}
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([catalog_backup], resources=resources, instance=instance)
        [event] = result.asset_materializations_for_node("artifact_store__catalog_backup")
    made = catalog.materializations.current(BACKUP_ASSET)
    assert event.metadata["artifact/file_id"].value == str(made.file.file_id)
    assert event.metadata["backup/rows_by_table"].value["materializations"] == 1  # type: ignore[index, call-overload]
    assert made.run_id == result.run_id
    assert event.tags is not None
    assert event.tags["dagster/data_version"] == made.data_version


def test_backup_schedule_is_off_and_seven_backups_are_kept() -> None:
    [spec] = catalog_backup.specs
    assert spec.metadata["artifact/retention"] == {"keep_last": 7}
    assert backup_schedule.cron_schedule == "30 3 * * *"
    assert backup_schedule.default_status == dg.DefaultScheduleStatus.STOPPED
