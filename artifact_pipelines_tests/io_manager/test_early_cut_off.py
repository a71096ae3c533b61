"""Early cut-off: unchanged content starts nothing, three assets deep, for any condition and code version."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

import artifact_pipelines
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines_tests.project import NO_LOGS

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-04")
ONE_RUN = dg.BackfillPolicy.single_run()
CONDITIONS: dict[str, Callable[[], dg.AutomationCondition[Any]]] = {
    "ours": artifact_pipelines.on_changed_content,
    "dagster's": lambda: dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed()),
    "eager": dg.AutomationCondition.eager,
    "eager where newly updated is changed": lambda: dg.AutomationCondition.eager().replace(
        "newly_updated", dg.AutomationCondition.data_version_changed()
    ),
    "eager on changes": lambda: dg.AutomationCondition.eager().replace(
        "any_deps_updated", dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())
    ),
}


@pytest.fixture(params=["in memory"])
def instance(request: pytest.FixtureRequest) -> Iterator[dg.DagsterInstance]:
    """An instance in memory, where a run takes a tenth of the time that it takes on disk."""
    with dg.instance_for_test(NO_LOGS) if request.param == "on disk" else dg.DagsterInstance.ephemeral() as instance:
        yield instance


@dataclasses.dataclass
class Pipeline:
    """Assets a -> b -> c. As with the daemon, the assets that an evaluation requests run."""

    assets: list[dg.AssetsDefinition]
    instance: dg.DagsterInstance
    io_manager: ArtifactIOManager
    cursor: Any = None

    def materialize(self, *names: str, partition: str | None = None, **tags: str) -> None:
        result = dg.materialize(
            self.assets,
            selection=list(names),
            instance=self.instance,
            resources={"io_manager": self.io_manager},
            partition_key=partition,
            tags=tags,
        )
        assert result.success

    def requested(self) -> set[tuple[str, str | None]]:
        """Return the assets that one evaluation requests."""
        result = dg.evaluate_automation_conditions(
            dg.Definitions(self.assets), instance=self.instance, cursor=self.cursor
        )
        self.cursor = result.cursor
        keys = [asset.key for asset in self.assets]
        return {(key.to_user_string(), partition) for key in keys for partition in result.get_requested_partitions(key)}

    def run_until_quiet(self) -> list[set[tuple[str, str | None]]]:
        """Evaluate and run the requested assets until none is requested."""
        rounds: list[set[tuple[str, str | None]]] = []
        while requested := self.requested():
            assert len(rounds) < 5
            rounds.append(requested)
            for name, partition in sorted(requested, key=str):
                self.materialize(name, partition=partition)
        return rounds

    def statuses(self, partition: str | None = None) -> dict[str, str]:
        """Return the staleness that the UI shows."""
        graph = dg.Definitions(self.assets).resolve_asset_graph()
        resolver = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        return {
            key.to_user_string(): resolver.get_status(key, partition).value for key in graph.materializable_asset_keys
        }


FRESH = dict.fromkeys("abc", StaleStatus.FRESH.value)


@pytest.fixture(
    params=[
        ("ours", "1"),
        ("dagster's", None),
        pytest.param(("ours", None), marks=pytest.mark.long),
        pytest.param(("dagster's", "1"), marks=pytest.mark.long),
    ],
    ids=lambda given: f"{given[0]}-{'code versions' if given[1] else 'no code versions'}",
)
def declared(request: pytest.FixtureRequest) -> tuple[str, str | None]:
    """Return the name of a condition, and the code version of all assets."""
    given: tuple[str, str | None] = request.param
    return given


@pytest.fixture
def condition(declared: tuple[str, str | None]) -> dg.AutomationCondition[Any]:
    return CONDITIONS[declared[0]]()


@pytest.fixture
def code_version(declared: tuple[str, str | None]) -> str | None:
    return declared[1]


@pytest.fixture
def source() -> list[int]:
    """Return the value of asset a, which the test changes."""
    return [1, 2, 3]


@pytest.fixture
def pipeline(
    source: list[int],
    condition: dg.AutomationCondition[Any],
    code_version: str | None,
    instance: dg.DagsterInstance,
    ours: ArtifactIOManager,
) -> Pipeline:
    @dg.asset(code_version=code_version)
    def a() -> pl.DataFrame:
        return pl.DataFrame({"x": source})

    @dg.asset(code_version=code_version, automation_condition=condition)
    def b(a: pl.LazyFrame) -> pl.LazyFrame:
        return a.select(pl.col("x").max())

    @dg.asset(code_version=code_version, automation_condition=condition)
    def c(b: pl.DataFrame) -> int:
        return int(b.item()) * 10

    made = Pipeline([a, b, c], instance, ours)
    made.materialize("a", "b", "c")
    assert made.run_until_quiet() == []
    assert made.statuses() == FRESH
    return made


def test_same_content_starts_nothing_and_leaves_all_fresh(pipeline: Pipeline) -> None:
    for _ in range(2):
        pipeline.materialize("a")
        assert pipeline.requested() == set()
        assert pipeline.statuses() == FRESH


def test_changed_content_starts_its_readers_and_stops_at_equal_results(pipeline: Pipeline, source: list[int]) -> None:
    source[0] = 0  # the maximum stays
    pipeline.materialize("a")
    assert pipeline.statuses() == FRESH | {"b": StaleStatus.STALE.value}
    assert pipeline.run_until_quiet() == [{("b", None)}]
    assert pipeline.statuses() == FRESH


@pytest.mark.parametrize(
    ("instance", "declared"), [("in memory", ("dagster's", None)), ("on disk", ("ours", "1"))], indirect=True
)
def test_changed_content_starts_all_that_changes_with_it(pipeline: Pipeline, source: list[int]) -> None:
    source[0] = 9
    pipeline.materialize("a")
    assert pipeline.run_until_quiet() == [{("b", None)}, {("c", None)}]
    assert pipeline.statuses() == FRESH


def test_equal_content_made_another_way_starts_nothing(pipeline: Pipeline) -> None:
    @dg.asset(code_version=pipeline.assets[0].code_versions_by_key[dg.AssetKey("a")])
    def a() -> pl.LazyFrame:
        return pl.concat([pl.LazyFrame({"x": [1, 2]}), pl.LazyFrame({"x": [3]})])

    pipeline.assets[0] = a
    pipeline.materialize("a")
    assert pipeline.run_until_quiet() == []
    assert pipeline.statuses() == FRESH


ALL_BELOW = {("b", None), ("c", None)}


@pytest.mark.parametrize("declared", [("eager", None)], indirect=True)
def test_plain_eager_condition_starts_all_downstream_on_same_content(pipeline: Pipeline) -> None:
    pipeline.materialize("a")
    assert pipeline.statuses() == FRESH
    assert pipeline.run_until_quiet() == [ALL_BELOW]


@pytest.mark.parametrize("declared", [("eager where newly updated is changed", None)], indirect=True)
def test_eager_without_newly_updated_starts_all_below_a_change(pipeline: Pipeline, source: list[int]) -> None:
    pipeline.materialize("a")
    assert pipeline.run_until_quiet() == []
    source[0] = 0  # the maximum stays
    pipeline.materialize("a")
    assert pipeline.run_until_quiet() == [ALL_BELOW]


@pytest.mark.parametrize("declared", [("eager on changes", None)], indirect=True)
def test_eager_on_data_version_changes_starts_only_what_changes(pipeline: Pipeline, source: list[int]) -> None:
    pipeline.materialize("a")
    assert pipeline.run_until_quiet() == []
    source[0] = 0  # the maximum stays
    pipeline.materialize("a")
    assert pipeline.run_until_quiet() == [{("b", None)}]
    source[0] = 9
    pipeline.materialize("a")
    assert pipeline.run_until_quiet() == [{("b", None)}, {("c", None)}]
    assert pipeline.statuses() == FRESH


@pytest.fixture
def days() -> dict[str, int]:
    """Return the value of asset a for each day, which the test changes."""
    return dict.fromkeys(DAYS.get_partition_keys(), 5)


@pytest.fixture
def daily(
    days: dict[str, int],
    condition: dg.AutomationCondition[Any],
    code_version: str | None,
    instance: dg.DagsterInstance,
    ours: ArtifactIOManager,
) -> Pipeline:
    @dg.asset(partitions_def=DAYS, code_version=code_version, backfill_policy=ONE_RUN)
    def a(context: dg.AssetExecutionContext) -> dict[str, pl.DataFrame]:
        return {key: pl.DataFrame({"day": [key], "x": [days[key]]}) for key in context.partition_keys}

    @dg.asset(partitions_def=DAYS, code_version=code_version, backfill_policy=ONE_RUN, automation_condition=condition)
    def b(a: pl.DataFrame) -> pl.DataFrame:
        return a.with_columns(pl.col("x").sign())

    @dg.asset(partitions_def=DAYS, code_version=code_version, backfill_policy=ONE_RUN, automation_condition=condition)
    def c(b: pl.DataFrame) -> dict[str, int]:
        return {"sign": int(b["x"].item())}

    made = Pipeline([a, b, c], instance, ours)
    for day in days:
        made.materialize("a", "b", "c", partition=day)
    assert made.run_until_quiet() == []
    return made


of_days = pytest.mark.parametrize(
    "declared", [("ours", "1"), pytest.param(("dagster's", None), marks=pytest.mark.long)], indirect=True
)


@of_days
def test_day_with_same_content_starts_nothing(daily: Pipeline) -> None:
    daily.materialize("a", partition="2024-01-02")
    assert daily.run_until_quiet() == []
    assert daily.statuses("2024-01-02") == FRESH


@of_days
def test_day_with_changed_content_starts_only_that_day(daily: Pipeline, days: dict[str, int]) -> None:
    days["2024-01-02"] = 6
    daily.materialize("a", partition="2024-01-02")
    assert daily.statuses("2024-01-01") == FRESH
    assert daily.statuses("2024-01-02") != FRESH
    assert daily.run_until_quiet() == [{("b", "2024-01-02")}]
    days["2024-01-03"] = -1
    daily.materialize("a", partition="2024-01-03")
    assert daily.run_until_quiet() == [{("b", "2024-01-03")}, {("c", "2024-01-03")}]
    assert [daily.statuses(day) for day in days] == [FRESH] * 3


@of_days
def test_single_run_backfill_with_same_content_starts_nothing(daily: Pipeline, days: dict[str, int]) -> None:
    whole = {"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-01-03"}
    daily.materialize("a", **whole)
    # Dagster has one data version for a run, unlike that of each day, so the days count as changed once.
    assert daily.run_until_quiet() == [{("b", day) for day in days}]
    daily.materialize("a", **whole)
    assert daily.run_until_quiet() == []
    assert [daily.statuses(day) for day in days] == [FRESH] * 3
