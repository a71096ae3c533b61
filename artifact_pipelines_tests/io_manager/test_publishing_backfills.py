"""Write, audit, publish in runs over several partitions: each partition becomes current or not on its own."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.publishing import publish_candidates

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-04")
KEYS = DAYS.get_partition_keys()
AFTER_CHECKS = {"artifact/publish": "after_checks"}

# An input of the asset itself loads all partitions that exist, whichever the run covers.
of_partitions = pytest.mark.parametrize("assets", ["check of partitions"], indirect=True)
pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning")


class World:
    """Values and verdicts that tests change between runs, and the values that steps saw."""

    factor = 1
    passes = True

    def __init__(self) -> None:
        self.checked: list[Mapping[str, int]] = []
        self.loaded: list[Mapping[str, int]] = []


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=["check of the asset", "check of partitions"])
def assets(world: World, request: pytest.FixtureRequest) -> list[Any]:
    @dg.asset(metadata=AFTER_CHECKS, partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def sales(context: dg.AssetExecutionContext) -> dict[str, int]:
        return {key: world.factor * int(key[-1]) for key in context.partition_keys}

    @dg.asset_check(asset=sales, blocking=True, partitions_def=DAYS if request.param.endswith("partitions") else None)
    def positive(sales: dict[str, int]) -> dg.AssetCheckResult:
        world.checked.append(sales)
        return dg.AssetCheckResult(passed=world.passes)

    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def report(sales: dict[str, int]) -> dict[str, int]:
        world.loaded.append(sales)
        return sales

    return [sales, positive, report]


class Backfill:
    def __init__(self, assets: list[Any], io_manager: ArtifactIOManager, instance: dg.DagsterInstance) -> None:
        self._assets = assets
        self._resources = {"io_manager": io_manager}
        self._instance = instance

    def run(self, selection: dg.AssetSelection | None = None, first: str = KEYS[0], last: str = KEYS[-1]) -> bool:
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        options: Any = {"instance": self._instance, "tags": tags, "raise_on_error": False}
        return dg.materialize(self._assets, selection=selection, resources=self._resources, **options).success


@pytest.fixture
def backfill(assets: list[Any], ours: ArtifactIOManager, instance: dg.DagsterInstance) -> Backfill:
    return Backfill(assets, ours, instance)


def states(catalog: Catalog) -> list[tuple[str | None, int, str]]:
    made = catalog.materializations.history("sales")
    return sorted((m.partition, m.version, m.publication.value) for m in made)


def current(catalog: Catalog) -> dict[str | None, int]:
    return {key: made.version for key, made in catalog.materializations.find("sales", KEYS).items()}


def test_passing_backfill_is_published_partition_by_partition(
    backfill: Backfill, own_catalog: Catalog, instance: dg.DagsterInstance, world: World
) -> None:
    assert backfill.run()
    assert world.checked == world.loaded == [{key: number for number, key in enumerate(KEYS, 1)}]
    publish_candidates(instance, own_catalog)
    assert states(own_catalog) == [(key, 1, "published") for key in KEYS]


def test_failing_backfill_leaves_the_last_good_version_of_each_partition(
    backfill: Backfill, own_catalog: Catalog, instance: dg.DagsterInstance, world: World
) -> None:
    backfill.run()
    publish_candidates(instance, own_catalog)
    world.factor, world.passes = -1, False
    assert not backfill.run(first=KEYS[1])
    assert world.checked[-1][KEYS[1]] == -2
    assert len(world.loaded) == 1
    done = publish_candidates(instance, own_catalog)
    assert done == [f"sales[{key}] version 2 is rejected: failed check positive" for key in KEYS[1:]]
    assert current(own_catalog) == dict.fromkeys(KEYS, 1)
    for key in KEYS[1:]:
        which = dg.AssetRecordsFilter(asset_key=dg.AssetKey("sales"), asset_partitions=[key])
        [reported] = instance.fetch_materializations(which, limit=1).records
        assert reported.asset_materialization is not None
        assert reported.asset_materialization.metadata["artifact/version"].value == "1"


@of_partitions
def test_check_of_a_later_run_is_about_the_partitions_that_it_loaded(
    backfill: Backfill, own_catalog: Catalog, instance: dg.DagsterInstance, assets: list[Any]
) -> None:
    backfill.run(dg.AssetSelection.assets("sales").without_checks())
    backfill.run(dg.AssetSelection.checks(assets[1]), last=KEYS[1])
    publish_candidates(instance, own_catalog)
    assert current(own_catalog) == dict.fromkeys(KEYS[:2], 1)


@of_partitions
def test_load_of_several_partitions_publishes_those_that_passed(
    backfill: Backfill, own_catalog: Catalog, world: World
) -> None:
    sales, report = dg.AssetSelection.assets("sales"), dg.AssetSelection.assets("report")
    backfill.run(sales, last=KEYS[1])
    assert backfill.run(report, last=KEYS[1])
    assert world.loaded == [{KEYS[0]: 1, KEYS[1]: 2}]
    assert current(own_catalog) == dict.fromkeys(KEYS[:2], 1)


def test_rejecting_a_backfill_reads_a_constant_number_of_events_for_each_partition(
    own_catalog: Catalog, ours: ArtifactIOManager, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = {count: events_read_to_reject(count, own_catalog, ours, instance, monkeypatch) for count in (4, 8)}
    assert read[8] <= 2 * read[4]


def events_read_to_reject(
    count: int,
    catalog: Catalog,
    io_manager: ArtifactIOManager,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> int:
    name, days = f"sales_of_{count}", dg.StaticPartitionsDefinition([str(number) for number in range(count)])
    factors = [1, -1]

    @dg.asset(name=name, metadata=AFTER_CHECKS, partitions_def=days, backfill_policy=dg.BackfillPolicy.single_run())
    def sales(context: dg.AssetExecutionContext) -> dict[str, int]:
        return dict.fromkeys(context.partition_keys, factors[0])

    @dg.asset_check(asset=sales, blocking=True)
    def positive() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=factors[0] > 0)

    for _ in range(2):
        Backfill([sales, positive], io_manager, instance).run(None, "0", str(count - 1))
        with monkeypatch.context() as patch:
            read = count_events_read(instance, patch)
            assert len(publish_candidates(instance, catalog)) == count
        factors.pop(0)
    return sum(read)


def count_events_read(instance: dg.DagsterInstance, patch: pytest.MonkeyPatch) -> list[int]:
    """Note how many events each query of the event log returns."""
    read: list[int] = []

    def counted(ask: Any) -> Any:
        def note(*arguments: Any, **options: Any) -> Any:
            answer = ask(*arguments, **options)
            read.append(len(answer.records))
            return answer

        return note

    for question in ("fetch_materializations", "get_records_for_run"):
        patch.setattr(instance, question, counted(getattr(instance, question)))
    return read
