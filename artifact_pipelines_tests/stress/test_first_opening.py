"""The first opening of a catalog: by threads at once, beside Dagster's own databases, and killed half-way."""

import functools
import pathlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage

from artifact_pipelines.catalog import schema
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.tables import metadata
from artifact_pipelines_tests.quick_catalog import upgrade
from artifact_pipelines_tests.stress import acts
from artifact_pipelines_tests.stress.children import run_killed, run_traced
from artifact_pipelines_tests.stress.test_crashes import CALLS, points


@pytest.fixture(autouse=True)
def real_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "upgrade", upgrade)


def run_in_threads(functions: Sequence[Callable[[], object]]) -> list[BaseException | None]:
    """Run functions at once, each in a thread, and return what each raised."""
    start = threading.Barrier(len(functions))

    def run(function: Callable[[], object]) -> None:
        start.wait()
        function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.exception() for future in [pool.submit(run, function) for function in functions]]


def open_and_use(path: pathlib.Path) -> None:
    with Catalog(f"sqlite:///{path}") as catalog:
        catalog.files.list_files(1)


def test_threads_can_create_catalogs_at_once(tmp_path: pathlib.Path, is_stress: bool) -> None:
    for number in range(50 if is_stress else 3):
        paths = [tmp_path / f"{number} {catalog}.db" for catalog in (0, 0, 1, 2)]
        assert run_in_threads([functools.partial(open_and_use, path) for path in paths]) == [None] * 4


def test_a_catalog_and_a_database_of_dagster_can_be_created_at_once(tmp_path: pathlib.Path, is_stress: bool) -> None:
    for number in range(12 if is_stress else 2):
        dagster, ours = tmp_path / f"dagster {number}", tmp_path / f"{number}.db"
        create = functools.partial(SqliteRunStorage.from_local, str(dagster))
        assert run_in_threads([create, functools.partial(open_and_use, ours)]) == [None, None]


def test_a_catalog_whose_creation_is_killed_is_whole_after_the_next_opening(
    tmp_path: pathlib.Path, is_stress: bool
) -> None:
    def url(name: str) -> str:
        return f"sqlite:///{tmp_path / name}.db"

    for number, call in enumerate(points(run_traced(CALLS, None, acts.open_catalog, url("traced")), is_stress)):
        run_killed(call, acts.open_catalog, url(str(number)))
        Catalog(url(str(number))).close()
        engine = sa.create_engine(url(str(number)))
        assert set(metadata.tables) < set(sa.inspect(engine).get_table_names())
        engine.dispose()
