"""In a run over several partitions each one has the inputs that its partition mapping reaches, and no others."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.lineage import grow
from artifact_pipelines.core.types import LoadedInput
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines_tests.catalog.filled import inputs_of

ABC = dg.StaticPartitionsDefinition(["c", "a", "b"])
SOUNDS = dg.StaticPartitionsDefinition(["vowel", "rest"])
DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-15")
WEEKS = dg.WeeklyPartitionsDefinition("2024-01-01", end_date="2024-01-15", day_offset=1)
FIRST, SECOND = WEEKS.get_partition_keys()
NAMES = dg.DynamicPartitionsDefinition(name="names")
GRID = dg.MultiPartitionsDefinition({"letter": ABC, "number": dg.StaticPartitionsDefinition(["2", "1"])})
SINGLE_RUN = dg.BackfillPolicy.single_run()


@pytest.fixture
def instance(instance: dg.DagsterInstance) -> dg.DagsterInstance:
    instance.add_dynamic_partitions("names", ["zoe", "adam", "mia"])
    return instance


def backfill(
    io_manager: ArtifactIOManager,
    instance: dg.DagsterInstance,
    assets: Sequence[dg.AssetsDefinition],
    partitions: dg.PartitionsDefinition[Any] | None,
    **options: Any,
) -> None:
    """Run assets over all partitions in one run."""
    tags = {}
    if partitions is not None:
        keys = partitions.get_partition_keys(dynamic_partitions_store=instance)
        tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    resources = {"io_manager": io_manager}
    assert dg.materialize(assets, resources=resources, instance=instance, tags=tags, **options).success


def of_partitions(name: str, partitions: dg.PartitionsDefinition[Any]) -> dg.AssetsDefinition:
    @dg.asset(name=name, partitions_def=partitions, backfill_policy=SINGLE_RUN)
    def made(context: dg.AssetExecutionContext) -> Any:
        return {key: f"{name} {key}" for key in context.partition_keys}

    return made


def made_from(catalog: Catalog, asset: str = "down") -> Mapping[str | None, Sequence[str]]:
    """Return the partitions of `up` in the lineage of each partition of an asset."""
    trees = grow(catalog.lineage.versions(asset, None, None, 100), catalog.lineage.inputs)
    return {tree.made.partition: [str(child.made.partition) for child in tree.children] for tree in trees}


def days(first: str, count: int) -> list[str]:
    keys = list(DAYS.get_partition_keys())
    return keys[keys.index(first) : keys.index(first) + count]


CASES: Mapping[str, tuple[Any, Any, Any, Mapping[str, Sequence[str]]]] = {
    "the same key, without a mapping": (ABC, ABC, None, {key: [key] for key in "abc"}),
    "the same key, with a mapping": (ABC, ABC, dg.IdentityPartitionMapping(), {key: [key] for key in "abc"}),
    "the same names": (NAMES, NAMES, None, {key: [key] for key in ("adam", "mia", "zoe")}),
    "the same days": (DAYS, DAYS, None, {key: [key] for key in DAYS.get_partition_keys()}),
    "the day before and the day": (
        DAYS,
        DAYS,
        dg.TimeWindowPartitionMapping(start_offset=-1, allow_nonexistent_upstream_partitions=True),
        {key: DAYS.get_partition_keys()[max(0, place - 1) : place + 1]
         for place, key in enumerate(DAYS.get_partition_keys())},
    ),
    "the days of a week": (DAYS, WEEKS, None, {FIRST: days(FIRST, 7), SECOND: days(SECOND, 7)}),
    "the week of a day": (
        WEEKS, DAYS, None, {day: [week] for week in (FIRST, SECOND) for day in days(week, 7)}
    ),
    "all": (ABC, SOUNDS, dg.AllPartitionMapping(), {"rest": ["c", "a", "b"], "vowel": ["c", "a", "b"]}),
    "the last": (ABC, ABC, dg.LastPartitionMapping(), {key: ["b"] for key in "abc"}),
    "as a table says": (
        ABC,
        SOUNDS,
        dg.StaticPartitionMapping({"a": "vowel", "b": "rest", "c": "rest"}),
        {"rest": ["c", "b"], "vowel": ["a"]},
    ),
    "the same of two dimensions": (GRID, GRID, None, {f"{a}|{b}": [f"{a}|{b}"] for a in "abc" for b in "12"}),
    "one dimension of two": (GRID, ABC, None, {key: [f"{key}|2", f"{key}|1"] for key in "abc"}),
    "two dimensions of one": (ABC, GRID, None, {f"{a}|{b}": [a] for a in "abc" for b in "12"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_partition_is_made_from_the_mapped_upstream_partitions(
    case: str, ours: ArtifactIOManager, own_catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    upstream, downstream, mapping, expected = CASES[case]
    up = of_partitions("up", upstream)

    @dg.asset(ins={"up": dg.AssetIn(partition_mapping=mapping)}, partitions_def=downstream, backfill_policy=SINGLE_RUN)
    def down(context: dg.AssetExecutionContext, up: dict[str, str]) -> Any:
        return {key: str(key) for key in context.partition_keys}

    backfill(ours, instance, [up], upstream)
    backfill(ours, instance, [up, down], downstream, selection=[down])
    assert made_from(own_catalog) == expected


def test_input_without_partitions_belongs_to_every_partition(
    ours: ArtifactIOManager, own_catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    @dg.asset
    def plain() -> str:
        return "x"

    @dg.asset(partitions_def=ABC, backfill_policy=SINGLE_RUN)
    def down(context: dg.AssetExecutionContext, plain: str, up: dict[str, str]) -> Any:
        return {key: plain + up[key] for key in context.partition_keys}

    up = of_partitions("up", ABC)
    backfill(ours, instance, [plain], None)
    backfill(ours, instance, [plain, up, down], ABC, selection=[up, down])
    for key in "abc":
        made = own_catalog.materializations.current("down", key)
        found = inputs_of(own_catalog, made.materialization_id)
        assert [(one.asset, one.partition) for one in found] == [("plain", None), ("up", key)]


def test_asset_without_partitions_is_made_from_all_it_loaded(
    ours: ArtifactIOManager, own_catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    @dg.asset
    def down(up: dict[str, str]) -> str:
        return "".join(up)

    up = of_partitions("up", ABC)
    backfill(ours, instance, [up], ABC)
    backfill(ours, instance, [up, down], None, selection=[down])
    assert made_from(own_catalog) == {None: ["c", "a", "b"]}


def test_assets_of_one_step_and_of_a_graph_have_inputs_by_partition(
    ours: ArtifactIOManager, own_catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    @dg.multi_asset(
        outs={"left": dg.AssetOut(), "right": dg.AssetOut()}, partitions_def=ABC, backfill_policy=SINGLE_RUN
    )
    def pair(context: dg.AssetExecutionContext, up: dict[str, str]) -> Iterator[dg.Output[Any]]:
        yield dg.Output(dict(up), "left")
        yield dg.Output(dict(up), "right")

    @dg.op
    def load(up: dict[str, str]) -> dict[str, str]:
        return up

    @dg.op
    def go_on(loaded: dict[str, str]) -> Any:
        return dict(loaded)

    @dg.graph_asset(partitions_def=ABC, backfill_policy=SINGLE_RUN)
    def one_op(up: dict[str, str]) -> Any:
        return load(up)

    @dg.graph_asset(partitions_def=ABC, backfill_policy=SINGLE_RUN)
    def two_ops(up: dict[str, str]) -> Any:
        return go_on(load(up))

    backfill(ours, instance, [of_partitions("up", ABC), pair, one_op, two_ops], ABC)
    for asset in ("left", "right", "one_op"):
        assert made_from(own_catalog, asset) == {key: [key] for key in "abc"}
    # The first op's output is one value, made from all partitions, and so is everything made from it.
    assert made_from(own_catalog, "two_ops") == {key: ["None"] for key in "abc"}


def test_ui_shows_the_inputs_of_each_partition(ours: ArtifactIOManager, instance: dg.DagsterInstance) -> None:
    @dg.asset(partitions_def=ABC, backfill_policy=SINGLE_RUN)
    def down(up: dict[str, str]) -> Any:
        return dict(up)

    backfill(ours, instance, [of_partitions("up", ABC), down], ABC)
    shown: dict[str | None, list[Any]] = {}
    for record in instance.fetch_materializations(dg.AssetKey("down"), limit=10).records:
        made = record.asset_materialization
        assert made is not None
        table: Any = made.metadata["artifact/inputs"].value
        shown[made.partition] = [row.data["partition"] for row in table.records]
    assert shown == {key: [key] for key in "abc"}


def test_inputs_of_many_partitions_are_recorded_once_each(
    ours: ArtifactIOManager, own_catalog: Catalog, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = dg.StaticPartitionsDefinition([f"{number:03}" for number in range(100)])
    recorded: list[tuple[LoadedInput, ...]] = []
    record_all = type(own_catalog.materializations).record_all

    def watch(catalog: Any, new: Any, *arguments: Any) -> Any:
        recorded.extend(facts.inputs for facts, _ in new)
        return record_all(catalog, new, *arguments)

    @dg.asset(partitions_def=numbers, backfill_policy=SINGLE_RUN)
    def down(up: dict[str, str]) -> Any:
        return dict(up)

    up = of_partitions("up", numbers)
    backfill(ours, instance, [up], numbers)
    monkeypatch.setattr(type(own_catalog.materializations), "record_all", watch)
    backfill(ours, instance, [up, down], numbers, selection=[down])
    assert sum(map(len, recorded)) == 100
