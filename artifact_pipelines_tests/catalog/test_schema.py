"""The schema is created and upgraded without losing a row, and migrations create the tables of the code."""

import pathlib
import shutil
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from artifact_pipelines.catalog import migrations, schema
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.catalog.exceptions import OutdatedCatalogError
from artifact_pipelines.catalog.landing import LandingSource
from artifact_pipelines.catalog.tables import materializations, metadata
from artifact_pipelines.core.types import LoadedInput
from artifact_pipelines_tests.catalog.filled import rows_of
from artifact_pipelines_tests.catalog.test_materialization_catalog import record


def test_head_revision_is_the_newest_migration() -> None:
    folder = pathlib.Path(str(migrations.__file__)).parent
    assert ScriptDirectory(str(folder)).get_current_head() == schema.HEAD_REVISION


def test_migrations_create_the_tables_of_the_code(catalog: Catalog, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_migrations_create_the_checks_of_the_code(catalog: Catalog, engine: sa.Engine) -> None:
    for table in metadata.sorted_tables:
        found = {each["name"] for each in sa.inspect(engine).get_check_constraints(table.name)}
        assert found == {each.name for each in table.constraints if isinstance(each, sa.CheckConstraint)}


def test_sqlite_never_gives_an_id_again_in_the_tables_of_the_code(tmp_path: pathlib.Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'new.db'}")
    schema.upgrade(engine)
    with engine.connect() as connection:
        found = connection.scalars(sa.text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")).all()
    engine.dispose()
    assert sorted(found) == sorted(
        t.name for t in metadata.sorted_tables if t.dialect_options["sqlite"]["autoincrement"]
    )


def test_opening_creates_a_new_sqlite_catalog(settings: object, tmp_path: pathlib.Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'er' / 'new.db'}"
    Catalog(url).close()
    engine = make_engine(url)
    assert schema.current_revision(engine) == schema.HEAD_REVISION
    engine.dispose()


def test_upgrading_twice_changes_nothing(catalog: Catalog, engine: sa.Engine) -> None:
    schema.upgrade(engine)
    assert schema.current_revision(engine) == schema.HEAD_REVISION


def test_newer_catalog_is_not_upgraded(catalog: Catalog, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OutdatedCatalogError, match="9999.*install the newer package"):
        schema.upgrade(engine)


def test_empty_postgresql_is_refused_with_the_command_to_run(postgresql_url: str) -> None:
    engine = make_engine(postgresql_url)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(sa.text("DROP TABLE alembic_version"))
    with pytest.raises(OutdatedCatalogError, match="artifact-pipelines db upgrade"):
        Catalog(postgresql_url)
    assert schema.current_revision(engine) is None
    schema.upgrade(engine)
    Catalog(postgresql_url).close()
    engine.dispose()


_UPGRADE = """
import alembic.migration, sys
from artifact_pipelines.catalog import schema
from artifact_pipelines.catalog.engine import make_engine
engine = make_engine(sys.argv[1])
schema.current_revision(engine)
print("ready", flush=True)
sys.stdin.read()
schema.upgrade(engine)
"""


def test_concurrent_upgrades_wait_for_each_other(postgresql_url: str) -> None:
    engine = make_engine(postgresql_url)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(sa.text("DROP TABLE alembic_version"))
    arguments = [sys.executable, "-c", _UPGRADE, postgresql_url]
    upgrades = [subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for process in upgrades:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in upgrades:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(30) for process in upgrades] == [0, 0]
    for process in upgrades:
        assert process.stdout is not None
        process.stdout.close()
    assert schema.current_revision(engine) == schema.HEAD_REVISION
    engine.dispose()


def test_catalog_of_a_newer_package_is_refused(catalog: Catalog, engine: sa.Engine, catalog_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OutdatedCatalogError, match="9999.*install the newer package"):
        Catalog(catalog_url)


_NEXT = """
    op.create_table("notes", sa.Column("asset_key", sa.Text()))
    op.execute("INSERT INTO notes SELECT DISTINCT asset_key FROM materializations")
"""


@pytest.fixture
def next_migration(catalog: Catalog, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Give the package one more migration once the catalog has its tables, and return that migration's file."""
    folder = tmp_path / "migrations"
    shutil.copytree(pathlib.Path(str(migrations.__file__)).parent, folder)
    monkeypatch.setattr(schema, "MIGRATIONS", str(folder))
    monkeypatch.setattr(schema, "HEAD_REVISION", "0003")
    config = Config()
    config.set_main_option("script_location", str(folder))
    command.revision(config, "next", rev_id="0003")
    path = folder / "versions" / "0003_next.py"
    path.write_text(path.read_text().replace("\n    pass\n", _NEXT))
    return path


@pytest.mark.usefixtures("next_migration")
def test_older_catalog_is_upgraded_and_keeps_its_rows(catalog: Catalog, engine: sa.Engine, catalog_url: str) -> None:
    record(catalog, "b", inputs=(LoadedInput.of(record(catalog, "a", asset="raw")),))
    before = rows_of(engine)
    if engine.dialect.name == "postgresql":
        with pytest.raises(OutdatedCatalogError, match="0002.*needs 0003.*artifact-pipelines db upgrade"):
            Catalog(catalog_url)
        schema.upgrade(engine)
    with Catalog(catalog_url) as upgraded:
        assert upgraded.materializations.current("flights/table").version == 1
    assert rows_of(engine) == before
    with engine.connect() as connection:
        notes = connection.exec_driver_sql("SELECT asset_key FROM notes ORDER BY asset_key")
        assert notes.scalars().all() == ["flights/table", "raw"]


@pytest.mark.parametrize("columns", [None, "source TEXT", "source TEXT, ignored JSON"])
def test_sources_are_noted_in_catalogs_of_the_first_revision(
    catalog: Catalog, engine: sa.Engine, columns: str | None
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE landing_sources")
        if columns:
            connection.exec_driver_sql(f"CREATE TABLE landing_sources (dataset TEXT PRIMARY KEY, {columns})")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    schema.upgrade(engine)
    sources = {"flights": LandingSource("*.csv", (".*",))}
    catalog.landing.note_sources(sources)
    assert catalog.landing.sources() == sources


def test_migration_that_fails_changes_nothing(
    catalog: Catalog, engine: sa.Engine, next_migration: pathlib.Path
) -> None:
    next_migration.write_text(f"{next_migration.read_text()}    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        schema.upgrade(engine)
    assert schema.current_revision(engine) == "0002"
    assert not sa.inspect(engine).has_table("notes")


def test_unknown_publication_is_refused(catalog: Catalog, engine: sa.Engine) -> None:
    record(catalog, "a")
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.update(materializations).values(publication="perhaps"))


@pytest.mark.parametrize("partition", [None, "p", ""])
def test_database_refuses_a_second_current_materialization(
    catalog: Catalog, engine: sa.Engine, partition: str | None
) -> None:
    for content in "ab":
        record(catalog, content, partition=partition)
    record(catalog, "c", partition="another")
    both = sa.update(materializations).where(materializations.c.partition_key.is_not_distinct_from(partition))
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(both.values(is_current=True))
