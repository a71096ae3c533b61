"""Dagster counts an asset as fresh if it was made from the versions that Dagster takes for current, else as stale."""

import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.selection import SELECT_TAG
from artifact_pipelines.instance import event_log
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.publishing import publish_candidates

AFTER_CHECKS = {"artifact/publish": "after_checks"}
ONE_RUN = dg.BackfillPolicy.single_run()
VERSION_1 = {SELECT_TAG: json.dumps({"source": {"version": 1}})}

pytestmark = pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning")


class Project:
    """Asset `copy`, made from `source`, whose value the test sets for each partition."""

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

    def reported(self, name: str = "copy", tag: str = "dagster/input_data_version/source") -> str | None:
        event = self.instance.get_latest_materialization_event(dg.AssetKey(name))
        assert event is not None
        assert event.asset_materialization is not None
        return (event.asset_materialization.tags or {}).get(tag)


@pytest.fixture(
    params=[
        pytest.param(None, id="unpartitioned"),
        pytest.param(["mon"], id="one partition", marks=pytest.mark.long),
        pytest.param(["mon", "tue"], id="two partitions"),
    ]
)
def project(request: pytest.FixtureRequest, instance: dg.DagsterInstance, ours: ArtifactIOManager) -> Project:
    return Project(instance, ours, request.param)


@pytest.fixture
def two_days(instance: dg.DagsterInstance, ours: ArtifactIOManager) -> Project:
    return Project(instance, ours, ["mon", "tue"])


@pytest.fixture
def queries(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the filters of all calls of `fetch_materializations`."""
    queries: list[Any] = []
    fetch = instance.fetch_materializations

    def note(records_filter: Any, *arguments: Any, **options: Any) -> Any:
        queries.append(records_filter)
        return fetch(records_filter, *arguments, **options)

    monkeypatch.setattr(instance, "fetch_materializations", note)
    return queries


def test_asset_made_from_an_older_version_is_stale(project: Project) -> None:
    project.make("one", "source", "pause")
    project.make("two", "source", "pause")
    assert project.make("-", "copy", tags=VERSION_1).asset_value("copy") == "one"
    assert project.status() == "STALE"
    project.make("-", "copy")
    assert project.status() == "FRESH"


def test_asset_made_from_its_runs_own_write_is_stale_after_another_runs_write(project: Project) -> None:
    project.meanwhile = lambda: project.make("other", "source")
    assert project.make("own", "source", "pause", "copy").asset_value("copy") == "own"
    assert project.status() == "STALE"
    project.make("-", "copy")
    assert project.status() == "FRESH"


def test_asset_made_while_a_candidate_waited_is_stale_once_it_is_published(
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


def test_asset_made_while_a_candidate_waited_is_fresh_once_it_is_rejected(
    project: Project, own_catalog: Catalog
) -> None:
    project.publish = AFTER_CHECKS
    project.make("one", "source", "pause", "copy")
    project.passes = False
    project.make("two", selection=dg.AssetSelection.assets("source"))
    project.make("-", "copy")
    publish_candidates(project.instance, own_catalog)
    assert project.status() == "FRESH"


def test_asset_with_a_pinned_input_is_not_stale(project: Project) -> None:
    project.input_metadata = {"artifact/version": 1}
    project.make("one", "source", "pause")
    project.make("two", "source", "pause")
    assert project.make("-", "copy").asset_value("copy") == "one"
    assert project.status() == "FRESH"


def test_asset_made_from_an_unreported_rollback_reports_its_true_input(project: Project, own_catalog: Catalog) -> None:
    project.make("one", "source", "pause")
    event = project.reported("source", "dagster/data_version")
    project.make("two", "source", "pause")
    own_catalog.materializations.roll_back("source", 1, project.partition)
    project.make("-", "copy")
    assert project.status() == "STALE", "Dagster takes version 2 to be current"
    if project.partition is None:
        assert project.reported() == event


def test_data_version_set_by_the_user_is_reported_as_input(project: Project) -> None:
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
        assert project.reported() == "user's one"


def test_user_report_without_data_version_is_not_content(project: Project) -> None:
    project.make("one", "source", "pause")
    event = dg.AssetMaterialization("source", partition=project.partition)
    project.instance.report_runless_asset_event(event)
    project.make("-", "copy")
    assert project.status() == "FRESH"


def test_one_older_partition_makes_the_asset_stale(two_days: Project) -> None:
    for day in ("mon", "tue"):
        two_days.make("one", "source", partition_key=day)
    two_days.make("two", "source", partition_key="mon")
    two_days.make("-", "summary", partition_key=None, tags=VERSION_1)
    assert two_days.status("summary") == "STALE"
    two_days.make("-", "summary", partition_key=None)
    assert two_days.status("summary") == "FRESH"


def test_loading_the_newest_versions_queries_no_events(project: Project, queries: list[Any]) -> None:
    for value in ("one", "two"):
        for day in project.days.get_partition_keys() if project.days else [None]:
            project.make(value, "source", "pause", partition_key=day)
    queries.clear()
    project.make("-", "copy")
    if project.days:
        project.make("-", "summary", partition_key=None)
    assert queries == []
    assert project.status() == "FRESH"
    assert not project.days or project.status("summary") == "FRESH"


def test_same_bytes_of_another_type_are_other_content(project: Project) -> None:
    project.meanwhile = lambda: project.make(1, "source")
    assert project.make("1", "source", "pause", "copy").asset_value("copy") == "1"
    assert project.status() == "STALE"


def test_asset_made_without_its_input_is_stale_once_the_input_exists(
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
def test_partitions_of_a_single_run_backfill_take_one_event_query(
    instance: dg.DagsterInstance, ours: ArtifactIOManager, queries: list[Any], count: int
) -> None:
    project = Project(instance, ours, [f"{number}" for number in range(count)])
    for value in ("one", "two"):
        project.make_all(value, "source")
    queries.clear()
    project.make("-", "summary", partition_key=None)
    assert len(queries) == 1
    assert project.status("summary") == "FRESH"


@pytest.mark.parametrize("count", [1, 8])
def test_empty_partitions_take_one_event_query_however_many_candidates_they_have(
    two_days: Project, queries: list[Any], own_catalog: Catalog, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(event_log, "PAGE_EVENTS", 2)
    two_days.publish = AFTER_CHECKS
    two_days.input_metadata = {"allow_missing_partitions": True}
    two_days.make("one", "source", partition_key="tue")
    publish_candidates(two_days.instance, own_catalog)
    for _ in range(count):  # the same content each time; only the first is new
        two_days.make("-", selection=dg.AssetSelection.assets("source").without_checks(), partition_key="mon")
    queries.clear()
    made = two_days.make("-", "summary", partition_key=None)
    of_source = [which for which in queries if which.asset_key == dg.AssetKey("source")]
    assert made.asset_value("summary") == {"tue": "one"}
    assert two_days.status("summary") == "STALE"
    assert len(of_source) == 2, "one for the partition without a value, one for the other"


def test_no_events_are_queried_above_the_number_of_partitions_that_dagster_compares(
    instance: dg.DagsterInstance, ours: ArtifactIOManager, queries: list[Any]
) -> None:
    project = Project(instance, ours, [f"{number}" for number in range(100)])
    project.make_all("one", "source")
    queries.clear()
    project.make("-", "summary", partition_key=None)
    assert queries == []
