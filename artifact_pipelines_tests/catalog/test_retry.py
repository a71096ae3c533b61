"""Which database errors are retried, and for how long. Tests in stress/ lose a real connection."""

import pathlib
import sqlite3
import threading
import time

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog import engine as catalog_engine
from artifact_pipelines.catalog import sqlite as sqlite_module
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.engine import make_engine, reading, retried, writing
from artifact_pipelines.core.exceptions import CatalogUnavailableError

PASSING = CatalogUnavailableError("here", "busy", may_pass=True)
LASTING = CatalogUnavailableError("here", "broken")


class Flaky:
    """A transaction that raises these errors in turn, then works."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    @retried
    def use(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_passing_error_is_retried() -> None:
    flaky = Flaky(PASSING, PASSING)
    assert flaky.use() == "done"
    assert flaky.calls == 3


@pytest.mark.parametrize("error", [LASTING, ValueError("ours")])
def test_lasting_error_is_raised_at_once(error: Exception) -> None:
    flaky = Flaky(error)
    with pytest.raises(type(error)):
        flaky.use()
    assert flaky.calls == 1


def test_retries_end_after_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_engine, "RETRY_S", 0.2)
    flaky, start = Flaky(*[PASSING] * 1000), time.monotonic()
    with pytest.raises(CatalogUnavailableError):
        flaky.use()
    assert 0.05 < time.monotonic() - start < 3  # 0.2 s, and some for a busy machine
    assert flaky.calls > 2


def test_released_lock_is_waited_for(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "BUSY_TIMEOUT_S", 0)
    with Catalog(f"sqlite:///{tmp_path / 'x.db'}") as catalog:
        other = sqlite3.connect(tmp_path / "x.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        let_go = threading.Timer(0.3, other.execute, ["COMMIT"])
        let_go.start()
        catalog.landing.save("flights", [])
        assert not other.in_transaction
        let_go.join()
        other.close()


def test_lock_that_is_never_released_raises_a_typed_error(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "BUSY_TIMEOUT_S", 0)
    monkeypatch.setattr(catalog_engine, "RETRY_S", 0.1)
    with Catalog(f"sqlite:///{tmp_path / 'x.db'}") as catalog:
        other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogUnavailableError, match="locked"):
            catalog.landing.save("flights", [])
        other.close()


@pytest.mark.parametrize("state", ["40001", "40P01", "53300", "57P01"])
def test_deadlocked_transaction_is_run_again(postgresql_url: str, state: str) -> None:
    engine = make_engine(postgresql_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE numbers (number INTEGER)")
    tries: list[None] = []

    @retried
    def insert() -> None:
        tries.append(None)
        with writing(engine) as connection:
            connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
            if len(tries) < 3:
                raised = f"DO $$ BEGIN RAISE EXCEPTION 'a test' USING ERRCODE = '{state}'; END $$"
                connection.exec_driver_sql(raised)

    insert()
    with reading(engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM numbers").scalar_one() == 1
    assert len(tries) == 3
    engine.dispose()


def test_refused_statement_is_raised_at_once(postgresql_url: str) -> None:
    engine = make_engine(postgresql_url)
    raised = "DO $$ BEGIN RAISE EXCEPTION 'a test' USING ERRCODE = '53100'; END $$"
    with pytest.raises(CatalogUnavailableError, match="a test") as caught, writing(engine) as connection:
        connection.exec_driver_sql(raised)
    assert not caught.value.may_pass
    engine.dispose()


def test_dead_host_is_noticed_by_timeouts_that_the_url_can_override() -> None:
    url = "postgresql://me@host/db"
    _, arguments = make_engine(url).dialect.create_connect_args(sa.make_url(url))
    assert arguments == {"host": "host", "dbname": "db", "user": "me"}
    given = make_engine(f"{url}?connect_timeout=60")
    seen: dict[str, object] = {}

    def look(_dialect: object, _record: object, _arguments: object, keywords: dict[str, object]) -> object:
        seen.update(keywords)
        raise ZeroDivisionError

    sa.event.listen(given, "do_connect", look)
    with pytest.raises(ZeroDivisionError):
        given.connect()
    assert str(seen["connect_timeout"]) == "60"
    assert seen["tcp_user_timeout"] == 10_000
    assert seen["keepalives_idle"] == 5
