"""Catalogs that hold data are brought up to date without losing any."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from artifact_pipelines.catalog import schema
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine, reading, writing
from artifact_pipelines.catalog.older_rows import RESTORABLE, as_of_now
from artifact_pipelines.catalog.tables import materialization_inputs, materializations, metadata
from artifact_pipelines.catalog.transfer import CatalogTransfer, to_json
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileId, LoadedInput, Publication
from artifact_pipelines_tests.catalog.test_materialization_catalog import record


def test_a_catalog_of_the_first_schema_keeps_its_data_and_what_is_newest_is_current(
    catalog_url: str, settings: Settings
) -> None:
    engine = make_engine(catalog_url)
    _make_first_schema(engine)
    schema.upgrade(engine)
    with Catalog(catalog_url) as catalog:
        assert [(m.asset, m.version, m.file.file_id) for m in catalog.materializations.list_current()] == [
            ("a", 2, 1),
            ("b", 1, 1),
        ]
        assert len(catalog.materializations.history("a")) == 2
        assert catalog.materializations.inputs(2) == [
            LoadedInput("other", "p", FileId(1)),
            LoadedInput("raw", None, FileId(1)),
        ]
    with engine.connect() as connection:
        assert engine.dialect.name != "sqlite" or not connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        table = materializations.c
        assert all(connection.scalars(sa.select(table.current_since == table.created_at)))
        publications = sa.select(table.publication, table.publication_reason)
        assert {tuple(row) for row in connection.execute(publications)} == {(Publication.PUBLISHED, None)}
    engine.dispose()


def test_an_input_that_is_recorded_after_the_migration_gets_an_id_of_its_own(
    catalog_url: str, settings: Settings
) -> None:
    engine = make_engine(catalog_url)
    _make_first_schema(engine)
    schema.upgrade(engine)
    with engine.begin() as connection:
        row = {"materialization_id": 2, "asset_key": "raw", "file_id": 1}
        for partition in "pq":
            connection.execute(sa.insert(materialization_inputs).values(partition_key=partition, **row))
        ids = connection.scalars(sa.select(materialization_inputs.c.input_id)).all()
    assert sorted(ids) == [1, 2, 3, 4]
    engine.dispose()


def test_what_was_wiped_before_the_migration_was_current_until_then(catalog_url: str, settings: Settings) -> None:
    engine = make_engine(catalog_url)
    _make_first_schema(engine)
    _upgrade(engine, "0003")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE materializations SET wiped_at = created_at, is_current = false"))
        connection.execute(sa.text("UPDATE materializations SET current_since = NULL WHERE asset_key = 'b'"))
    schema.upgrade(engine)
    with engine.connect() as connection:
        table = materializations.c
        was_until = sa.select(table.asset_key, table.current_until == table.created_at).distinct()
        assert {tuple(row) for row in connection.execute(was_until)} == {("a", True), ("b", None)}, "b never was"
    engine.dispose()


def test_what_is_no_publication_is_refused(catalog: Catalog, engine: sa.Engine) -> None:
    record(catalog, "a")
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.update(materializations).values(publication="perhaps"))


@pytest.mark.parametrize("partition", [None, "p"])
def test_of_several_that_are_current_the_migration_leaves_the_newest(
    catalog_url: str, settings: Settings, partition: str | None
) -> None:
    engine = make_engine(catalog_url)
    _make_first_schema(engine)
    _upgrade(engine, "0003")
    with engine.begin() as connection:
        several = sa.text("UPDATE materializations SET is_current = true, partition_key = :partition")
        connection.execute(several, {"partition": partition})
    schema.upgrade(engine)
    with Catalog(catalog_url) as catalog:
        assert [(m.asset, m.version) for m in catalog.materializations.list_current()] == [("a", 2), ("b", 1)]
    engine.dispose()


@pytest.mark.parametrize("partition", [None, "p", ""])
def test_the_database_takes_no_second_current_one(catalog: Catalog, engine: sa.Engine, partition: str | None) -> None:
    for content in "ab":
        record(catalog, content, partition=partition)
    record(catalog, "c", partition="another")
    both = sa.update(materializations).where(materializations.c.partition_key.is_not_distinct_from(partition))
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(both.values(is_current=True))


@pytest.mark.parametrize("revision", RESTORABLE)
def test_rows_of_an_older_backup_are_made_what_the_migrations_make_of_them(
    catalog_url: str, settings: Settings, revision: str
) -> None:
    engine = make_engine(catalog_url)
    _make_first_schema(engine)
    _upgrade(engine, revision)
    with engine.begin() as connection:
        wipe = "UPDATE materializations SET wiped_at = created_at, is_current = false WHERE version = 1"
        connection.execute(sa.text(wipe))
        connection.execute(sa.text("UPDATE materializations SET current_since = NULL WHERE asset_key = 'b'"))
    before = _rows_as_they_are(engine)
    schema.upgrade(engine)
    with CatalogTransfer(engine).snapshot() as snapshot:
        assert {table: as_of_now(table, before[table], revision) for table in before} == dict(snapshot.batches())
    engine.dispose()


def _rows_as_they_are(engine: sa.Engine) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return the rows of a schema of any revision, as a backup has them."""
    found = {}
    with reading(engine) as connection:
        for table in metadata.sorted_tables:
            names = [column["name"] for column in sa.inspect(connection).get_columns(table.name)]
            query = sa.select(*(table.c[name] for name in names)).order_by(*table.primary_key)
            if rows := [to_json(row) for row in connection.execute(query).mappings()]:
                found[table.name] = rows
    return found


def _upgrade(engine: sa.Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "artifact_pipelines.catalog:migrations")
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _make_first_schema(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(sa.text("DROP TABLE IF EXISTS alembic_version"))
    _upgrade(engine, "0001")
    now = datetime.datetime.now(datetime.UTC).isoformat(sep=" ")
    with writing(engine) as connection:
        connection.execute(
            sa.text(
                "INSERT INTO files VALUES (1, :hash, 'blake3', 3, 'csv', NULL, NULL, 'x', 'stored', 0, '{}', "
                ":now, :now, NULL, NULL)"
            ),
            {"hash": "ab" * 32, "now": now},
        )
        for number, (asset, version) in enumerate([("a", 1), ("a", 2), ("b", 1)], start=1):
            connection.execute(
                sa.text(
                    "INSERT INTO materializations VALUES (:number, :asset, NULL, :version, NULL, NULL, 'd', "
                    "NULL, 3, 3, NULL, '{}', :now)"
                ),
                {"number": number, "asset": asset, "version": version, "now": now},
            )
            connection.execute(sa.text(f"INSERT INTO materialization_files VALUES ({number}, 0, 1)"))
        connection.execute(sa.text("INSERT INTO materialization_inputs VALUES (2, 'raw', 1, NULL)"))
        connection.execute(sa.text("INSERT INTO materialization_inputs VALUES (2, 'other', 1, 'p')"))


@pytest.mark.parametrize("partition", [None, "p"])
def test_there_is_one_current_materialization_of_an_asset_or_partition(
    catalog: Catalog, engine: sa.Engine, partition: str | None
) -> None:
    for content in "aba":
        record(catalog, content, partition=partition)
    assert [m.version for m in catalog.materializations.list_current()] == [3]
