"""Ticks of the sensor that publishes, with a real instance: their decisions and their cost."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import CatalogUnavailableError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.instance.check_findings import CheckFindings
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance import sensors
from artifact_pipelines.maintenance.sensors import artifact_publisher
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines_tests.catalog.test_materialization_catalog import record

AFTER_CHECKS = {"artifact/publish": "after_checks"}
NOTHING = "Nothing was published or rejected."


@dg.asset(metadata=AFTER_CHECKS)
def prices(context: dg.AssetExecutionContext) -> int:
    return int(context.run.tags["value"])


@dg.asset_check(asset=prices, blocking=True)
def positive(prices: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=prices > 0)


@pytest.fixture
def catalog_url(settings: Settings) -> str:
    return settings.catalog_url


@pytest.fixture(params=["ephemeral", "as a user has it"])
def instance(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    folder = tmp_path_factory.mktemp("dagster") if request.param != "ephemeral" else None
    with dg.DagsterInstance.local_temp(str(folder)) if folder else dg.DagsterInstance.ephemeral() as instance:
        yield instance


class Project:
    def __init__(
        self, settings: Settings, instance: dg.DagsterInstance, catalog: Catalog, producer: ArtifactProducer
    ) -> None:
        self.settings = settings
        self.instance = instance
        self.catalog = catalog
        self.io_manager = ArtifactIOManager(catalog, producer)
        self.cursor: str | None = None

    def make(self, value: int, selection: dg.AssetSelection | None = None) -> None:
        dg.materialize(
            [prices, positive],
            selection=selection,
            resources={"io_manager": self.io_manager},
            instance=self.instance,
            tags={"value": str(value)},
            raise_on_error=False,
        )

    def tick(self) -> str:
        """Evaluate the sensor as the daemon does."""
        store = ArtifactStore(catalog_url=self.settings.catalog_url, storage_url=self.settings.storage_url)
        context = dg.build_sensor_context(self.instance, cursor=self.cursor, resources={"artifact_store": store})
        result: Any = artifact_publisher(context)
        self.cursor = result.cursor
        return str(result.skip_reason.skip_message)

    def states(self, asset: str = "prices") -> list[str]:
        return [made.publication.value for made in self.catalog.materializations.history(asset)]


@pytest.fixture
def project(settings: Settings, instance: dg.DagsterInstance, catalog: Catalog, producer: ArtifactProducer) -> Project:
    return Project(settings, instance, catalog, producer)


@pytest.fixture
def statements() -> Iterator[Callable[[], int]]:
    """A function that returns the number of SQL statements, in catalog and Dagster, since its last call."""
    asked: list[str] = []

    def note(*arguments: Any) -> None:
        asked.append(arguments[2])

    def since_last() -> int:
        count = len(asked)
        asked.clear()
        return count

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", note)
    yield since_last
    sa.event.remove(sa.engine.Engine, "before_cursor_execute", note)


def propose(catalog: Catalog, letter: str, partition: str | None = None) -> Materialization:
    """Record a candidate of a run that Dagster does not know, so that no check has evaluated it."""
    return record(catalog, letter, asset="prices", partition=partition, publish_after=("positive",))


def test_tick_publishes_passed_candidates_and_rejects_failed_ones(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "artifact_pipelines")
    project.make(1)
    assert project.tick() == "prices version 1 is published"
    assert 'decided result="prices version 1 is published" seconds=' in caplog.text
    project.make(-1)
    assert project.tick() == "prices version 2 is rejected: failed check positive"
    assert project.states() == ["rejected", "published"]
    assert project.tick() == NOTHING


def test_tick_ignores_candidates_without_check_results(project: Project) -> None:
    project.make(1, dg.AssetSelection.assets(prices).without_checks())
    propose(project.catalog, "b")
    assert project.tick() == NOTHING
    assert project.states() == ["candidate", "candidate"]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check results of partitions cannot be read."""
    of = CheckFindings.of

    def fail(findings: CheckFindings, made: Materialization, check: str) -> dg.AssetCheckEvaluation | None:
        if made.partition is not None:
            raise ValueError(f"broken event of {made.partition}")
        return of(findings, made, check)

    monkeypatch.setattr(CheckFindings, "of", fail)


@pytest.mark.usefixtures("broken")
def test_undecidable_candidates_fail_the_tick_after_all_others_are_decided(project: Project) -> None:
    for partition in ("1", "2"):
        propose(project.catalog, "a", partition)
    project.make(1)
    with pytest.raises(ValueError, match="broken event of 1") as raised:
        project.tick()
    assert raised.value.__notes__ == ["while deciding on prices[1] version 1", "1 more could not be decided upon"]
    assert project.states() == ["published", "candidate", "candidate"]


@pytest.mark.usefixtures("broken")
def test_next_tick_decides_candidates_behind_undecidable_ones(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "CANDIDATES_PER_TICK", 2)
    for partition in ("1", "2"):
        propose(project.catalog, "a", partition)
    project.make(1)
    report = (
        "2 could not be decided, the first because of ValueError "
        "while deciding on prices[1] version 1: broken event of 1"
    )
    assert project.tick() == report
    assert project.tick() == "prices version 1 is published"


@pytest.mark.usefixtures("broken")
def test_tick_logs_every_undecidable_candidate(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sensors, "CANDIDATES_PER_TICK", 2)
    for partition in ("1", "2", "3"):
        propose(project.catalog, "a", partition)

    def logged() -> list[str]:
        lines = capfd.readouterr().err.splitlines()
        return [line.partition(" - ERROR - ")[2] for line in lines if " - ERROR - " in line]

    report = [
        f"Could not decide: ValueError while deciding on prices[{partition}] version 1: broken event of {partition}"
        for partition in ("1", "2", "3")
    ]
    project.tick()
    assert logged() == report[:2]
    project.tick()
    assert logged() == report[2:]
    project.tick()
    monkeypatch.setattr(sensors, "CANDIDATES_PER_TICK", 100)
    project.cursor = None
    logged()
    with pytest.raises(ValueError, match="broken event of 1"):
        project.tick()
    assert logged() == report


def test_tick_stops_when_the_catalog_does_not_answer(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def find(*arguments: object) -> None:
        asked.append(arguments)
        raise CatalogUnavailableError("the catalog", "it is locked", True)

    for partition in ("1", "2"):
        propose(project.catalog, "a", partition)
    monkeypatch.setattr(CheckFindings, "of", find)
    with pytest.raises(CatalogUnavailableError):
        project.tick()
    assert len(asked) == 1
    monkeypatch.setattr(sensors, "CANDIDATES_PER_TICK", 1)  # other candidates wait behind it
    assert "the first because of CatalogUnavailableError while deciding on prices[1] version 1: " in project.tick()


@pytest.mark.parametrize("instance", ["as a user has it"], indirect=True)
def test_idle_tick_costs_few_queries_regardless_of_history(project: Project, statements: Callable[[], int]) -> None:
    project.tick()
    statements()
    project.tick()
    of_nothing = statements()
    for value in range(1, 4):
        project.make(value)
        project.tick()
    statements()
    project.tick()
    assert statements() == of_nothing <= 8


@pytest.mark.parametrize("instance", ["as a user has it"], indirect=True)
def test_cost_of_a_tick_does_not_grow_with_the_number_of_candidates(
    project: Project, statements: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "CANDIDATES_PER_TICK", 5)
    for number in range(5):
        propose(project.catalog, "a", partition=f"{number}")
    project.tick()
    statements()
    project.cursor = None
    project.tick()
    of_a_page = statements()
    for number in range(5, 12):
        propose(project.catalog, "a", partition=f"{number}")
    project.make(1)
    report, cost = [], []
    for _ in range(4):
        statements()
        report.append(project.tick())
        cost.append(statements())
    assert report == [NOTHING, "prices version 1 is published", NOTHING, NOTHING]
    assert cost[0] <= of_a_page + 5, "one query for the target of the evaluation, and some for the runs that loaded it"


@pytest.mark.parametrize("instance", ["as a user has it"], indirect=True)
def test_shared_evaluations_are_read_once_for_all_partitions(project: Project, statements: Callable[[], int]) -> None:
    for value in range(1, 4):
        project.make(value)  # evaluations of the check without a partition
        project.tick()
    costs = []
    for number in range(3):
        propose(project.catalog, "a", partition=f"{number}")
        statements()
        project.tick()
        costs.append(statements())
    first, second, third = costs
    assert second - first == third - second == 1, "one query each for the evaluations of its own partition"


@pytest.mark.parametrize("instance", ["as a user has it"], indirect=True)
def test_evaluation_is_found_behind_many_newer_ones(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from artifact_pipelines.instance import check_findings

    monkeypatch.setattr(check_findings, "PAGE_EVALUATIONS", 2)
    days = dg.StaticPartitionsDefinition([f"{number}" for number in range(4)])

    @dg.asset(metadata=AFTER_CHECKS, partitions_def=days)
    def sales(context: dg.AssetExecutionContext) -> str:
        return str(context.partition_key)

    @dg.asset_check(asset=sales, blocking=True)
    def fine() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    for day in days.get_partition_keys():
        resources = {"io_manager": project.io_manager}
        dg.materialize([sales, fine], partition_key=day, instance=project.instance, resources=resources)
    project.tick()
    assert project.states("sales") == ["published"] * 4
