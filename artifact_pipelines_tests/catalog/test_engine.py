import contextlib
import gc
import os
import pathlib
import secrets
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import engine as engine_module
from artifact_pipelines.catalog import sqlite as sqlite_module
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine, reading, writing
from artifact_pipelines.catalog.hot_path import run_on_driver
from artifact_pipelines.catalog.sqlite import filesystem_of
from artifact_pipelines.catalog.tables import files
from artifact_pipelines.core.exceptions import CatalogUnavailableError, ConfigurationError
from artifact_pipelines.core.types import Content, FileDescription
from artifact_pipelines_tests.quick_disk import sync_catalogs


@pytest.fixture
def sqlite(tmp_path: pathlib.Path) -> sa.Engine:
    engine = make_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with writing(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE numbers (number INTEGER)")
    return engine


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
def test_sqlite_is_durable_and_checks_references(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, pragma: str, value: object
) -> None:
    sync_catalogs(monkeypatch)
    with reading(make_engine(f"sqlite:///{tmp_path / 'x.db'}")) as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value


def test_sqlite_waits_for_another_writer(sqlite: sa.Engine) -> None:
    with reading(sqlite) as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 30_000
    started = threading.Event()

    def write() -> None:
        with writing(sqlite) as connection:
            started.set()
            connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
            threading.Event().wait(0.2)

    writer = threading.Thread(target=write)
    writer.start()
    started.wait()
    with writing(sqlite) as connection:
        # BEGIN took the lock, so this reads the rows of the other transaction.
        assert connection.exec_driver_sql("SELECT count(*) FROM numbers").scalar_one() == 1
    writer.join()


def test_transaction_that_raises_writes_nothing(sqlite: sa.Engine) -> None:
    with pytest.raises(ZeroDivisionError), writing(sqlite) as connection:
        connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
        _ = 1 / 0
    with reading(sqlite) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM numbers").scalar_one() == 0


@pytest.mark.parametrize("url", ["", "no url", "mysql://u:secret@h/d", "sqlite://", "sqlite:///:memory:"])
def test_other_urls_are_refused_and_hide_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ARTIFACT_CATALOG_URL") as caught:
        make_engine(url)
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg2", "postgresql+psycopg"])
def test_unreachable_server_raises_a_typed_error_without_the_password(scheme: str) -> None:
    with pytest.raises(CatalogUnavailableError, match="did not answer") as caught:
        Catalog(f"{scheme}://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@127.0.0.1:1/db?sslpassword=secret",
        "postgresql://127.0.0.1:1/db?user=me&password=secret&sslmode=disable",
        "postgresql://me@127.0.0.1:1/db?password=secret&password=secret",
        "mysql://me@127.0.0.1:1/db?passwd=secret",
        "postgresql://me:secret@127.0.0.1:port/db",
        "postgresql://me:not@secret@127.0.0.1:1/db",
    ],
)
def test_secrets_in_url_options_are_refused_and_never_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_engine(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite:////tmp/x.db?bogus=1", "postgresql://me@127.0.0.1:1/db?bogus=1"])
def test_unknown_options_in_a_url_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ARTIFACT_CATALOG_URL: .*option"):
        make_engine(url)


def test_file_that_is_no_database_raises_a_typed_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "x.db").write_text("this is not a database, but long enough to be read as one" * 100)
    with pytest.raises(CatalogUnavailableError, match="not a database"):
        Catalog(f"sqlite:///{tmp_path / 'x.db'}")


def test_error_of_a_role_without_rights_names_the_rights_it_needs(postgresql_url: str) -> None:
    name = f"reader_{secrets.token_hex(6)}"
    engine = make_engine(postgresql_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name}")
    with (
        pytest.raises(ConfigurationError, match=r"ARTIFACT_CATALOG_URL: .*permission denied for table files.*GRANT"),
        writing(engine) as connection,
    ):
        connection.exec_driver_sql(f"SET LOCAL ROLE {name}")
        connection.exec_driver_sql("DELETE FROM files")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP ROLE {name}")
    engine.dispose()


def test_commit_unknown_to_the_database_is_reported_as_unknown(postgresql_url: str) -> None:
    """After a fail-over to a server that never received the commit, its transaction ID lies in the future."""
    engine = make_engine(postgresql_url)
    with pytest.raises(CatalogUnavailableError, match=r"whether it took place is unknown.*in the future") as caught:
        engine_module.became_committed(engine, "99999999")
    assert not caught.value.may_pass
    engine.dispose()


def test_sqlite_on_a_network_filesystem_is_refused_and_postgresql_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "filesystem_of", lambda folder: "nfs4")
    with pytest.raises(ConfigurationError, match=r"nfs4.*PostgreSQL"):
        make_engine(f"sqlite:///{tmp_path / 'x.db'}")


def test_filesystem_is_that_of_the_nearest_mount(tmp_path: pathlib.Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"a / ext4 rw\nb {tmp_path} xfs rw\nc {tmp_path}/my\\040share nfs4 rw\nd {tmp_path} btrfs rw\n")
    assert filesystem_of(tmp_path / "my share" / "deep", mounts) == "nfs4"
    assert filesystem_of(tmp_path / "other", mounts) == "btrfs"
    assert filesystem_of(pathlib.Path("/usr"), mounts) == "ext4"
    assert filesystem_of(tmp_path, tmp_path / "no such file") == ""


def test_reading_transaction_sees_one_state(catalog: Catalog, engine: sa.Engine) -> None:
    count = sa.select(sa.func.count()).select_from(files)
    with reading(engine) as connection:
        before = connection.execute(count).scalar_one()
        catalog.files.acquire_all([(Content("a" * 64, 100), FileDescription("parquet"))], "blake3")[0]
        assert connection.execute(count).scalar_one() == before
    with reading(engine) as connection:
        assert connection.execute(count).scalar_one() == before + 1


@pytest.mark.parametrize("is_copy", [False, True])
def test_connections_of_a_forgotten_catalog_are_closed_but_not_those_of_a_parent_process(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, is_copy: bool
) -> None:
    taken = list[Any]()
    monkeypatch.setattr(engine_module, "run_on_driver", _noting(taken))
    catalog = Catalog(f"sqlite:///{tmp_path}/catalog.db")
    if is_copy:
        monkeypatch.setattr(os, "getpid", lambda: 1)
    del catalog
    gc.collect()
    with contextlib.closing(taken[-1]) as driver:
        if is_copy:
            assert driver.execute("SELECT 7").fetchone() == (7,)
        else:
            with pytest.raises(sqlite3.ProgrammingError, match="closed"):
                driver.execute("SELECT 7")


def _noting(taken: list[Any]) -> Callable[..., Any]:

    def note_and_run(connection: sa.Connection, *arguments: Any) -> Any:
        taken.append(connection.connection.driver_connection)
        return run_on_driver(connection, *arguments)

    return note_and_run
