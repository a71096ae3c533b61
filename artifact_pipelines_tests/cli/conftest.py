"""The store that the environment names, and assets in it."""

import contextlib
import pathlib
from collections.abc import Iterator

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines import ArtifactIOManager, Store, open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.storage.factory import open_producer
from artifact_pipelines_tests.saved_store import copy_saved, settings_in


@pytest.fixture
def csv(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    return path


@pytest.fixture
def io_manager(store: Store, settings: Settings) -> ArtifactIOManager:
    return ArtifactIOManager(store.catalog, open_producer(store.catalog.files, settings.storage_url))


@contextlib.contextmanager
def new_store(folder: pathlib.Path) -> Iterator[tuple[Store, ArtifactIOManager]]:
    """Make a store in a folder, which tests then copy."""
    urls = settings_in(folder)
    with open_store(urls.catalog_url, urls.storage_url) as store:
        yield store, ArtifactIOManager(store.catalog, open_producer(store.catalog.files, urls.storage_url))


@pytest.fixture(scope="session")
def saved_numbers(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder, values = tmp_path_factory.mktemp("numbers"), iter(range(4))

    @dg.asset(metadata={"artifact/retention": {"keep_last": 2}})
    def numbers() -> int:
        return next(values)

    with new_store(folder) as (_, io_manager):
        for _ in range(4):
            dg.materialize([numbers], resources={"io_manager": io_manager})
    return folder


@pytest.fixture
def numbers(saved_numbers: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """An asset whose retention policy keeps two versions, materialized four times with four values."""
    copy_saved(saved_numbers, tmp_path)


@pytest.fixture(scope="session")
def saved_towns(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("towns")
    frames = iter([pl.DataFrame({"x": [1, 2]}), pl.DataFrame({"x": [2, 3, 4]})])

    @dg.asset(key=["towns", "table"])
    def table() -> pl.DataFrame:
        return next(frames)

    @dg.asset(key=["towns", "report"], ins={"table": dg.AssetIn(["towns", "table"])})
    def report(table: pl.DataFrame) -> str:
        return f"{table.height} rows\n"

    with new_store(folder) as (store, io_manager):
        for _ in range(2):
            dg.materialize([table, report], resources={"io_manager": io_manager})
        store.catalog.pins_and_tags.pin("towns/table", version=1)
    return folder


@pytest.fixture
def towns(saved_towns: pathlib.Path, tmp_path: pathlib.Path) -> Iterator[Store]:
    """`towns/table` with two versions, of which the first is pinned, and `towns/report`, made from the second."""
    copy_saved(saved_towns, tmp_path)
    with open_store() as store:
        yield store


@pytest.fixture
def op_output(io_manager: ArtifactIOManager) -> str:
    """Name of the output of an op that is not an asset."""

    @dg.op
    def one() -> int:
        return 1

    @dg.job(resource_defs={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(io_manager)})
    def count() -> None:
        one()

    return f"{count.execute_in_process().run_id}/one/result"
