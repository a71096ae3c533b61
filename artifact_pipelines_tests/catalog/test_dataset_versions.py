"""Versions of datasets on each database."""

from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import (
    NeverPublishedError,
    PartitionNeededError,
    UnknownDatasetError,
    UnknownDatasetVersionError,
)
from artifact_pipelines.catalog.stored_names import find_materialization
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import LoadedInput, Materialization, Selection
from artifact_pipelines_tests.catalog.statements import plans_of
from artifact_pipelines_tests.catalog.test_materialization_catalog import record


def ingest(catalog: Catalog, raw: str, table: str | None, partition: str | None = None) -> Materialization:
    """Record a raw content of the dataset, and the table made from it."""
    made = record(catalog, raw, asset="flights/raw", partition=partition, dataset="flights")
    if table is not None:
        record(catalog, table, asset="flights/table", partition=partition, inputs=(LoadedInput.of(made),))
    return made


def test_version_has_the_newest_table_made_from_its_content(catalog: Catalog) -> None:
    first = ingest(catalog, "a", "d")
    ingest(catalog, "b", "e")
    again = record(catalog, "9", asset="flights/table", inputs=(LoadedInput.of(first),))
    newest, oldest = catalog.datasets.versions("flights")
    assert (newest.number, oldest.number, oldest.raw) == (2, 1, first)
    assert oldest.table == again
    assert (oldest.is_current, newest.is_current) == (True, False), "the current table decides"
    assert catalog.datasets.find("flights") == oldest
    assert catalog.datasets.names() == ["flights"]


def test_table_of_a_version_is_never_a_candidate_and_withdrawn_only_if_there_is_no_other(catalog: Catalog) -> None:
    raw = ingest(catalog, "a", "d")
    inputs = (LoadedInput.of(raw),)

    def version_of_table() -> int | None:
        table = catalog.datasets.find("flights").table
        return table.version if table else None

    candidate = record(catalog, "e", asset="flights/table", inputs=inputs, publish_after=("tidy",))
    assert version_of_table() == 1
    assert catalog.candidates.publish(candidate)
    assert version_of_table() == 2
    catalog.materializations.roll_back("flights/table", 1)
    record(catalog, "e", asset="flights/table", inputs=inputs)
    assert version_of_table() == 1, "the run made withdrawn content again"
    other = record(catalog, "b", asset="flights/raw", dataset="flights")
    record(catalog, "f", asset="flights/table", inputs=(LoadedInput.of(other),))
    assert version_of_table() == 3
    assert str(catalog.datasets.find("flights@v1").table) == str(catalog.materializations.version("flights/table", 1))
    catalog.materializations.roll_back("flights/table", 1)
    withdrawn = catalog.datasets.find("flights@v2").table
    assert withdrawn is not None
    assert withdrawn.version == 3, "it was checked, and is asked for by its number"


def test_version_whose_only_table_waits_for_its_checks_has_none(catalog: Catalog) -> None:
    raw = record(catalog, "a", asset="flights/raw", dataset="flights")
    record(catalog, "d", asset="flights/table", inputs=(LoadedInput.of(raw),), publish_after=("tidy",))
    assert catalog.datasets.find("flights").table is None
    with pytest.raises(NeverPublishedError, match="waits until check tidy is seen to have passed"):
        find_materialization(catalog, "flights")


def test_content_without_a_table_is_no_current_version(catalog: Catalog) -> None:
    ingest(catalog, "a", None)
    assert catalog.datasets.find("flights").number == 1, "until there is a table"
    ingest(catalog, "b", "e")
    ingest(catalog, "c", None)
    assert catalog.datasets.find("flights").number == 2
    assert catalog.datasets.find("flights@v3").table is None


def test_name_with_a_tag_means_the_version_that_has_it(catalog: Catalog) -> None:
    ingest(catalog, "a", "d")
    ingest(catalog, "b", "e")
    catalog.pins_and_tags.tag("flights/raw", "golden", version=1)
    found = catalog.datasets.find("flights@golden")
    assert (found.number, found.tags, str(found)) == (1, ("golden",), "flights@v1")


@pytest.mark.parametrize("partition", [None, "north"])
def test_tag_of_a_dataset_moves_with_its_table_or_leaves_it(catalog: Catalog, partition: str | None) -> None:
    ingest(catalog, "a", "d", partition)
    ingest(catalog, "b", None, partition)
    find, tags = catalog.datasets.find, catalog.pins_and_tags

    def tagged(asset: str) -> list[int]:
        found = catalog.materializations.find(asset, [partition], Selection(tag="golden"))
        return [made.version for made in found.values()]

    tags.tag_dataset(find("flights@v1", partition), "golden")
    assert (tagged("flights/raw"), tagged("flights/table")) == ([1], [1])
    tags.tag_dataset(find("flights@v2", partition), "golden")
    assert (tagged("flights/raw"), tagged("flights/table")) == ([2], [])
    tags.tag("flights/table", "golden", partition, 1)
    tags.untag_dataset(find("flights@golden", partition), "golden")
    assert (tagged("flights/raw"), tagged("flights/table")) == ([], [])
    with pytest.raises(InvalidArgumentError, match="numbers of versions"):
        tags.tag_dataset(find("flights@v1", partition), "v2")


def test_released_version_is_not_listed_and_the_error_names_the_others(catalog: Catalog) -> None:
    ingest(catalog, "a", None)
    ingest(catalog, "b", "e")
    assert catalog.retention.release(VersionName("flights/raw", None, 1), "test")
    assert [version.number for version in catalog.datasets.versions("flights")] == [2]
    with pytest.raises(UnknownDatasetVersionError, match="no version 'v1'. Its newest versions: v2"):
        catalog.datasets.find("flights@v1")
    with pytest.raises(UnknownDatasetError, match="Known datasets: flights"):
        catalog.datasets.find("fligths@v1")
    with pytest.raises(UnknownDatasetError):
        catalog.datasets.versions("fligths")


def test_each_partition_has_versions_of_its_own(catalog: Catalog) -> None:
    ingest(catalog, "a", "d", "north")
    ingest(catalog, "b", "e", "south")
    ingest(catalog, "c", "f", "north")
    assert list(map(str, catalog.datasets.versions("flights"))) == [
        "flights[north]@v2",
        "flights[south]@v1",
        "flights[north]@v1",
    ]
    assert [version.table is not None for version in catalog.datasets.versions("flights")] == [True] * 3
    assert list(map(str, catalog.datasets.versions("flights", partition="south"))) == ["flights[south]@v1"]
    assert list(map(str, catalog.datasets.current("flights"))) == ["flights[north]@v2", "flights[south]@v1"]
    catalog.pins_and_tags.tag("flights/raw", "golden", "north", 1)
    assert catalog.datasets.find("flights@golden", "north").number == 1
    assert catalog.datasets.find("flights", "north").number == 2
    with pytest.raises(PartitionNeededError, match="--partition`; the last that changed: north, south"):
        catalog.datasets.find("flights@v1")
    with pytest.raises(UnknownDatasetVersionError, match="has no version of partition 'west'"):
        catalog.datasets.find("flights", "west")
    with pytest.raises(UnknownDatasetVersionError, match="no version 'v2' of partition 'south'. Its newest .*: v1"):
        catalog.datasets.find("flights@v2", "south")


def test_content_is_known_by_its_hash_in_its_partition(catalog: Catalog) -> None:
    made = ingest(catalog, "a", "d", "north")
    assert catalog.datasets.version_with("flights/raw", "north", "a" * 64) == made
    assert catalog.datasets.version_with("flights/raw", "south", "a" * 64) is None
    assert catalog.datasets.read_by_current("flights/table", "north", ["a" * 64, "b" * 64]) == {"a" * 64: 1}
    assert catalog.datasets.read_by_current("flights/table", "south", ["a" * 64]) == {}


def test_newest_raw_content_is_found_however_many_came_later(catalog: Catalog) -> None:
    made = ingest(catalog, "a", None, "north")
    for partition in ("south", "west"):
        ingest(catalog, "b", None, partition)
    [newest] = catalog.materializations.history("flights/raw", limit=1)
    hashes = ["a" * 64, "b" * 64, "c" * 64]
    assert catalog.datasets.newest_with("flights/raw", hashes) == {"a" * 64: made, "b" * 64: newest}
    assert catalog.datasets.newest_with("weather/raw", hashes) == {}
    again = ingest(catalog, "a", None, "south")
    found = catalog.datasets.all_with("flights/raw", "a" * 64)
    assert [one.materialization_id for one in found] == [again.materialization_id, made.materialization_id]
    assert catalog.datasets.all_with("weather/raw", "a" * 64) == []


def test_contents_of_one_run_of_a_union_have_its_table_and_a_withdrawn_one_only_if_there_is_no_other(
    catalog: Catalog,
) -> None:
    first, second, third = [ingest(catalog, letter, None) for letter in "abc"]

    def unite(letter: str, *contents: Materialization) -> None:
        record(catalog, letter, asset="flights/table", inputs=tuple(map(LoadedInput.of, contents)))

    def version_of_table(name: str) -> int | None:
        table = catalog.datasets.find(name).table
        return table.version if table else None

    record(catalog, "d", asset="flights/table")
    unite("e", second, first)
    catalog.materializations.roll_back("flights/table", 1)
    assert version_of_table("flights@v1") == 2, "withdrawn, and there is no other"
    unite("f", second, first)
    unite("9", third, second, first)
    assert [version_of_table(f"flights@v{number}") for number in (1, 2, 3)] == [3, 3, 4], "not a later one"


def test_newest_table_of_a_version_may_wait_for_its_checks_or_be_rejected(catalog: Catalog) -> None:
    first, second = [ingest(catalog, letter, None, "north") for letter in "ab"]

    def newest(number: int) -> int | None:
        table = catalog.datasets.newest_table(catalog.datasets.find(f"flights@v{number}", "north"))
        return table.version if table else None

    assert newest(1) is None
    inputs = (LoadedInput.of(second), LoadedInput.of(first))
    for letter in "de":
        facts: Any = {"publish_after": ("tidy",), "partition": "north"}
        made = record(catalog, letter, asset="flights/table", inputs=inputs, **facts)
    assert catalog.candidates.reject(made, "failed check tidy")
    assert (newest(1), newest(2)) == (1, 2), "of the other contents of a union the oldest, as later ones have them too"


_ASKED = {
    "all with": lambda catalog: catalog.datasets.all_with("flights/raw", "a" * 64),
    "newest table": lambda catalog: catalog.datasets.newest_table(catalog.datasets.find("flights")),
    "newest with": lambda catalog: catalog.datasets.newest_with("flights/raw", ["a" * 64]),
    "versions": lambda catalog: catalog.datasets.versions("flights"),
    "find": lambda catalog: catalog.datasets.find("flights"),
    "current": lambda catalog: catalog.datasets.current("flights"),
    "version with": lambda catalog: catalog.datasets.version_with("flights/raw", None, "a" * 64),
    "read by current": lambda catalog: catalog.datasets.read_by_current("flights/table", None, ["a" * 64]),
}


@pytest.mark.parametrize("ask", _ASKED)
def test_versions_are_read_by_indexes(catalog: Catalog, engine: sa.Engine, ask: str) -> None:
    ingest(catalog, "a", "d")
    found = plans_of(engine, lambda: _ASKED[ask](catalog))
    plans = "\n".join(plan for plan in found if "json_each" not in plan)  # rows by their IDs, as everywhere
    assert "SCAN" not in plans
    assert "Seq Scan" not in plans
