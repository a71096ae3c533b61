"""DuckDB relations that one step loads work together as with plain DuckDB."""

import pathlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import dagster as dg
import duckdb
import polars as pl
import pytest

from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines_tests.handlers.writing import stored

Relation = duckdb.DuckDBPyRelation
A, B = pl.DataFrame({"k": [1, 2], "x": [3, 4]}), pl.DataFrame({"k": [1, 2], "y": [5, 6]})
JOINED = [(1, 3, 5), (2, 4, 6)]


@pytest.fixture(autouse=True)
def plain_duckdb() -> Iterator[None]:
    """A default connection of the test's own."""
    before = duckdb.default_connection()
    duckdb.set_default_connection(duckdb.connect())
    yield
    duckdb.set_default_connection(before)


def by_method(a: Relation, b: Relation) -> Relation:
    return a.join(b, "k")


def by_sql(a: Relation, b: Relation) -> Relation:
    return cast("Relation", duckdb.sql("SELECT * FROM a JOIN b USING (k)"))


def with_own_relation(a: Relation, b: Relation) -> Relation:
    mine = cast("Relation", duckdb.sql("SELECT 1 AS k UNION SELECT 2 AS k"))
    return mine.join(a, "k").join(b, "k")


def joined(ours: ArtifactIOManager, join: Callable[..., Relation]) -> list[tuple[int, ...]]:
    found: list[list[tuple[int, ...]]] = []
    a, b = dg.asset(lambda: A, name="a"), dg.asset(lambda: B, name="b")

    def use(joined: Relation) -> None:
        found.append(sorted(joined.fetchall()))

    assets = [a, b, dg.asset(join, name="joined"), dg.asset(use)]
    assert dg.materialize(assets, resources={"io_manager": ours}).success
    return found[0]


@pytest.mark.parametrize("join", [by_method, by_sql, with_own_relation])
def test_inputs_of_a_step_are_joined(ours: ArtifactIOManager, join: Callable[..., Relation]) -> None:
    assert joined(ours, join) == JOINED


def test_steps_in_threads_do_not_disturb_each_other(ours: ArtifactIOManager) -> None:
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: joined(ours, by_method), range(3))) == [JOINED] * 3
        assert pool.submit(joined, ours, by_sql).result() == JOINED


def test_result_left_open_by_another_step_is_no_obstacle(ours: ArtifactIOManager) -> None:
    duckdb.execute("SELECT * FROM range(10000)").fetchone()
    assert joined(ours, by_method) == JOINED


def test_locked_default_connection_is_no_obstacle(ours: ArtifactIOManager) -> None:
    duckdb.execute("SET enable_external_access = false").fetchall()
    duckdb.execute("SET lock_configuration = true").fetchall()
    assert joined(ours, by_method) == JOINED


def test_closed_default_connection_is_replaced(tmp_path: pathlib.Path) -> None:
    artifact = stored(tmp_path, A)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            rows = pool.submit(lambda: TypeHandlers().read(artifact, Relation).fetchall()).result()
            assert rows == [(1, 3), (2, 4)]
            duckdb.close()


def test_partitions_as_a_relation_are_joined_with_another_input(ours: ArtifactIOManager) -> None:
    days = dg.StaticPartitionsDefinition(["x", "y"])
    a = dg.asset(lambda: A, name="a", partitions_def=days)

    @dg.asset
    def total(a: Relation, b: Relation) -> int:
        return int(a.join(b, "k").aggregate("count(*)").fetchall()[0][0])

    assets = [a, dg.asset(lambda: B, name="b"), total]
    with dg.DagsterInstance.ephemeral() as instance:
        for day in ("x", "y"):
            options: Any = {"selection": ["a"], "partition_key": day, "instance": instance}
            assert dg.materialize(assets, resources={"io_manager": ours}, **options).success
        result = dg.materialize(assets, resources={"io_manager": ours}, selection=["b", "total"], instance=instance)
    assert result.output_for_node("total") == 4
