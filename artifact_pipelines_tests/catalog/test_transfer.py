"""A catalog moves to another database and back without a change."""

import pathlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import schema, transfer
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.catalog.exceptions import (
    CatalogNotEmptyError,
    NoCatalogError,
    RefusedRowsError,
    UnequalCopyError,
)
from artifact_pipelines.catalog.tables import metadata
from artifact_pipelines.catalog.transfer import Loading, migrate
from artifact_pipelines.core.exceptions import CatalogUnavailableError
from artifact_pipelines.core.types import Content, FileDescription
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines_tests.catalog.filled import fill, materialize, next_file_id, rows_of


@pytest.fixture
def target_url(postgresql_url: str, tmp_path: pathlib.Path, catalog_url: str) -> str:
    """Return the URL of an empty catalog on another database than the source."""
    return postgresql_url if catalog_url.startswith("sqlite") else f"sqlite:///{tmp_path / 'target.db'}"


@pytest.fixture
def target(target_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(target_url)
    yield engine
    engine.dispose()


def test_migration_copies_every_row_and_the_highest_ids(
    catalog: Catalog,
    engine: sa.Engine,
    producer: ArtifactProducer,
    catalog_url: str,
    target_url: str,
    target: sa.Engine,
) -> None:
    lease = fill(catalog, engine, producer)
    before = rows_of(engine)
    census = migrate(catalog_url, target_url, lambda _: None)
    assert rows_of(target) == before == rows_of(engine)
    assert all(before.values()), "every table has rows"
    assert census == {**{name: len(rows) for name, rows in before.items()}, "files counted wrong": 0}
    with Catalog(target_url) as copy:
        assert copy.materializations.current("flights/table").version == 3
        assert copy.materializations.history("flights/table") == catalog.materializations.history("flights/table")
        assert next_file_id(copy) == lease.file.file_id + 2, "IDs of deleted files are not given again either"


def test_migration_there_and_back_is_the_same(
    catalog: Catalog,
    engine: sa.Engine,
    producer: ArtifactProducer,
    catalog_url: str,
    target_url: str,
    tmp_path: pathlib.Path,
) -> None:
    fill(catalog, engine, producer)
    migrate(catalog_url, target_url, lambda _: None)
    if target_url.startswith("sqlite"):
        return
    back_url = f"sqlite:///{tmp_path / 'back.db'}"
    migrate(target_url, back_url, lambda _: None)
    back = make_engine(back_url)
    assert rows_of(back) == rows_of(engine)
    back.dispose()


def test_target_without_tables_gets_them(
    catalog: Catalog, catalog_url: str, target_url: str, target: sa.Engine
) -> None:
    if target.dialect.name == "postgresql":
        with target.begin() as connection:
            metadata.drop_all(connection)
            connection.execute(sa.text("DROP TABLE alembic_version"))
    migrate(catalog_url, target_url, lambda _: None)
    assert schema.current_revision(target) == schema.HEAD_REVISION


def test_target_with_rows_is_refused(
    catalog: Catalog, engine: sa.Engine, producer: ArtifactProducer, catalog_url: str, tmp_path: pathlib.Path
) -> None:
    Catalog(f"sqlite:///{tmp_path / 'empty.db'}").close()
    materialize(catalog, producer, b"x")
    before = rows_of(engine)
    with pytest.raises(CatalogNotEmptyError, match="files"):
        migrate(f"sqlite:///{tmp_path / 'empty.db'}", catalog_url, lambda _: None)
    assert rows_of(engine) == before


@pytest.mark.parametrize("batch", [1, 4, 9])
def test_crash_during_a_migration_leaves_the_target_empty(
    catalog: Catalog,
    engine: sa.Engine,
    producer: ArtifactProducer,
    catalog_url: str,
    target_url: str,
    target: sa.Engine,
    batch: int,
) -> None:
    fill(catalog, engine, producer)
    seen = 0

    def fail(_: int) -> None:
        nonlocal seen
        seen += 1
        if seen == batch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(catalog_url, target_url, fail)
    assert not any(rows_of(target).values())
    migrate(catalog_url, target_url, lambda _: None)
    assert rows_of(target) == rows_of(engine)


def test_unequal_copy_is_not_kept(
    catalog: Catalog,
    producer: ArtifactProducer,
    catalog_url: str,
    target_url: str,
    target: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    materialize(catalog, producer, b"x")
    insert = Loading.insert

    def lose_a_reference(self: Loading, table: str, rows: Sequence[Any]) -> None:
        insert(self, table, [] if table == "file_references" else rows)

    monkeypatch.setattr(Loading, "insert", lose_a_reference)
    with pytest.raises(UnequalCopyError, match="file_references: 1 and 0, files counted wrong: 0 and 1"):
        migrate(catalog_url, target_url, lambda _: None)
    assert not any(rows_of(target).values())


def test_writers_wait_until_the_copy_is_complete(
    catalog: Catalog, producer: ArtifactProducer, catalog_url: str, target_url: str, target: sa.Engine
) -> None:
    materialize(catalog, producer, b"before")
    writer = threading.Thread(target=materialize, args=(catalog, producer, b"meanwhile", "other"))

    def write_meanwhile(_: int) -> None:
        if not writer.ident:
            writer.start()
            writer.join(0.3)
            assert writer.is_alive()

    migrate(catalog_url, target_url, write_meanwhile)
    writer.join(20)
    assert len(rows_of(target)["materializations"]) == 1
    assert catalog.materializations.current("other").version == 1


def test_copy_gives_way_to_a_writer_and_tries_again(
    postgresql_url: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_LOCK_ATTEMPTS", 1)
    monkeypatch.setattr(transfer, "_LOCK_TIMEOUT", "100ms")
    writer = make_engine(postgresql_url)
    with writer.connect() as connection, connection.begin():
        connection.execute(sa.text("LOCK TABLE files IN ROW EXCLUSIVE MODE"))
        with pytest.raises(CatalogUnavailableError, match="lock timeout"):
            migrate(postgresql_url, f"sqlite:///{tmp_path / 'target.db'}", lambda _: None)
    migrate(postgresql_url, f"sqlite:///{tmp_path / 'target.db'}", lambda _: None)
    writer.dispose()


def test_missing_source_is_not_created(tmp_path: pathlib.Path, target_url: str) -> None:
    with pytest.raises(NoCatalogError, match="no catalog at"):
        migrate(f"sqlite:///{tmp_path / 'typo.db'}", target_url, lambda _: None)
    assert not (tmp_path / "typo.db").exists()


def test_snapshot_sees_one_state(catalog: Catalog, producer: ArtifactProducer) -> None:
    materialize(catalog, producer, b"before")
    with catalog.transfer.snapshot() as snapshot:
        materialize(catalog, producer, b"after", "other")
        assert dict(snapshot.census())["materializations"] == 1
        assert [len(rows) for table, rows in snapshot.batches() if table == "files"] == [1]
        assert snapshot.highest_ids["files"] == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset_id": "one"}, "no int"),
        ({"dataset_id": 2**70}, "datasets"),
        ({"name": None}, "name"),
        ({"created_at": "yesterday"}, "yesterday"),
        ({"created_at": "2026-01-01T00:00:00"}, "without a zone"),
        ({"created_at": 5}, "datasets"),
        ({"stranger": 1}, "stranger"),
    ],
)
def test_invalid_row_is_refused_and_nothing_is_kept(
    catalog: Catalog, engine: sa.Engine, changes: dict[str, Any], reason: str
) -> None:
    row = {"dataset_id": 1, "name": "flights", "created_at": "2026-01-01T00:00:00+00:00"}
    with pytest.raises(RefusedRowsError, match=reason), catalog.transfer.loading(Loading) as loading:
        loading.insert("datasets", [row])
        loading.insert("datasets", [{**row, "dataset_id": 2, "name": "other", **changes}])
    assert not any(rows_of(engine).values())


def test_rows_of_unknown_tables_and_rows_without_their_file_are_refused(catalog: Catalog) -> None:
    with pytest.raises(RefusedRowsError, match="no such table"), catalog.transfer.loading(Loading) as loading:
        loading.insert("sqlite_master", [{"x": 1}])
    row = {"reference_id": 1, "file_id": 7, "holder": "me", "created_at": "2026-01-01T00:00:00Z", "expires_at": None}
    with pytest.raises(RefusedRowsError, match="(?i)foreign key"), catalog.transfer.loading(Loading) as loading:
        loading.insert("file_references", [row])


def test_ids_are_never_lowered(catalog: Catalog) -> None:
    for highest, expected in ((50, 51), (10, 52), (0, 53)):
        with catalog.transfer.loading(Loading) as loading:
            loading.raise_ids({"files": highest})
        lease = catalog.files.acquire_all([(Content("a" * 64, 1), FileDescription("bin"))], "blake3")[0]
        assert lease.file.file_id == expected
        catalog.files.abandon_all([lease])
