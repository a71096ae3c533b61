"""A value that the code of a step loads with `context.load_asset_value` counts as an input."""

import asyncio
import json
import pathlib
import threading
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.lineage import grow
from artifact_pipelines.core.selection import SELECT_TAG
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.publishing import publish_candidates
from artifact_pipelines.io_manager.resources import ArtifactIOManagerFactory
from artifact_pipelines_tests.io_manager.test_inputs_by_partition import (
    ABC,
    SINGLE_RUN,
    backfill,
    made_from,
    of_partitions,
)
from artifact_pipelines_tests.io_manager.test_staleness import Project

VERSION_1 = {SELECT_TAG: json.dumps({"source": {"version": 1}})}
SOURCE = dg.AssetKey("source")


class Source:
    """An asset whose value the test sets, and runs of it with others."""

    def __init__(self, io_manager: Any, instance: dg.DagsterInstance) -> None:
        self.io_manager = io_manager
        self.instance = instance
        self.value = "one"

    def make(self, *assets: Any, selection: Any = None, **options: Any) -> dg.ExecuteInProcessResult:
        @dg.asset
        def source() -> str:
            return self.value

        return dg.materialize(
            [source, *assets],
            selection=selection or [source, *assets],
            resources={"io_manager": self.io_manager},
            instance=self.instance,
            **options,
        )


@dg.asset(deps=[SOURCE])
def copy(context: dg.AssetExecutionContext) -> str:
    context.load_asset_value(SOURCE)
    return str(context.load_asset_value(SOURCE))


@dg.asset(deps=[SOURCE])
async def awaited(context: dg.AssetExecutionContext) -> str:
    async def loaded() -> str:
        return str(context.load_asset_value(SOURCE))

    return (await asyncio.gather(loaded()))[0]


@pytest.fixture
def source(ours: ArtifactIOManager, instance: dg.DagsterInstance) -> Source:
    return Source(ours, instance)


def inputs_of(catalog: Catalog, asset: str) -> list[tuple[str, int | None]]:
    [newest, *_] = grow(catalog.lineage.versions(asset, None, None, 100), catalog.lineage.inputs)
    return [(child.made.asset, child.made.version) for child in newest.children]


@pytest.mark.parametrize("asset", [copy, awaited])
def test_value_loaded_by_hand_is_recorded_as_an_input_and_shown(
    source: Source, own_catalog: Catalog, asset: dg.AssetsDefinition
) -> None:
    result = source.make(asset)
    [made] = result.asset_materializations_for_node(asset.key.to_user_string())
    assert inputs_of(own_catalog, asset.key.to_user_string()) == [("source", 1)]
    assert "artifact/inputs" in made.metadata


def test_value_loaded_by_hand_is_recorded_with_a_factory_too(
    tmp_path: pathlib.Path, instance: dg.DagsterInstance
) -> None:
    url = f"sqlite:///{tmp_path}/catalog.db"
    Source(ArtifactIOManagerFactory(catalog_url=url, storage_url=str(tmp_path / "store")), instance).make(copy)
    with Catalog(url) as catalog:
        assert inputs_of(catalog, "copy") == [("source", 1)]


def test_run_tag_selects_the_version_loaded_by_hand(source: Source, own_catalog: Catalog) -> None:
    source.make()
    source.value = "two"
    result = source.make(copy)
    assert result.asset_value("copy") == "two"
    result = source.make(copy, selection=[copy], tags=VERSION_1)
    assert result.asset_value("copy") == "one"
    assert inputs_of(own_catalog, "copy") == [("source", 1)]


def test_asset_is_stale_by_the_version_it_loaded_by_hand(instance: dg.DagsterInstance, ours: ArtifactIOManager) -> None:
    class ByHand(Project):
        def define(self, value: object) -> list[Any]:
            return [*(asset for asset in super().define(value) if asset.key.to_user_string() != "copy"), copy]

    project = ByHand(instance, ours, None)
    for value in ("one", "two"):
        assert project.make(value, "source").success
    assert project.make("-", "copy").success
    assert project.status() == "FRESH"
    assert project.make("-", "copy", tags=VERSION_1).success
    assert project.status() == "STALE"


def test_check_that_loads_by_hand_gets_the_candidate(source: Source, own_catalog: Catalog) -> None:
    seen = []

    @dg.asset(metadata={"artifact/publish": "after_checks"})
    def prices() -> str:
        return source.value

    @dg.asset_check(asset=prices, blocking=True)
    def fine(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        seen.append(context.op_execution_context.load_asset_value(dg.AssetKey("prices")))
        return dg.AssetCheckResult(passed=True)

    for value in ("one", "two"):
        source.value = value
        source.make(prices, fine, selection=dg.AssetSelection.assets(prices).without_checks())
        source.make(prices, fine, selection=dg.AssetSelection.checks(fine))
    assert seen == ["one", "two"]
    publish_candidates(source.instance, own_catalog)
    assert own_catalog.materializations.current("prices").version == 2


def test_step_that_loads_by_hand_gets_what_its_own_run_wrote(source: Source) -> None:
    @dg.asset(metadata={"artifact/publish": "after_checks"})
    def prices() -> str:
        return source.value

    @dg.asset_check(asset=prices, blocking=True)
    def fine() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    @dg.asset(deps=[prices])
    def shown(context: dg.AssetExecutionContext) -> str:
        return str(context.load_asset_value(dg.AssetKey("prices")))

    source.make(prices, fine, shown, selection=[prices, shown])
    source.value = "two"
    made = dg.AssetSelection.assets(prices, shown).without_checks()
    assert source.make(prices, fine, shown, selection=made).asset_value("shown") == "two"


def test_each_partition_has_the_mapped_inputs_and_those_without_partitions(
    own_catalog: Catalog, ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    @dg.asset(deps=["up"], partitions_def=ABC, backfill_policy=SINGLE_RUN)
    def down(context: dg.AssetExecutionContext) -> Mapping[str, str]:
        for key in context.partition_keys:
            context.load_asset_value(dg.AssetKey("up"), partition_key=key)
        context.load_asset_value(dg.AssetKey("aside"))
        return {key: key for key in context.partition_keys}

    @dg.asset
    def aside() -> str:
        return "b"

    dg.materialize([aside], resources={"io_manager": ours}, instance=instance)
    backfill(ours, instance, [of_partitions("up", ABC), aside, down], ABC)
    assert made_from(own_catalog) == {key: [key, "None"] for key in ("a", "b", "c")}


def test_undeclared_input_belongs_to_the_partition_of_its_key(
    own_catalog: Catalog, ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    @dg.asset(partitions_def=ABC, backfill_policy=SINGLE_RUN)
    def down(context: dg.AssetExecutionContext) -> Mapping[str, str]:
        keys = context.partition_keys
        return {key: context.load_asset_value(dg.AssetKey("aside"), partition_key=key) for key in keys}

    backfill(ours, instance, [of_partitions("aside", ABC), down], ABC)
    assert made_from(own_catalog) == {key: [key] for key in ("a", "b", "c")}


def test_own_output_loaded_by_hand_is_not_recorded_as_an_input(source: Source, own_catalog: Catalog) -> None:
    @dg.asset(metadata={"artifact/retention": {"keep_last": 1}})
    def total(context: dg.AssetExecutionContext) -> int:
        is_first = not context.instance.get_latest_materialization_event(context.asset_key)
        return 1 if is_first else 1 + context.load_asset_value(context.asset_key)

    for expected in (1, 2, 3):
        assert source.make(total, selection=[total]).output_for_node("total") == expected
    assert inputs_of(own_catalog, "total") == []


def test_partition_that_no_mapping_reaches_belongs_to_all(
    own_catalog: Catalog, ours: ArtifactIOManager, instance: dg.DagsterInstance
) -> None:
    first = dg.StaticPartitionMapping({"a": "a", "b": "b"})

    @dg.asset(
        deps=[dg.AssetDep("up", partition_mapping=first)],
        partitions_def=dg.StaticPartitionsDefinition(["a", "b"]),
        backfill_policy=SINGLE_RUN,
    )
    def down(context: dg.AssetExecutionContext) -> Mapping[str, str]:
        for key in ("a", "c"):
            context.load_asset_value(dg.AssetKey("up"), partition_key=key)
        return {key: key for key in context.partition_keys}

    up = of_partitions("up", ABC)
    backfill(ours, instance, [up], ABC)
    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
    resources = {"io_manager": ours}
    dg.materialize([up, down], selection=[down], resources=resources, instance=instance, tags=tags)
    assert made_from(own_catalog) == {"a": ["a", "c"], "b": ["c"]}


def test_value_loaded_by_another_thread_belongs_to_no_step(source: Source, own_catalog: Catalog) -> None:
    @dg.asset(deps=[SOURCE])
    def apart(context: dg.AssetExecutionContext) -> str:
        thread = threading.Thread(target=lambda: context.load_asset_value(SOURCE))
        thread.start()
        thread.join()
        return "-"

    source.make(apart)
    assert inputs_of(own_catalog, "apart") == []
