"""The cost of a look-up does not grow with the number of files.

The cost is counted in work, which a busy machine does not change: steps of SQLite's virtual machine, blocks and rows
that PostgreSQL touches. The long form also measures time, with one million files against ten thousand.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from bench.large_catalog import Questions, compare, fill

_STEPS = 10
_ROUNDS = 2
_FACTOR = 2


class Work:
    """Counts the work of a catalog's database.

    PostgreSQL scans a small table rather than use its index. Here it must use the index, so that both sizes compare.
    The long form measures its own choice among a million files.
    """

    def __init__(self, url: str) -> None:
        self.done = 0.0
        is_sqlite = url.startswith("sqlite")
        self._event: Any = (
            (sa.Pool, "checkout", self._count_steps)
            if is_sqlite
            else (sa.Engine, "before_cursor_execute", self._count_blocks)
        )
        sa.event.listen(*self._event)

    def stop(self) -> None:
        sa.event.remove(*self._event)

    def _count_steps(self, connection: Any, *_: object) -> None:
        def count() -> int:
            self.done += _STEPS
            return 0

        connection.set_progress_handler(count, _STEPS)

    def _count_blocks(
        self, connection: sa.Connection, _cursor: object, statement: str, parameters: Any, *_: object
    ) -> None:
        if not statement.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
            return
        with contextlib.closing(connection.connection.cursor()) as cursor:
            cursor.execute("SAVEPOINT explained")
            for plan in ("seqscan", "hashjoin", "mergejoin"):
                cursor.execute(f"SET LOCAL enable_{plan} = off")
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
            [[explained]] = cursor.fetchall()
            cursor.execute("ROLLBACK TO SAVEPOINT explained")
        top = (json.loads(explained) if isinstance(explained, str) else explained)[0]["Plan"]
        self.done += top["Shared Hit Blocks"] + top["Shared Read Blocks"] + _rows_looked_at(top)


def _rows_looked_at(plan: Any) -> float:
    looked_at = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return float(looked_at * plan["Actual Loops"] + sum(_rows_looked_at(part) for part in plan.get("Plans", ())))


@contextlib.contextmanager
def filled(url: str, number: int) -> Iterator[Catalog]:
    with Catalog(url, make_tables=True) as catalog:
        fill(url, number)
        yield catalog


@pytest.fixture
def urls(request: pytest.FixtureRequest, catalog_url: str, tmp_path: Any) -> tuple[str, str]:
    if catalog_url.startswith("sqlite"):
        return catalog_url, f"sqlite:///{tmp_path / 'large.db'}"
    return catalog_url, str(request.getfixturevalue("second_postgresql_url"))


def test_work_of_a_look_up_does_not_grow_with_the_files(urls: tuple[str, str], is_stress: bool) -> None:
    small, large = (10_000, 1_000_000) if is_stress else (10_000, 30_000)
    with filled(urls[0], small) as few, filled(urls[1], large) as many:
        least, most = _work(urls[0], few, small), _work(urls[1], many, large)
    assert {name: (work, most[name]) for name, work in least.items() if most[name] > _FACTOR * work} == {}


def _work(url: str, catalog: Catalog, number: int) -> Mapping[str, float]:
    return {name: _work_of(url, ask) for name, ask in Questions(catalog, number).all().items()}


def _work_of(url: str, ask: Callable[[], object]) -> float:
    ask()  # the first call connects
    work = Work(url)
    try:
        for _ in range(_ROUNDS):
            ask()
    finally:
        work.stop()
    return work.done / _ROUNDS


@pytest.mark.long  # filling a catalog with a million files takes minutes
def test_look_ups_take_no_longer_among_a_million_files(urls: tuple[str, str]) -> None:
    with filled(urls[0], 10_000), filled(urls[1], 1_000_000):
        medians = compare(*urls, rounds=7)
    slower = {name: (small, large) for name, (small, large) in medians.items() if large > _FACTOR * small}
    assert slower == {}
