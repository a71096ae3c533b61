"""A SQLite catalog takes its host's time, so clean-up refuses when that clock has jumped. PostgreSQL has its own."""

import io
import pathlib
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import schema
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.catalog.exceptions import ClockJumpedError
from artifact_pipelines.catalog.tables import host_clock
from artifact_pipelines.core import processes
from artifact_pipelines.core.types import Content, FileDescription
from artifact_pipelines.maintenance.clean_up import clean_up
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines_tests.catalog.filled import rows_of
from artifact_pipelines_tests.quick_catalog import upgrade

DAY_S = 86_400.0


@pytest.fixture
def backend(tmp_path: pathlib.Path) -> IStorageBackend:
    return open_backend(str(tmp_path / "store"))


class Clock:
    """The clock of SQLite, which a test can set."""

    shift_s = 0.0

    def strftime(self, form: str, when: str, *shifts: str) -> Any:
        query = f"SELECT strftime({', '.join('?' * (3 + len(shifts)))})"
        with sqlite3.connect(":memory:") as right:
            found = right.execute(query, (form, when, *shifts, f"{self.shift_s} seconds")).fetchone()[0]
        right.close()
        return found


@pytest.fixture
def clock() -> Iterator[Clock]:
    clock = Clock()

    def install(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.create_function("strftime", -1, clock.strftime)

    sa.event.listen(sa.pool.Pool, "connect", install)
    yield clock
    sa.event.remove(sa.pool.Pool, "connect", install)


@pytest.fixture
def sqlite(clock: Clock, tmp_path: pathlib.Path) -> Iterator[Catalog]:
    """A catalog with a file that was just released, and a lease."""
    url = f"sqlite:///{tmp_path}/clocked.db"
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()
    with Catalog(url) as catalog:
        yield catalog


@pytest.fixture
def filled(sqlite: Catalog, backend: IStorageBackend) -> Catalog:
    producer = ArtifactProducer(sqlite.files, backend)
    producer.release(producer.create_artifact(io.BytesIO(b"released just now"), "bin"))
    sqlite.files.acquire_all([(Content("cd" * 32, 5), FileDescription("bin"))], "blake3")
    return sqlite


def everything(catalog: Catalog) -> Any:
    engine = make_engine(f"sqlite:///{catalog.identity}")
    with engine.connect() as connection:
        everything = rows_of(engine), connection.execute(sa.select(host_clock)).all()
    engine.dispose()
    return everything


def clean(catalog: Catalog, backend: IStorageBackend, **options: Any) -> int:
    report = clean_up(catalog, backend, max_share=1, **options)
    return len(report.collected) + len(report.reaped)


def reboot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artifact_pipelines.catalog.host_clock.boot_id", lambda: "the next boot")


@pytest.mark.parametrize("jump_s", [10 * DAY_S, -10 * DAY_S, 400, -400])
def test_clean_up_refuses_when_the_clock_has_jumped(
    filled: Catalog, backend: IStorageBackend, clock: Clock, jump_s: float
) -> None:
    clock.shift_s = jump_s
    before = everything(filled)
    for options in ({}, {"dry_run": True}):
        with pytest.raises(ClockJumpedError, match=r"Nothing was deleted.*gc --accept-clock"):
            clean(filled, backend, **options)
    for attempt in (filled.collection.reap_leases, lambda: filled.collection.collect(0, 10)):
        with pytest.raises(ClockJumpedError):
            attempt()
    assert everything(filled) == before
    assert len(list(backend.list_files())) == 1
    clock.shift_s = 0
    assert clean(filled, backend) == 0, "the clock is fixed, and grace and lease last"


def test_clean_up_goes_on_after_the_new_time_is_accepted(
    filled: Catalog, backend: IStorageBackend, clock: Clock
) -> None:
    clock.shift_s = 10 * DAY_S
    filled.host_clock.accept()
    assert clean(filled, backend, dry_run=True) == clean(filled, backend) == 3, "a file, and a lease with its row"


def test_small_corrections_and_time_that_passes_are_no_jump(
    filled: Catalog, backend: IStorageBackend, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for clock.shift_s in (250, 0, -250, 0):
        clean(filled, backend)
    now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    monkeypatch.setattr("time.clock_gettime", lambda _: now_s + 10 * DAY_S)
    clock.shift_s = 10 * DAY_S
    assert clean(filled, backend) == 3


@pytest.mark.parametrize(("shift_s", "is_refused"), [(10 * DAY_S, False), (0, False), (-2 * DAY_S, True)])
def test_after_a_reboot_the_clock_may_only_have_gone_forward(
    sqlite: Catalog,
    backend: IStorageBackend,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    shift_s: float,
    is_refused: bool,
) -> None:
    reboot(monkeypatch)
    clock.shift_s = shift_s
    if is_refused:
        with pytest.raises(ClockJumpedError):
            clean(sqlite, backend)
    else:
        clean(sqlite, backend)
        [noted] = everything(sqlite)[1]
        assert noted.boot_id == "the next boot"


def test_system_without_proc_is_not_checked(
    filled: Catalog, backend: IStorageBackend, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    clock.shift_s = -10 * DAY_S
    assert clean(filled, backend) == 0


def test_upgrade_of_a_catalog_with_tables_does_not_accept_a_jump(
    sqlite: Catalog, backend: IStorageBackend, clock: Clock
) -> None:
    clock.shift_s = 10 * DAY_S
    engine = make_engine(f"sqlite:///{sqlite.identity}")
    schema.upgrade(engine)
    engine.dispose()
    with pytest.raises(ClockJumpedError):
        clean(sqlite, backend)


def test_postgresql_notes_no_clock_of_a_host(postgresql_url: str, backend: IStorageBackend) -> None:
    engine = make_engine(postgresql_url)
    with Catalog(postgresql_url) as catalog:
        clean(catalog, backend)
        assert not catalog.host_clock.accept()
    with engine.connect() as connection:
        assert connection.execute(sa.select(host_clock)).all() == []
    engine.dispose()
