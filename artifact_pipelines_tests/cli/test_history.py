"""The command history."""

import pathlib
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManager, Store
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.cli.conftest import new_store
from artifact_pipelines_tests.saved_store import copy_saved


@pytest.fixture(scope="module")
def saved_repeats(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder, values = tmp_path_factory.mktemp("repeats"), iter([1, 1, 2])

    @dg.asset
    def numbers() -> int:
        return next(values)

    with new_store(folder) as (_, io_manager):
        for _ in range(3):
            dg.materialize([numbers], resources={"io_manager": io_manager})
    return folder


@pytest.fixture
def repeats(saved_repeats: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """An asset that was materialized three times, with the same value at first."""
    copy_saved(saved_repeats, tmp_path)


@pytest.mark.usefixtures("repeats")
def test_history_is_newest_first() -> None:
    assert [row["version"] for row in run_json("history", "numbers")] == [2, 1, 1]
    assert len(run("history", "numbers").splitlines()) == 4


@pytest.mark.usefixtures("repeats")
def test_history_lists_released_versions_on_demand(store: Store) -> None:
    assert store.catalog.retention.release(VersionName("numbers", None, 1), "test")
    assert [row["version"] for row in run_json("history", "numbers")] == [2]
    rows = run_json("history", "numbers", "--all")
    assert [(row["version"], row["marks"]) for row in rows] == [(2, "current"), (1, "released"), (1, "released")]
    assert store.catalog.collection.collect(0, 10)
    assert [row["version"] for row in run_json("history", "numbers", "--all")] == [2]
    assert "Materialize it first" in run("history", "nothing", "--all", code=3)


def test_history_explains_versions_with_and_without_partitions(io_manager: ArtifactIOManager) -> None:
    letter, loaded = dg.StaticPartitionsDefinition(["a"]), list[object]()

    def materialize(partitions: dg.PartitionsDefinition[str] | None) -> None:
        """Materialize an asset with this definition, and an asset that loads all of it."""

        @dg.asset(partitions_def=partitions)
        def price() -> str:
            return "in partitions" if partitions else "whole"

        @dg.asset
        def report(price: Any) -> None:
            loaded.append(price)

        resources = {"io_manager": io_manager}
        dg.materialize([price], resources=resources, partition_key="a" if partitions else None)
        dg.materialize([price, report], selection=[report], resources=resources)

    def is_mixed() -> bool:
        return "both with and without partitions" in run("history", "price")

    materialize(None)
    assert not is_mixed()
    materialize(letter)
    assert is_mixed()
    assert {(row["partition"], row["marks"]) for row in run_json("history", "price")} == {
        (None, "current"),
        ("a", "current"),
    }
    materialize(None)
    assert loaded == ["whole", "in partitions", "whole"], "each load follows the definition of its time"


@pytest.mark.usefixtures("towns")
def test_history_of_a_version_and_of_everything_says_what_each_row_is() -> None:
    assert [row["version"] for row in run_json("history", "towns/table@v1")] == [1]
    assert [row["marks"] for row in run_json("history", "towns/table", "--all")] == ["current", "pinned"]
    assert [row["marks"] for row in run_json("history", "towns/report", "--all")] == ["current", "kept"]
    assert "the newest is 2" in run("history", "towns/table@v9", code=3)
