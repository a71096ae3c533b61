"""What Dagster is told of what a step was made from: what is fresh was made from what Dagster takes to be current."""

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.selection import SELECT_TAG
from artifact_pipelines.io_manager import event_log
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.publishing import publish_candidates

AFTER_CHECKS = {"artifact/publish": "after_checks"}
ONE_RUN = dg.BackfillPolicy.single_run()
VERSION_1 = {SELECT_TAG: json.dumps({"source": {"version": 1}})}

pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning")


class Project:
    """`copy` is made from `source`, of which each partition holds what the test says."""

    def __init__(self, instance: dg.DagsterInstance, io_manager: ArtifactIOManager, days: list[str] | None) -> None:
        self.instance = instance
        self.io_manager = io_manager
        self.days = dg.StaticPartitionsDefinition(days) if days else None
        self.partition = days[0] if days else None
        self.publish: dict[str, str] = {}
        self.passes = True
        self.input_metadata: dict[str, Any] = {}
        self.meanwhile: Callable[[], object] = lambda: None

    def define(self, value: object) -> list[Any]:
        days, policy = self.days, ONE_RUN if self.days else None

        @dg.asset(partitions_def=days, backfill_policy=policy, metadata=self.publish)
        def source(context: dg.AssetExecutionContext) -> Any:
            return value if len(context.partition_keys if self.days else []) < 2 else dict(self.each(context, value))

        @dg.asset_check(asset=source, blocking=True, partitions_def=self.days)
        def fine(source: Any) -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=self.passes)

        @dg.asset(partitions_def=days, backfill_policy=policy, deps=["source"])
        def pause() -> int:
            self.meanwhile()
            return 0

        ins = {"source": dg.AssetIn(metadata=self.input_metadata)}

        @dg.asset(partitions_def=days, backfill_policy=policy, deps=["pause"], ins=ins)
        def copy(source: Any) -> Any:
            return source

        @dg.asset(ins=ins)
        def summary(source: dict[str, str]) -> dict[str, str]:
            return source

        return [source, pause, copy, *([summary] if self.days else []), *([fine] if self.publish else [])]

    def each(self, context: dg.AssetExecutionContext, value: object) -> list[tuple[str, str]]:
        return [(key, f"{value} of {key}") for key in context.partition_keys]

    def make(self, value: object, *names: str, **options: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            self.define(value),
            selection=options.pop("selection", None) or list(names),
            resources={"io_manager": self.io_manager},
            instance=self.instance,
            partition_key=options.pop("partition_key", self.partition),
            raise_on_error=False,
            **options,
        )

    def make_all(self, value: object, *names: str) -> None:
        """Make all partitions in one run."""
        assert self.days
        first, *_, last = self.days.get_partition_keys()
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        assert self.make(value, *names, partition_key=None, tags=tags).success

    def status(self, name: str = "copy") -> str:
        graph = dg.Definitions(self.define("-")).resolve_asset_graph()
        resolver = CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))
        return resolver.get_status(dg.AssetKey(name), None if name == "summary" else self.partition).value

    def told(self, name: str = "copy", tag: str = "dagster/input_data_version/source") -> str | None:
        event = self.instance.get_latest_materialization_event(dg.AssetKey(name))
        assert event is not None
        assert event.asset_materialization is not None
        return (event.asset_materialization.tags or {}).get(tag)


@pytest.fixture(params=[None, ["mon"], ["mon", "tue"]], ids=["unpartitioned", "one partition", "two partitions"])
def project(request: pytest.FixtureRequest, instance: dg.DagsterInstance, ours: ArtifactIOManager) -> Project:
    return Project(instance, ours, request.param)


@pytest.fixture
def two_days(instance: dg.DagsterInstance, ours: ArtifactIOManager) -> Project:
    return Project(instance, ours, ["mon", "tue"])


@pytest.fixture
def asked(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `fetch_materializations` was asked for."""
    asked: list[Any] = []
    fetch = instance.fetch_materializations

    def note(records_filter: Any, *arguments: Any, **options: Any) -> Any:
        asked.append(records_filter)
        return fetch(records_filter, *arguments, **options)

    monkeypatch.setattr(instance, "fetch_materializations", note)
    return asked


def test_what_was_made_from_an_older_version_than_the_current_one_is_stale(project: Project) -> None:
    project.make("one", "source", "pause")
    project.make("two", "source", "pause")
    assert project.make("-", "copy", tags=VERSION_1).asset_value("copy") == "one"
    assert project.status() == "STALE"
    project.make("-", "copy")
    assert project.status() == "FRESH"


def test_what_was_made_from_the_runs_own_write_is_stale_where_another_run_has_written_since(project: Project) -> None:
    project.meanwhile = lambda: project.make("other", "source")
    assert project.make("own", "source", "pause", "copy").asset_value("copy") == "own"
    assert project.status() == "STALE"
    project.make("-", "copy")
    assert project.status() == "FRESH"


def test_what_was_made_while_a_candidate_waited_is_stale_once_that_is_published(
    project: Project, own_catalog: Catalog
) -> None:
    project.publish = AFTER_CHECKS
    project.make("one", "source", "pause", "copy")
    assert project.status() == "FRESH"
    project.make("two", selection=dg.AssetSelection.assets("source").without_checks())
    assert project.make("-", "copy").asset_value("copy") == "one"
    check = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("source"), "fine"))
    project.make("-", selection=check | dg.AssetSelection.assets("pause"))
    publish_candidates(project.instance, own_catalog)
    assert own_catalog.materializations.current("source", project.partition).version == 2
    assert project.status() == "STALE"


def test_what_was_made_while_a_candidate_waited_is_fresh_once_that_is_rejected(
    project: Project, own_catalog: Catalog
) -> None:
    project.publish = AFTER_CHECKS
    project.make("one", "source", "pause", "copy")
    project.passes = False
    project.make("two", selection=dg.AssetSelection.assets("source"))
    project.make("-", "copy")
    publish_candidates(project.instance, own_catalog)
    assert project.status() == "FRESH"


def test_what_an_inputs_metadata_pin_is_not_stale_for_ever(project: Project) -> None:
    project.input_metadata = {"artifact/version": 1}
    project.make("one", "source", "pause")
    project.make("two", "source", "pause")
    assert project.make("-", "copy").asset_value("copy") == "one"
    assert project.status() == "FRESH"


def test_what_was_made_from_a_rollback_of_which_dagster_was_not_told_is_told_so(
    project: Project, own_catalog: Catalog
) -> None:
    project.make("one", "source", "pause")
    event = project.told("source", "dagster/data_version")
    project.make("two", "source", "pause")
    own_catalog.materializations.roll_back("source", 1, project.partition)
    project.make("-", "copy")
    assert project.status() == "STALE", "Dagster takes version 2 to be current"
    if project.partition is None:
        assert project.told() == event


def test_a_data_version_of_the_users_own_is_the_one_that_is_told(project: Project) -> None:
    def make(value: str) -> None:
        @dg.asset(name="source", partitions_def=project.days)
        def source() -> dg.Output[str]:
            return dg.Output(value, data_version=dg.DataVersion(f"user's {value}"))

        resources = {"io_manager": project.io_manager}
        dg.materialize([source], resources=resources, instance=project.instance, partition_key=project.partition)

    make("one")
    project.make("-", "pause", "copy")
    assert project.status() == "FRESH"
    make("two")
    project.make("-", "pause")
    project.make("-", "copy", tags=VERSION_1)
    assert project.status() == "STALE"
    if project.partition is None:
        assert project.told() == "user's one"


def test_what_a_user_reports_without_a_data_version_says_nothing_of_content(project: Project) -> None:
    project.make("one", "source", "pause")
    event = dg.AssetMaterialization("source", partition=project.partition)
    project.instance.report_runless_asset_event(event)
    project.make("-", "copy")
    assert project.status() == "FRESH"


def test_of_many_partitions_one_that_is_not_the_newest_makes_stale(two_days: Project) -> None:
    for day in ("mon", "tue"):
        two_days.make("one", "source", partition_key=day)
    two_days.make("two", "source", partition_key="mon")
    two_days.make("-", "summary", partition_key=None, tags=VERSION_1)
    assert two_days.status("summary") == "STALE"
    two_days.make("-", "summary", partition_key=None)
    assert two_days.status("summary") == "FRESH"


def test_nothing_is_asked_where_everything_loaded_is_the_newest(project: Project, asked: list[Any]) -> None:
    for value in ("one", "two"):
        for day in project.days.get_partition_keys() if project.days else [None]:
            project.make(value, "source", "pause", partition_key=day)
    asked.clear()
    project.make("-", "copy")
    if project.days:
        project.make("-", "summary", partition_key=None)
    assert asked == []
    assert project.status() == "FRESH"
    assert not project.days or project.status("summary") == "FRESH"


def test_the_same_bytes_of_another_type_are_other_content(project: Project) -> None:
    project.meanwhile = lambda: project.make(1, "source")
    assert project.make("1", "source", "pause", "copy").asset_value("copy") == "1"
    assert project.status() == "STALE"


def test_what_was_made_from_nothing_is_stale_once_there_is_something(
    instance: dg.DagsterInstance, ours: ArtifactIOManager, own_catalog: Catalog
) -> None:
    @dg.asset(metadata=AFTER_CHECKS)
    def source() -> int:
        return 1

    @dg.asset_check(asset=source, blocking=True)
    def fine() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    @dg.asset
    def copy(source: int | None) -> str:
        return f"from {source}"

    assets: list[Any] = [source, fine, copy]
    options: Any = {"resources": {"io_manager": ours}, "instance": instance}
    dg.materialize(assets, selection=dg.AssetSelection.assets(source).without_checks(), **options)
    assert dg.materialize(assets, selection=[copy], **options).asset_value("copy") == "from None"
    own_catalog.candidates.publish_version("source", 1)
    resolver = CachingStaleStatusResolver(
        instance, dg.Definitions([source, copy]).resolve_asset_graph(), LoadingContextForTest(instance)
    )
    assert resolver.get_status(dg.AssetKey("copy")).value == "STALE"


@pytest.mark.parametrize("count", [5, 50])
def test_what_a_backfill_in_one_run_made_is_looked_up_at_once(
    instance: dg.DagsterInstance, ours: ArtifactIOManager, asked: list[Any], count: int
) -> None:
    project = Project(instance, ours, [f"{number}" for number in range(count)])
    for value in ("one", "two"):
        project.make_all(value, "source")
    asked.clear()
    project.make("-", "summary", partition_key=None)
    assert len(asked) == 1
    assert project.status("summary") == "FRESH"


@pytest.mark.parametrize("count", [1, 8])
def test_partitions_that_hold_nothing_are_looked_up_at_once_however_often_they_were_made(
    two_days: Project, asked: list[Any], own_catalog: Catalog, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(event_log, "PAGE_EVENTS", 2)
    two_days.publish = AFTER_CHECKS
    two_days.input_metadata = {"allow_missing_partitions": True}
    two_days.make("one", "source", partition_key="tue")
    publish_candidates(two_days.instance, own_catalog)
    for _ in range(count):  # the same content each time, of which only the first is new to who had nothing
        two_days.make("-", selection=dg.AssetSelection.assets("source").without_checks(), partition_key="mon")
    asked.clear()
    made = two_days.make("-", "summary", partition_key=None)
    of_source = [which for which in asked if which.asset_key == dg.AssetKey("source")]
    assert made.asset_value("summary") == {"tue": "one"}
    assert two_days.status("summary") == "STALE"
    assert len(of_source) == 2, "once for the partition that holds nothing, once for the other"


def test_nothing_is_told_of_so_many_partitions_that_dagster_compares_none(
    instance: dg.DagsterInstance, ours: ArtifactIOManager, asked: list[Any]
) -> None:
    project = Project(instance, ours, [f"{number}" for number in range(100)])
    project.make_all("one", "source")
    asked.clear()
    project.make("-", "summary", partition_key=None)
    assert asked == []
