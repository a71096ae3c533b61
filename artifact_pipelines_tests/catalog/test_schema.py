import pathlib
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from artifact_pipelines.catalog import migrations, schema
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.catalog.exceptions import OutdatedCatalogError
from artifact_pipelines.catalog.tables import metadata


def test_the_revision_written_down_is_the_newest_migration() -> None:
    folder = pathlib.Path(str(migrations.__file__)).parent
    assert ScriptDirectory(str(folder)).get_current_head() == schema.HEAD_REVISION


def test_migrations_make_the_tables_that_the_code_uses(catalog: Catalog, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_a_new_sqlite_catalog_is_made_by_opening_it(settings: object, tmp_path: pathlib.Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'er' / 'new.db'}"
    Catalog(url).close()
    engine = make_engine(url)
    assert schema.current_revision(engine) == schema.HEAD_REVISION
    engine.dispose()


def test_upgrading_twice_changes_nothing(catalog: Catalog, engine: sa.Engine) -> None:
    schema.upgrade(engine)
    assert schema.current_revision(engine) == schema.HEAD_REVISION


def test_an_empty_postgresql_names_the_command_and_is_left_alone(postgresql_url: str) -> None:
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
import alembic.command, sys
from artifact_pipelines.catalog import schema
from artifact_pipelines.catalog.engine import make_engine
engine = make_engine(sys.argv[1])
schema.current_revision(engine)
print("ready", flush=True)
sys.stdin.read()
schema.upgrade(engine)
"""


def test_of_two_that_upgrade_at_once_one_waits_for_the_other(postgresql_url: str) -> None:
    engine = make_engine(postgresql_url)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(sa.text("DROP TABLE alembic_version"))
    command = [sys.executable, "-c", _UPGRADE, postgresql_url]
    upgrades = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
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


def test_a_catalog_of_a_newer_package_is_refused(catalog: Catalog, engine: sa.Engine, catalog_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(OutdatedCatalogError, match="9999.*install the newer package"):
        Catalog(catalog_url)
