"""Two Dagster instances watch one landing zone and share one catalog: each content is ingested once."""

import multiprocessing
from collections.abc import Mapping
from multiprocessing.synchronize import Barrier
from typing import Any

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines import open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.project import Project

_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "union": {"files": "all", "file_column": "file"},
    "partitions": {"files": None, "partitions": "by_file", "source": "flights_{partition}.csv"},
}
NAMES = ("a", "b", "c")


def _settle(settings: Settings, options: Mapping[str, Any], barrier: Barrier) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance, samples={}, analyses={}, **options)
        barrier.wait()
        project.settle()


@pytest.mark.long
@pytest.mark.parametrize("kind", _OPTIONS)
def test_two_daemons_ingest_each_content_once(settings: Settings, kind: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance, samples={}, analyses={}, **_OPTIONS[kind])
        for number, name in enumerate(NAMES):
            project.drop(f"carrier,number,delay\nUA,{number},5\n", f"flights_{name}.csv")
    spawning = multiprocessing.get_context("spawn")
    barrier = spawning.Barrier(2)
    daemons = [spawning.Process(target=_settle, args=(settings, _OPTIONS[kind], barrier)) for _ in range(2)]
    for daemon in daemons:
        daemon.start()
    for daemon in daemons:
        daemon.join()
    assert [daemon.exitcode for daemon in daemons] == [0, 0]
    with open_store() as store:
        versions = store.catalog.datasets.versions("flights")
        tables = [store.catalog.materializations.find("flights/table", [v.partition])[v.partition] for v in versions]
        numbers = {n for table in tables for n in pl.read_parquet(store.open(table.file.file_id))["number"]}
        states = {file.state.value for file in store.catalog.landing.files_of("flights").values()}
    assert len(versions) == len({version.raw.file.content_hash for version in versions}) == len(NAMES)
    assert numbers == {0, 1, 2}
    assert states == {"ingested"}
    assert max(table.version for table in tables) <= (3 if kind == "union" else 1), "perhaps several in one run"
