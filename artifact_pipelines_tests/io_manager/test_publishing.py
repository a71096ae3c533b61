"""Write, audit, publish: the versions that consumers load while checks run, pass, fail, crash or never run."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines.automation import on_changed_content
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import UnknownVersionError
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import Materialization, Publication
from artifact_pipelines.instance.runless_reports import report_publication, report_rollback
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.publishing import publish_candidates
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

AFTER_CHECKS = {"artifact/publish": "after_checks"}
WAITS = "waits until check positive is seen to have passed"


class World:
    """Values and verdicts that tests change between runs, and the values that steps saw."""

    value: int = 1
    passes: bool = True
    crashes: bool = False
    severity = dg.AssetCheckSeverity.ERROR

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] = lambda: None
        self.checked: list[int] = []
        self.consumed: list[int] = []


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def io_manager(catalog: Catalog, producer: ArtifactProducer) -> ArtifactIOManager:
    return ArtifactIOManager(catalog, producer)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def definitions(world: World, io_manager: ArtifactIOManager) -> dg.Definitions:
    @dg.asset(metadata=AFTER_CHECKS, code_version="1")
    def prices() -> int:
        world.meanwhile()
        return world.value

    @dg.asset_check(asset=prices, blocking=True)
    def positive(prices: int) -> dg.AssetCheckResult:
        world.checked.append(prices)
        if world.crashes:
            raise ValueError("crashed")
        return dg.AssetCheckResult(passed=world.passes, severity=world.severity)

    @dg.asset_check(asset=prices)
    def pretty(prices: int) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False)

    @dg.asset(code_version="1", automation_condition=on_changed_content())
    def report(prices: int) -> int:
        world.consumed.append(prices)
        return prices * 10

    return dg.Definitions(
        assets=[prices, report],
        asset_checks=[positive, pretty],
        resources={"io_manager": io_manager},
        jobs=[
            dg.define_asset_job("everything", dg.AssetSelection.all()),
            dg.define_asset_job("checked_prices", dg.AssetSelection.assets("prices")),
            dg.define_asset_job("only_prices", dg.AssetSelection.assets("prices").without_checks()),
            dg.define_asset_job("only_checks", dg.AssetSelection.checks(positive)),
            dg.define_asset_job("only_report", dg.AssetSelection.assets("report")),
        ],
        executor=dg.in_process_executor,
    )


@pytest.fixture
def run(definitions: dg.Definitions, instance: dg.DagsterInstance, world: World) -> Any:
    def run(job: str, **changes: Any) -> dg.ExecuteInProcessResult:
        for name, value in changes.items():
            setattr(world, name, value)
        return definitions.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)

    return run


@pytest.fixture
def requested(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Callable[[], int]:
    """Return a function that returns how many assets one more tick of automation requests."""
    ticks: list[dg.EvaluateAutomationConditionsResult] = []

    def requested() -> int:
        cursor = ticks[-1].cursor if ticks else None
        ticks.append(dg.evaluate_automation_conditions(definitions, instance, cursor=cursor))
        return ticks[-1].total_requested

    return requested


def history(catalog: Catalog, asset: str = "prices") -> list[tuple[int, str, str | None]]:
    made = catalog.materializations.history(asset)
    return [(m.version, m.publication.value, m.publication_reason) for m in made]


def current(catalog: Catalog, asset: str = "prices") -> Materialization:
    return catalog.materializations.current(asset)


def test_version_that_passes_its_checks_is_loaded_by_the_next_step(run: Any, catalog: Catalog, world: World) -> None:
    assert run("everything").success
    assert run("everything", value=2).success
    assert (world.checked, world.consumed) == ([1, 2], [1, 2])
    assert history(catalog) == [(2, "published", None), (1, "published", None)]
    assert current(catalog).version == 2


@pytest.mark.everywhere
def test_version_that_fails_a_check_is_rejected_and_the_last_good_one_stays(
    run: Any, catalog: Catalog, world: World, instance: dg.DagsterInstance
) -> None:
    run("everything")
    assert not run("everything", value=-2, passes=False).success
    assert run("only_report").success
    assert world.consumed == [1, 1]
    assert history(catalog) == [(2, "rejected", "failed check positive"), (1, "published", None)]
    rejected = catalog.materializations.version("prices", 2)
    assert rejected.publication == Publication.REJECTED


def test_candidate_is_loaded_only_by_its_run_and_its_checks(
    run: Any, catalog: Catalog, world: World, instance: dg.DagsterInstance
) -> None:
    run("everything")
    run("only_prices", value=2)
    assert history(catalog)[0] == (2, "candidate", WAITS)
    assert current(catalog).version == 1
    run("only_report")
    assert world.consumed == [1, 1]
    assert run("only_checks").success
    assert world.checked == [1, 2]
    assert current(catalog).version == 1
    assert publish_candidates(instance, catalog) == ["prices version 2 is published"]
    assert current(catalog).version == 2


def test_load_publishes_a_candidate_that_passed_in_another_run(run: Any, catalog: Catalog, world: World) -> None:
    run("only_prices")
    run("only_checks")
    assert run("only_report").success
    assert world.consumed == [1]
    assert current(catalog).publication == Publication.PUBLISHED


def test_crashed_check_leaves_a_candidate_whose_reason_names_the_check(
    run: Any, catalog: Catalog, world: World, instance: dg.DagsterInstance
) -> None:
    run("everything")
    assert not run("everything", value=2, crashes=True).success
    assert publish_candidates(instance, catalog) == []
    assert history(catalog)[0] == (2, "candidate", WAITS)
    assert run("only_checks", crashes=False).success
    assert publish_candidates(instance, catalog) == ["prices version 2 is published"]


def test_failed_check_of_warning_severity_publishes(run: Any, catalog: Catalog, world: World) -> None:
    run("everything", passes=False, severity=dg.AssetCheckSeverity.WARN)
    assert current(catalog).publication == Publication.PUBLISHED
    assert world.consumed == [1]


def test_nothing_is_current_before_the_first_good_version(run: Any, catalog: Catalog) -> None:
    run("everything", passes=False)
    failed = run("only_report")
    [event] = [event for event in failed.all_events if event.is_step_failure]
    text = event.step_failure_data.error.to_string()
    assert "NeverPublishedError" in text
    assert "failed check positive" in text


def test_older_candidate_never_replaces_a_newer_version(
    run: Any, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    run("only_prices", value=1)
    run("only_prices", value=2)
    run("only_checks")
    assert publish_candidates(instance, catalog) == ["prices version 2 is published"]
    assert history(catalog) == [
        (2, "published", None),
        (1, "rejected", "superseded by version 2, which became current first"),
    ]


def test_content_that_is_already_current_is_published_at_once(run: Any, catalog: Catalog) -> None:
    run("everything")
    run("only_prices")
    assert history(catalog) == [(1, "published", None), (1, "published", None)]


def test_rejected_version_is_published_by_command(run: Any, catalog: Catalog, instance: dg.DagsterInstance) -> None:
    run("everything")
    run("everything", value=2, passes=False)
    publish_candidates(instance, catalog)
    made = catalog.candidates.publish_version("prices", 2)
    assert report_publication(instance, catalog, made, "file:///somewhere")
    assert not report_publication(instance, catalog, made, "file:///somewhere")
    assert history(catalog)[0] == (2, "published", "published by command")
    assert data_version(instance) == current(catalog).data_version == made.data_version
    with pytest.raises(InvalidArgumentError, match="rollback prices --to 1"):
        catalog.candidates.publish_version("prices", 1)
    with pytest.raises(UnknownVersionError):
        catalog.candidates.publish_version("prices", 9)


def test_asset_without_a_blocking_check_is_refused_before_storing(
    io_manager: ArtifactIOManager, catalog: Catalog
) -> None:
    @dg.asset(metadata=AFTER_CHECKS)
    def prices() -> int:
        return 1

    result = dg.materialize([prices], resources={"io_manager": io_manager}, raise_on_error=False)
    [event] = [event for event in result.all_events if event.is_step_failure]
    assert event.step_failure_data.error is not None
    assert "NoBlockingChecksError" in event.step_failure_data.error.to_string()
    assert history(catalog) == []


def data_version(instance: dg.DagsterInstance, key: str = "prices", tag: str = "dagster/data_version") -> str | None:
    event = instance.get_latest_materialization_event(dg.AssetKey(key))
    assert event is not None
    assert event.asset_materialization is not None
    return (event.asset_materialization.tags or {}).get(tag)


def test_rejection_reports_the_last_good_version_to_dagster(
    run: Any, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    run("everything")
    good = data_version(instance)
    run("everything", value=-2, passes=False)
    assert data_version(instance) != good
    assert publish_candidates(instance, catalog) == ["prices version 2 is rejected: failed check positive"]
    assert data_version(instance) == good == current(catalog).data_version
    assert publish_candidates(instance, catalog) == []
    event = instance.get_latest_materialization_event(dg.AssetKey("prices"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["artifact/publication"].value == (
        "Version 2 is rejected: failed check positive. Version 1 stays current."
    )
    assert event.asset_materialization.metadata["artifact/version"].value == "1"
    assert event.asset_materialization.metadata["artifact/bytes_added"].value == 0


def test_rejection_is_reported_although_the_process_died_after_reporting(
    run: Any, catalog: Catalog, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("everything")
    run("everything", value=-2, passes=False)
    with monkeypatch.context() as patch:
        patch.setattr(catalog.candidates, "reject", _die)
        with pytest.raises(KeyboardInterrupt):
            publish_candidates(instance, catalog)
    reported = len(instance.fetch_materializations(dg.AssetKey("prices"), limit=9).records)
    assert publish_candidates(instance, catalog) == ["prices version 2 is rejected: failed check positive"]
    assert len(instance.fetch_materializations(dg.AssetKey("prices"), limit=9).records) == reported


def test_reporting_the_current_version_again_repeats_what_its_checks_found(
    run: Any, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    run("everything")
    run("everything", value=-2, passes=False)
    publish_candidates(instance, catalog)
    passed, text = last_finding(instance, "positive")
    assert passed
    assert "what the check found of version 1 before; it did not run again" in text
    passed, text = last_finding(instance, "pretty")  # it blocks nothing
    assert not passed
    assert "of version 1 before" in text
    catalog.candidates.publish_version("prices", 2)
    run("everything", value=-3)
    publish_candidates(instance, catalog)
    passed, text = last_finding(instance, "positive")
    assert passed
    assert "Version 2 failed this check, and is current all the same" in text


def last_finding(instance: dg.DagsterInstance, check: str) -> tuple[bool, str]:
    """Return the newest evaluation of a check of prices, which is about the newest event."""
    key = dg.AssetCheckKey(dg.AssetKey("prices"), check)
    evaluation = instance.event_log_storage.get_asset_check_execution_history(key, 1)[0].evaluation
    newest = instance.fetch_materializations(key.asset_key, limit=1).records[0]
    assert evaluation is not None
    assert evaluation.target_materialization_data is not None
    assert evaluation.target_materialization_data.storage_id == newest.storage_id
    return evaluation.passed, str(evaluation.description)


def test_automation_follows_a_rollback_and_the_way_back(
    run: Any, catalog: Catalog, world: World, instance: dg.DagsterInstance, requested: Callable[[], int]
) -> None:
    run("everything")
    run("everything", value=2)
    assert requested() == 0
    for version in (1, 2):
        done = catalog.materializations.roll_back("prices", version)
        assert report_rollback(instance, catalog, done, "file:///somewhere")
        assert last_finding(instance, "positive")[0]
        assert not last_finding(instance, "pretty")[0]
        assert requested() == 1
        run("only_report")
        assert world.consumed[-1] == version
        assert requested() == 0


def test_automation_follows_a_version_that_was_published_although_it_failed(
    run: Any, catalog: Catalog, instance: dg.DagsterInstance, requested: Callable[[], int]
) -> None:
    run("everything")
    assert requested() == 0
    run("everything", value=2, passes=False)
    publish_candidates(instance, catalog)
    requested()
    run("only_report")
    assert requested() == 0
    made = catalog.candidates.publish_version("prices", 2)
    assert report_publication(instance, catalog, made, "file:///somewhere")
    passed, text = last_finding(instance, "positive")
    assert passed
    assert "failed this check, and is current all the same, because a person has made it current." in text
    assert requested() == 1


def test_automation_follows_a_rollback_to_a_version_that_a_new_check_never_saw(
    run: Any, catalog: Catalog, instance: dg.DagsterInstance, requested: Callable[[], int]
) -> None:
    run("only_prices")
    catalog.candidates.publish_version("prices", 1)
    run("everything", value=2)
    assert requested() == 0
    report_rollback(instance, catalog, catalog.materializations.roll_back("prices", 1), "file:///somewhere")
    assert "What this check finds of version 1 is not known." in last_finding(instance, "positive")[1]
    assert requested() == 1


@pytest.fixture
def slow_check(io_manager: ArtifactIOManager, instance: dg.DagsterInstance, catalog: Catalog) -> Callable[[], None]:
    """Return a function that passes the second check of version 2 of `size`.

    Version 1 is current, version 2 waits for its second check, version 3 has failed its first.
    """
    runs: list[str] = []

    @dg.asset(metadata=AFTER_CHECKS)
    def size(context: dg.AssetExecutionContext) -> int:
        return int(context.run.tags["value"])

    @dg.asset_check(asset=size, blocking=True)
    def fine(size: int) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=size < 3)

    @dg.asset_check(asset=size, blocking=True)
    def slow(size: int) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    def make(value: int, *checks: Any) -> None:
        selection = dg.AssetSelection.assets(size).without_checks() | dg.AssetSelection.checks(*checks)
        options: Any = {"selection": selection, "tags": {"value": str(value)}, "raise_on_error": False}
        run = dg.materialize([size, fine, slow], resources={"io_manager": io_manager}, instance=instance, **options)
        runs.append(run.run_id)

    def passes() -> None:
        evaluation = dg.AssetCheckEvaluation(dg.AssetKey("size"), "slow", passed=True, metadata={})
        what = dg.DagsterEventType.ASSET_CHECK_EVALUATION.value
        instance.report_dagster_event(dg.DagsterEvent(what, "-", event_specific_data=evaluation), runs[1])

    make(1, fine, slow)
    publish_candidates(instance, catalog)
    make(2, fine)
    make(3, fine)
    assert publish_candidates(instance, catalog) == ["size version 3 is rejected: failed check fine"]
    return passes


def test_older_candidate_that_passes_after_a_newer_rejection_is_reported(
    slow_check: Callable[[], None], catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    slow_check()
    assert publish_candidates(instance, catalog) == ["size version 2 is published"]
    assert data_version(instance, "size") == current(catalog, "size").data_version
    assert current(catalog, "size").version == 2
    [reported] = instance.fetch_materializations(dg.AssetKey("size"), limit=1).records
    assert reported.asset_materialization is not None
    assert reported.asset_materialization.metadata["artifact/version"].value == "2"
    for name in ("fine", "slow"):
        check = dg.AssetCheckKey(dg.AssetKey("size"), name)
        [record] = instance.event_log_storage.get_asset_check_execution_history(check, 1)
        assert record.evaluation is not None
        assert record.evaluation.target_materialization_data is not None
        assert record.evaluation.target_materialization_data.storage_id == reported.storage_id
        assert "This is what the check found of version 2 before" in str(record.evaluation.description)


def test_pass_is_reported_once_although_the_process_died_after_reporting(
    slow_check: Callable[[], None], catalog: Catalog, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_check()
    with monkeypatch.context() as patch:
        patch.setattr(catalog.candidates, "publish", _die)
        with pytest.raises(KeyboardInterrupt):
            publish_candidates(instance, catalog)
    reported = len(instance.fetch_materializations(dg.AssetKey("size"), limit=9).records)
    assert publish_candidates(instance, catalog) == ["size version 2 is published"]
    assert len(instance.fetch_materializations(dg.AssetKey("size"), limit=9).records) == reported


def test_newer_version_that_became_current_meanwhile_is_reported(
    slow_check: Callable[[], None], catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    slow_check()
    waiting = catalog.candidates.waiting()
    catalog.candidates.publish_version("size", 3)
    assert publish_candidates(instance, catalog, waiting) == []
    assert data_version(instance, "size") == current(catalog, "size").data_version
    assert current(catalog, "size").version == 3


def _die(*_: object) -> bool:
    raise KeyboardInterrupt


def test_asset_reports_the_last_good_version_as_input_while_a_candidate_waits(
    run: Any, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    run("everything")
    good = data_version(instance)
    run("only_prices", value=2)
    run("only_report")
    assert data_version(instance, "report", "dagster/input_data_version/prices") == good
    run("only_checks")
    run("only_report")
    assert (
        data_version(instance, "report", "dagster/input_data_version/prices") == current(catalog).data_version != good
    )


def test_automation_waits_for_the_checks(
    run: Any, catalog: Catalog, instance: dg.DagsterInstance, requested: Callable[[], int]
) -> None:
    run("everything")
    assert requested() == 0
    run("only_prices", value=2)  # not checked yet
    assert requested() == 0
    run("only_checks")
    assert requested() == 1
    run("only_report")
    assert requested() == 0
    assert current(catalog, "report").version == 2


def test_automation_runs_once_after_a_rejection_and_then_stops(
    run: Any, catalog: Catalog, instance: dg.DagsterInstance, requested: Callable[[], int]
) -> None:
    run("everything")
    assert requested() == 0
    run("only_prices", value=-2)
    assert requested() == 0
    run("only_checks", passes=False)
    assert requested() == 0
    publish_candidates(instance, catalog)
    assert requested() == 1
    run("only_report")
    assert requested() == 0
    assert current(catalog, "report").version == 1  # nothing downstream starts


def test_automation_follows_a_version_that_was_made_while_the_one_before_was_rejected(
    run: Any, catalog: Catalog, instance: dg.DagsterInstance, requested: Callable[[], int]
) -> None:
    run("everything")
    assert requested() == 0
    run("checked_prices", value=-2, passes=False)
    assert requested() == 0
    run("checked_prices", value=3, passes=True, meanwhile=lambda: publish_candidates(instance, catalog))
    assert publish_candidates(instance, catalog) == ["prices version 3 is published"]
    assert requested() == 1


def test_checks_in_the_assets_own_step_publish_and_reject(
    io_manager: ArtifactIOManager, catalog: Catalog, world: World, instance: dg.DagsterInstance
) -> None:
    @dg.asset(metadata=AFTER_CHECKS, check_specs=[dg.AssetCheckSpec("small", asset="size", blocking=True)])
    def size() -> Any:
        yield dg.MaterializeResult(value=world.value, check_results=[dg.AssetCheckResult(passed=world.value < 10)])

    @dg.asset
    def twice(size: int) -> int:
        world.consumed.append(size)
        return 2 * size

    def go(value: int) -> bool:
        world.value = value
        options: Any = {"resources": {"io_manager": io_manager}, "instance": instance, "raise_on_error": False}
        return dg.materialize([size, twice], **options).success

    assert go(1)
    assert not go(20)
    assert go(3)
    assert world.consumed == [1, 3]
    publish_candidates(instance, catalog)
    assert [state for _, state, _ in history(catalog, "size")] == ["published", "rejected", "published"]


def test_check_result_yielded_before_the_output_counts(
    io_manager: ArtifactIOManager, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    @dg.asset(metadata=AFTER_CHECKS, check_specs=[dg.AssetCheckSpec("small", asset="size", blocking=True)])
    def size() -> Any:
        yield dg.AssetCheckResult(passed=True)
        yield dg.Output(1)

    dg.materialize([size], resources={"io_manager": io_manager}, instance=instance)
    assert publish_candidates(instance, catalog) == ["size version 1 is published"]


def test_check_of_an_earlier_attempt_does_not_publish_a_later_one(
    io_manager: ArtifactIOManager, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    text: list[object] = []

    @dg.asset(
        metadata=AFTER_CHECKS,
        check_specs=[dg.AssetCheckSpec("small", asset="size", blocking=True)],
        retry_policy=dg.RetryPolicy(max_retries=1),
    )
    def size(context: dg.AssetExecutionContext) -> Any:
        yield dg.Output(context.retry_number)
        if context.retry_number == 1:
            text.append(publish_candidates(instance, catalog))  # no check of this attempt has run yet
        yield dg.AssetCheckResult(passed=True)
        if context.retry_number == 0:
            raise ValueError("after the check")

    assert dg.materialize([size], resources={"io_manager": io_manager}, instance=instance).success
    assert text == [["size version 1 is published"]]
    assert publish_candidates(instance, catalog) == ["size version 2 is published"]


def test_check_that_loads_nothing_is_about_the_newest_event(
    io_manager: ArtifactIOManager, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    values = iter([1, 2])

    @dg.asset(metadata=AFTER_CHECKS)
    def size() -> int:
        return next(values)

    @dg.asset_check(asset=size, blocking=True)
    def is_there() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    both = dg.AssetSelection.assets(size).without_checks(), dg.AssetSelection.checks(is_there)
    for selection in (both[0], both[0], both[1]):
        options: Any = {"selection": selection, "instance": instance}
        dg.materialize([size, is_there], resources={"io_manager": io_manager}, **options)
    assert publish_candidates(instance, catalog) == ["size version 2 is published"]
    assert [state for _, state, _ in history(catalog, "size")] == ["published", "rejected"]


def test_check_of_one_candidate_never_publishes_the_next_one(
    io_manager: ArtifactIOManager, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    values = iter([1, 2])

    @dg.asset(metadata=AFTER_CHECKS)
    def size() -> int:
        return next(values)

    @dg.asset_check(asset=size, blocking=True)
    def fine(size: int) -> dg.AssetCheckResult:
        make()  # while the first is being checked
        return dg.AssetCheckResult(passed=True)

    options: Any = {"resources": {"io_manager": io_manager}, "instance": instance}

    def make() -> None:
        dg.materialize([size, fine], selection=dg.AssetSelection.assets(size).without_checks(), **options)

    make()
    dg.materialize([size, fine], selection=dg.AssetSelection.checks(fine), **options)
    assert publish_candidates(instance, catalog) == ["size version 1 is published"]
    assert publish_candidates(instance, catalog) == []
    assert history(catalog, "size")[0] == (2, "candidate", WAITS.replace("positive", "fine"))


def test_check_that_fails_during_a_decision_is_not_missed(
    run: Any, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    run("only_prices")
    run("only_checks")
    waiting = catalog.candidates.waiting()
    run("only_checks", passes=False)
    assert publish_candidates(instance, catalog, waiting) == ["prices version 1 is rejected: failed check positive"]


def test_restored_version_is_reported_with_its_data_version_and_checks(
    io_manager: ArtifactIOManager, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    @dg.asset(metadata=AFTER_CHECKS)
    def size(context: dg.AssetExecutionContext) -> dg.Output[int]:
        value = int(context.run.tags["value"])
        return dg.Output(value, data_version=dg.DataVersion(f"user's {value}"))

    @dg.asset_check(asset=size, blocking=True)
    def fine(size: int) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=size > 0)

    def make(value: int) -> None:
        options: Any = {"resources": {"io_manager": io_manager}, "instance": instance, "raise_on_error": False}
        dg.materialize([size, fine], tags={"value": str(value)}, **options)
        publish_candidates(instance, catalog)

    make(1)
    catalog.retention.wipe("size")
    catalog.retention.restore("size")
    make(-2)
    assert data_version(instance, "size") == "user's 1"
    key = dg.AssetCheckKey(dg.AssetKey("size"), "fine")
    reported = instance.event_log_storage.get_asset_check_execution_history(key, 1)[0].evaluation
    assert reported is not None
    assert reported.passed, "the check passed version 1, which is current again"


def test_each_asset_of_a_multi_asset_is_published_by_its_own_checks(
    io_manager: ArtifactIOManager, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    @dg.multi_asset(
        outs={"good": dg.AssetOut(metadata=AFTER_CHECKS), "bad": dg.AssetOut(metadata=AFTER_CHECKS)},
        check_specs=[dg.AssetCheckSpec("fine", asset=key, blocking=True) for key in ("good", "bad")],
    )
    def both() -> Any:
        yield dg.Output(1, "good")
        yield dg.Output(2, "bad")
        yield dg.AssetCheckResult(asset_key="good", passed=True)
        yield dg.AssetCheckResult(asset_key="bad", passed=False)

    dg.materialize([both], resources={"io_manager": io_manager}, instance=instance, raise_on_error=False)
    publish_candidates(instance, catalog)
    assert history(catalog, "good") == [(1, "published", None)]
    assert history(catalog, "bad") == [(1, "rejected", "failed check fine")]


@pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.PreviewWarning")
@pytest.mark.parametrize("check_is_partitioned", [True, False])
def test_partition_is_published_by_its_own_check_results(
    io_manager: ArtifactIOManager, catalog: Catalog, instance: dg.DagsterInstance, check_is_partitioned: bool
) -> None:
    days = dg.StaticPartitionsDefinition(["mon", "tue"])

    @dg.asset(metadata=AFTER_CHECKS, partitions_def=days)
    def sales(context: dg.AssetExecutionContext) -> str:
        return str(context.partition_key)

    @dg.asset_check(asset=sales, blocking=True, partitions_def=days)
    def by_partition(sales: str) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=sales == "mon")

    @dg.asset_check(asset=sales, blocking=True)
    def by_run(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=context.run.tags["dagster/partition"] == "mon")

    check = by_partition if check_is_partitioned else by_run
    for day in ("mon", "tue"):
        dg.materialize(
            [sales, check],
            partition_key=day,
            resources={"io_manager": io_manager},
            instance=instance,
            raise_on_error=False,
        )
    publish_candidates(instance, catalog)
    state = {m.partition: m.publication.value for m in catalog.materializations.history("sales")}
    assert state == {"mon": "published", "tue": "rejected"}


def test_load_decides_only_on_the_partitions_that_it_loads(
    io_manager: ArtifactIOManager, catalog: Catalog, instance: dg.DagsterInstance
) -> None:
    days = dg.StaticPartitionsDefinition(["mon", "tue", "wed"])

    @dg.asset(metadata=AFTER_CHECKS, partitions_def=days)
    def sales(context: dg.AssetExecutionContext) -> str:
        return str(context.partition_key)

    @dg.asset_check(asset=sales, blocking=True)
    def fine() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    @dg.asset(partitions_def=days)
    def report(sales: str) -> str:
        return sales

    assets: list[Any] = [sales, fine, report]
    resources = {"io_manager": io_manager}
    for day in days.get_partition_keys():
        dg.materialize(assets, selection=[sales], partition_key=day, instance=instance, resources=resources)
    dg.materialize(assets, selection=[report], partition_key="tue", instance=instance, resources=resources)
    state = {m.partition: m.publication.value for m in catalog.materializations.history("sales")}
    assert state == {"mon": "candidate", "tue": "published", "wed": "candidate"}
