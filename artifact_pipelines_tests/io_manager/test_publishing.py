"""Write, audit, publish: what consumers read while checks run, pass, fail, crash or never run."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import Materialization, Publication
from artifact_pipelines.dataset_pipeline import on_changed_content
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.publishing import publish_candidates
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

AFTER_CHECKS = {"artifact/publish": "after_checks"}


class World:
    """Values and verdicts that tests change between runs, and what was seen."""

    value: int = 1
    passes: bool = True
    crashes: bool = False
    severity = dg.AssetCheckSeverity.ERROR

    def __init__(self) -> None:
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


def history(catalog: Catalog, asset: str = "prices") -> list[tuple[int, str, str | None]]:
    made = catalog.materializations.history(asset)
    return [(m.version, m.publication.value, m.publication_reason) for m in made]


def current(catalog: Catalog, asset: str = "prices") -> Materialization:
    return catalog.materializations.current(asset)


def test_what_passes_its_checks_is_what_the_next_step_loads(run: Any, catalog: Catalog, world: World) -> None:
    assert run("everything").success
    assert run("everything", value=2).success
    assert (world.checked, world.consumed) == ([1, 2], [1, 2])
    assert history(catalog) == [(2, "published", None), (1, "published", None)]
    assert current(catalog).version == 2


def test_what_fails_a_check_is_kept_aside_and_the_last_good_version_stays(
    run: Any, catalog: Catalog, world: World, instance: dg.DagsterInstance
) -> None:
    run("everything")
    assert not run("everything", value=-2, passes=False).success
    assert run("only_report").success
    assert world.consumed == [1, 1]
    assert history(catalog) == [(2, "rejected", "failed check positive"), (1, "published", None)]
    rejected = catalog.materializations.version("prices", 2)
    assert rejected.publication == Publication.REJECTED


def test_a_candidate_is_current_for_nobody_but_its_run_and_its_checks(
    run: Any, catalog: Catalog, world: World, instance: dg.DagsterInstance
) -> None:
    run("everything")
    run("only_prices", value=2)
    assert history(catalog)[0] == (2, "candidate", "waits for check positive")
    assert current(catalog).version == 1
    run("only_report")
    assert world.consumed == [1, 1]
    assert run("only_checks").success
    assert world.checked == [1, 2]
    assert current(catalog).version == 1
    assert publish_candidates(instance, catalog) == ["prices version 2 is published"]
    assert current(catalog).version == 2


def test_a_load_publishes_what_has_passed_in_another_run(run: Any, catalog: Catalog, world: World) -> None:
    run("only_prices")
    run("only_checks")
    assert run("only_report").success
    assert world.consumed == [1]
    assert current(catalog).publication == Publication.PUBLISHED


def test_a_crashed_check_leaves_a_candidate_that_says_what_it_waits_for(
    run: Any, catalog: Catalog, world: World, instance: dg.DagsterInstance
) -> None:
    run("everything")
    assert not run("everything", value=2, crashes=True).success
    assert publish_candidates(instance, catalog) == []
    assert history(catalog)[0] == (2, "candidate", "waits for check positive")
    assert run("only_checks", crashes=False).success
    assert publish_candidates(instance, catalog) == ["prices version 2 is published"]


def test_a_failed_check_that_only_warns_publishes(run: Any, catalog: Catalog, world: World) -> None:
    run("everything", passes=False, severity=dg.AssetCheckSeverity.WARN)
    assert current(catalog).publication == Publication.PUBLISHED
    assert world.consumed == [1]


def test_nothing_is_published_before_the_first_good_one(run: Any, catalog: Catalog) -> None:
    run("everything", passes=False)
    failed = run("only_report")
    [event] = [event for event in failed.all_events if event.is_step_failure]
    said = event.step_failure_data.error.to_string()
    assert "NeverPublishedError" in said
    assert "failed check positive" in said


def test_an_older_candidate_does_not_go_back_in_time(run: Any, catalog: Catalog, instance: dg.DagsterInstance) -> None:
    run("only_prices", value=1)
    run("only_prices", value=2)
    run("only_checks")
    assert publish_candidates(instance, catalog) == ["prices version 2 is published"]
    assert history(catalog) == [(2, "published", None), (1, "rejected", "superseded by version 2")]


def test_content_that_is_current_already_is_no_candidate(run: Any, catalog: Catalog) -> None:
    run("everything")
    run("only_prices")
    assert history(catalog) == [(1, "published", None), (1, "published", None)]


def test_without_a_blocking_check_nothing_is_stored(io_manager: ArtifactIOManager, catalog: Catalog) -> None:
    @dg.asset(metadata=AFTER_CHECKS)
    def prices() -> int:
        return 1

    result = dg.materialize([prices], resources={"io_manager": io_manager}, raise_on_error=False)
    [event] = [event for event in result.all_events if event.is_step_failure]
    assert event.step_failure_data.error is not None
    assert "NoBlockingChecksError" in event.step_failure_data.error.to_string()
    assert history(catalog) == []
