"""Lineage on each database."""

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.lineage import LineageNode, grow
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import FileId, LoadedInput, Materialization
from artifact_pipelines_tests.catalog.statements import plans_of
from artifact_pipelines_tests.catalog.test_materialization_catalog import record


def loaded(*made: Materialization) -> tuple[LoadedInput, ...]:
    return tuple(map(LoadedInput.of, made))


def drawn(node: LineageNode) -> object:
    made = node.made
    name = f"{made.asset}{f'[{made.partition}]' if made.partition else ''} {made.version}"
    name += "!" if node.is_repeated else ""
    return [name, *map(drawn, node.children)] if node.children else name


def up(catalog: Catalog, asset: str, partition: str | None = None, version: int | None = None) -> list[object]:
    roots = catalog.lineage.versions(asset, partition, version, 10)
    return [drawn(tree) for tree in grow(roots, catalog.lineage.inputs)]


def down(catalog: Catalog, asset: str, partition: str | None = None, version: int | None = None) -> list[object]:
    roots = catalog.lineage.versions(asset, partition, version, 10)
    return [drawn(tree) for tree in grow(roots, catalog.lineage.consumers)]


@pytest.fixture
def flights(catalog: Catalog) -> Catalog:
    """`raw` twice, `table` from each, and a report from the first table and raw."""
    raw = record(catalog, "a", asset="raw")
    table = record(catalog, "b", asset="table", inputs=loaded(raw))
    record(catalog, "c", asset="report", inputs=loaded(table, raw))
    raw = record(catalog, "d", asset="raw")
    record(catalog, "e", asset="table", inputs=loaded(raw))
    return catalog


def test_inputs_are_found_up_to_the_roots(flights: Catalog) -> None:
    assert up(flights, "report") == [["report 1", ["table 1", "raw 1!"], "raw 1"]]
    assert up(flights, "table") == [["table 2", "raw 2"]]
    assert up(flights, "table", version=1) == [["table 1", "raw 1"]]
    assert up(flights, "raw") == ["raw 2"]


def test_assets_made_from_no_current_version_of_an_input_are_outdated(flights: Catalog) -> None:
    def outdated() -> list[tuple[object, ...]]:
        found = flights.lineage.outdated()
        return [(each.asset, each.input, each.input_partition, each.made_from, each.current) for each in found]

    assert outdated() == [("report", "raw", None, 1, 2), ("report", "table", None, 1, 2)]
    flights.materializations.roll_back("table", 1)
    assert outdated() == [("report", "raw", None, 1, 2), ("table", "raw", None, 1, 2)]
    days = [record(flights, content, asset="daily", partition="mon") for content in ("f", "g")]
    record(flights, "1", asset="report", inputs=loaded(*days))  # both: it compares them
    record(flights, "2", asset="table", inputs=loaded(flights.materializations.current("raw")))
    assert outdated() == []


def test_consumers_are_found_down_to_the_leaves(flights: Catalog) -> None:
    assert down(flights, "raw", version=1) == [["raw 1", "report 1", ["table 1", "report 1!"]]]
    assert down(flights, "raw") == [["raw 2", "table 2"]]
    assert down(flights, "report") == ["report 1"]


def test_same_content_of_another_asset_is_no_input(catalog: Catalog) -> None:
    mine, others = record(catalog, "a", asset="mine"), record(catalog, "a", asset="others")
    assert mine.file.file_id == others.file.file_id
    record(catalog, "b", asset="table", inputs=loaded(mine))
    assert up(catalog, "table") == [["table 1", "mine 1"]]
    assert down(catalog, "others") == ["others 1"]


def test_two_partitions_of_equal_content_are_two_inputs(catalog: Catalog) -> None:
    days = [record(catalog, "a", asset="daily", partition=day) for day in ("mon", "tue")]
    record(catalog, "b", asset="week", inputs=loaded(*days))
    assert up(catalog, "week") == [["week 1", "daily[mon] 1", "daily[tue] 1"]]
    assert down(catalog, "daily", "tue") == [["daily[tue] 1", "week 1"]]
    assert up(catalog, "daily") == ["daily[mon] 1", "daily[tue] 1"]


def test_chain_of_partitions_ends_at_the_first(catalog: Catalog) -> None:
    before: tuple[LoadedInput, ...] = ()
    for day in ("1", "2", "3"):
        before = loaded(record(catalog, "a", asset="sum", partition=day, inputs=before))
    assert up(catalog, "sum", "3") == [["sum[3] 1", ["sum[2] 1", "sum[1] 1"]]]
    assert down(catalog, "sum", "1") == [["sum[1] 1", ["sum[2] 1", "sum[3] 1"]]]


def test_newest_materialization_of_a_version_is_shown_with_its_own_inputs(catalog: Catalog) -> None:
    raw = record(catalog, "a", asset="raw")
    made = [record(catalog, "b", asset="table", inputs=loaded(raw)) for _ in range(2)]
    record(catalog, "f", asset="raw")
    record(catalog, "a", asset="raw")
    [(source, found)] = catalog.lineage.consumers([raw.materialization_id], 10)
    assert (source, found.materialization_id) == (raw.materialization_id, made[1].materialization_id)
    assert up(catalog, "table") == [["table 1", "raw 1"]], "version 3 has the same file, but was not loaded"


def test_versions_with_the_same_file_are_different_inputs(catalog: Catalog) -> None:
    raw = [record(catalog, letter, asset="raw") for letter in "aba"]
    assert raw[0].file.file_id == raw[2].file.file_id
    source = LoadedInput.of(raw[0])
    record(catalog, "c", asset="table", inputs=(source,))
    assert up(catalog, "table") == [["table 1", "raw 1"]]
    assert down(catalog, "raw", version=1) == [["raw 1", "table 1"]]
    assert down(catalog, "raw", version=3) == ["raw 3"]
    record(catalog, "a", asset="raw")  # version 3 once more
    source = LoadedInput.of(raw[2])
    record(catalog, "d", asset="report", inputs=(source,))
    assert down(catalog, "raw", version=3) == [["raw 3", "report 1"]]


def test_every_asset_that_ever_had_a_file_is_found(catalog: Catalog) -> None:
    for asset, partition in (("b", "2"), ("b", "1"), ("a", None), ("a", None)):
        made = record(catalog, "a", asset=asset, partition=partition)
    found = catalog.lineage.holders(made.file.file_id, 10)
    assert [(m.asset, m.partition, m.materialization_id) for m in found] == [
        ("a", None, 4),
        ("b", "1", 2),
        ("b", "2", 1),
    ]
    assert len(catalog.lineage.holders(made.file.file_id, 2)) == 2


def test_collected_versions_stay_in_the_lineage(flights: Catalog) -> None:
    for asset in ("table", "raw"):
        flights.retention.wipe(asset)
    flights.retention.wipe("report")
    assert flights.retention.release(VersionName("report", None, 1), "test")
    assert flights.retention.release(VersionName("table", None, 1), "test")
    assert flights.retention.release(VersionName("raw", None, 1), "test")
    assert len(flights.collection.collect(0, 10)) == 3
    assert drawn(grow(flights.lineage.holders(FileId(3), 10), flights.lineage.inputs)[0]) == [
        "report 1",
        ["table 1", "raw 1!"],
        "raw 1",
    ]


def test_rollback_keeps_the_inputs_of_its_version(flights: Catalog) -> None:
    flights.materializations.roll_back("table", 1)
    assert up(flights, "table") == [["table 1", "raw 1"]]
    assert down(flights, "raw", version=1) == [["raw 1", "report 1", ["table 1", "report 1!"]]]


@pytest.mark.parametrize("neighbours", ["inputs", "consumers"])
def test_every_level_of_a_tree_is_read_by_indexes(flights: Catalog, engine: sa.Engine, neighbours: str) -> None:
    plans = "\n".join(plans_of(engine, lambda: getattr(flights.lineage, neighbours)([1, 2, 3], 10)))
    assert "SCAN" not in plans.replace("SCAN same", "")  # the rows of a subquery, which is itself read by indexes
    assert "Seq Scan" not in plans
