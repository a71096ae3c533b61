"""An input loads the version that the run's tag or its metadata select, else its run's own, else the current one."""

import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.selection import SELECT_TAG, selection_from
from artifact_pipelines.core.types import LoadedInput, Materialization, Selection
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines_tests.catalog.filled import inputs_of
from artifact_pipelines_tests.io_manager.conftest import failure_of

DAYS = dg.StaticPartitionsDefinition(["mon", "tue"])
PAUSE_S = 0.01  # SQLite's clock counts milliseconds


@pytest.fixture
def io_manager(catalog: Catalog, producer: ArtifactProducer) -> ArtifactIOManager:
    return ArtifactIOManager(catalog, producer)


class Project:
    """Asset `source` with versions 1, 2 and 3, and `copy`, which returns the version that it loads."""

    def __init__(self, io_manager: ArtifactIOManager, catalog: Catalog, partition: str | None) -> None:
        self._io_manager = io_manager
        self._catalog = catalog
        self._partition = partition
        self._partitions = DAYS if partition else None
        self.made = [self._make_source(value) for value in (1, 2, 3)]
        catalog.pins_and_tags.tag("the/source", "gold", partition, version=2)

    def run(self, *assets: Any, **options: Any) -> dg.ExecuteInProcessResult:
        resources = {"io_manager": self._io_manager}
        return dg.materialize(assets, resources=resources, partition_key=self._partition, **options)

    def _make_source(self, value: int) -> Materialization:
        self.run(self.source(value))
        time.sleep(PAUSE_S)
        return self._catalog.materializations.current("the/source", self._partition)

    def source(self, value: int) -> dg.AssetsDefinition:
        @dg.asset(key=["the", "source"], partitions_def=self._partitions)
        def source() -> int:
            return value

        return source

    def load(self, metadata: Mapping[str, Any] | None = None, **options: Any) -> dg.ExecuteInProcessResult:
        @dg.asset(
            partitions_def=self._partitions,
            ins={"source": dg.AssetIn(dg.AssetKey(["the", "source"]), metadata=dict(metadata or {}))},
        )
        def copy(source: int) -> int:
            return source

        source = self.source(4)
        return self.run(source, copy, selection=options.pop("selection", [copy]), **options)

    def loaded(self, metadata: Mapping[str, Any] | None = None, **options: Any) -> int:
        return int(self.load(metadata, **options).asset_value("copy"))


@pytest.fixture(params=[None, "mon"])
def project(request: pytest.FixtureRequest, io_manager: ArtifactIOManager, catalog: Catalog) -> Project:
    return Project(io_manager, catalog, request.param)


SELECTIONS: Mapping[str, Callable[[Materialization], Any]] = {
    "file_id": lambda made: made.file.file_id,
    "version": lambda made: made.version,
    "tag": lambda made: "gold",
    "as_of": lambda made: (made.created_at + datetime.timedelta(seconds=PAUSE_S / 2)).isoformat(),
    "run_id": lambda made: made.run_id,
}


def test_input_loads_the_version_that_its_metadata_or_the_run_select(
    project: Project, catalog: Catalog, subtests: pytest.Subtests
) -> None:
    source = project.made[1]
    for kind, select in SELECTIONS.items():
        selection = select(source)
        with subtests.test(kind):
            assert project.loaded() == 3
            assert project.loaded({f"artifact/{kind}": selection}) == 2
            assert project.loaded(tags={SELECT_TAG: json.dumps({"the/source": {kind: selection}})}) == 2
            [copy] = [m for m in catalog.materializations.list_current() if m.asset == "copy"]
            assert inputs_of(catalog, copy.materialization_id) == [LoadedInput.of(source)]


def test_run_tag_wins_over_metadata_and_both_over_the_runs_own_writes(project: Project) -> None:
    one = {"artifact/version": 1}
    tags = {SELECT_TAG: json.dumps({"the/source": {"version": 2}})}
    assert project.loaded(one, tags=tags) == 2
    assert project.loaded(selection="*") == 4
    assert project.loaded(one, selection="*") == 1
    assert project.loaded(selection="*", tags=tags) == 2


def test_selection_may_be_metadata_values(project: Project) -> None:
    assert project.loaded({"artifact/version": dg.MetadataValue.int(1)}) == 1
    assert project.loaded({"artifact/as_of": dg.MetadataValue.timestamp(project.made[0].created_at)}) == 1


def test_misspelled_metadata_are_refused_and_known_keys_listed(project: Project) -> None:
    failure = _failure(project.load({"artifact/verson": 1}, raise_on_error=False))
    assert (
        "metadata artifact/… of an input of the/source must be one of artifact/partition_column, artifact/file_id"
        in failure
    )
    assert "not 'artifact/verson'" in failure


def test_run_tag_may_name_assets_that_no_step_loads(project: Project) -> None:
    assert project.loaded(tags={SELECT_TAG: json.dumps({"other": {"version": 7}})}) == 3


def test_selection_without_a_match_lists_what_can_be_selected(project: Project, subtests: pytest.Subtests) -> None:
    selections = {"version": 9, "tag": "silver", "file_id": 999, "run_id": "?", "as_of": "2020-01-01T00:00Z"}
    for kind, selection in selections.items():
        tags = {SELECT_TAG: json.dumps({"the/source": {kind: selection}})}
        failure = _failure(project.load(tags=tags, raise_on_error=False))
        with subtests.test(kind):
            assert "NothingSelectedError" in failure
            assert f"version 2 (file {project.made[1].file.file_id}" in failure
            assert "tag gold)" in failure


@pytest.mark.parametrize(
    "selection",
    [
        "no JSON",
        "3",
        '{"the/source": 3}',
        '{"the/source": {}}',
        '{"the/source": {"version": 1, "tag": "gold"}}',
        '{"the/source": {"number": 1}}',
        '{"other": {"version": "1"}}',
    ],
)
def test_malformed_run_tag_is_refused_and_named(io_manager: ArtifactIOManager, selection: str) -> None:
    @dg.asset
    def source() -> int:
        return 1

    @dg.asset
    def copy(source: int) -> int:
        return source

    resources = {"io_manager": io_manager}
    result = dg.materialize([source, copy], resources=resources, tags={SELECT_TAG: selection}, raise_on_error=False)
    failure = _failure(result)
    assert "InvalidArgumentError" in failure
    assert SELECT_TAG in failure


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 0),
        ("version", True),
        ("version", "3"),
        ("version", 2**63),
        ("file_id", 1.0),
        ("tag", ""),
        ("tag", 3),
        ("run_id", None),
        ("as_of", "yesterday"),
        ("as_of", "2026-11-24T10:00:00"),
        ("as_of", datetime.datetime(2026, 11, 24)),
        ("as_of", 5),
        ("as_of", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_selection_value_of_a_wrong_type_is_refused(key: str, value: object) -> None:
    with pytest.raises(InvalidArgumentError, match=f"here: {key} must be"):
        selection_from({key: value}, "here")


def test_two_selections_at_once_are_refused(project: Project) -> None:
    failure = _failure(project.load({"artifact/version": 1, "artifact/tag": "gold"}, raise_on_error=False))
    assert "exactly one of file_id, version, tag" in failure


def test_times_of_different_zones_are_the_same_time() -> None:
    noon = datetime.datetime(2026, 11, 24, 10, tzinfo=datetime.UTC)
    for written in ("2026-11-24T10:00:00Z", "2026-11-24T12:00:00+02:00", noon):
        selection = selection_from({"as_of": written}, "here")
        assert selection == Selection(as_of=noon)
        assert str(selection.as_of) == str(noon)


def test_run_loads_its_own_writes_while_another_run_writes_the_same_asset(
    io_manager: ArtifactIOManager, catalog: Catalog
) -> None:
    resources = {"io_manager": io_manager}

    def source_of(value: str) -> dg.AssetsDefinition:
        @dg.asset(name="source")
        def source() -> str:
            return value

        return source

    @dg.asset(deps=["source"])
    def meanwhile() -> int:
        other = threading.Thread(target=dg.materialize, args=([source_of("other")],), kwargs={"resources": resources})
        other.start()
        other.join(60)
        return catalog.materializations.current("source").version

    @dg.asset(deps=[meanwhile])
    def copy(source: str) -> str:
        return source

    result = dg.materialize([source_of("own"), meanwhile, copy], resources=resources)
    assert result.asset_value("meanwhile") == 2, "the other run has written, and its version is current"
    assert result.asset_value("copy") == "own"
    own = catalog.materializations.version("source", 1)
    copied = catalog.materializations.current("copy").materialization_id
    assert inputs_of(catalog, copied) == [LoadedInput.of(own)]
    assert dg.materialize([source_of("-"), copy], selection=[copy], resources=resources).asset_value("copy") == "other"


def test_failed_write_leaves_the_last_good_version(io_manager: ArtifactIOManager, catalog: Catalog) -> None:
    project = Project(io_manager, catalog, None)

    @dg.asset(key=["the", "source"])
    def source() -> Any:
        return {"not": object()}

    assert not project.run(source, raise_on_error=False).success
    assert catalog.materializations.current("the/source") == project.made[2]
    assert project.loaded() == 3


_KILLED_WHILE_WRITING = """
import os, signal, sys
import dagster as dg
import pyarrow as pa
from artifact_pipelines_tests.catalog.filled import inputs_of
from artifact_pipelines import ArtifactIOManagerFactory

schema = pa.schema([("x", pa.int64())])

def batches():
    for number in range(10):
        yield pa.record_batch([pa.array(range(100_000))], schema)
    os.kill(os.getpid(), signal.SIGKILL)

@dg.asset(key=["the", "source"])
def source() -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema, batches())

io_manager = ArtifactIOManagerFactory(catalog_url=sys.argv[1], storage_url=sys.argv[2])
dg.materialize([source], resources={"io_manager": io_manager})
"""


def test_killed_write_leaves_the_last_good_version(
    io_manager: ArtifactIOManager, catalog: Catalog, catalog_url: str, storage_url: str, tmp_path: pathlib.Path
) -> None:
    project = Project(io_manager, catalog, None)
    command = [sys.executable, "-c", _KILLED_WHILE_WRITING, catalog_url, storage_url]
    killed = subprocess.run(command, capture_output=True, timeout=120, env=os.environ.copy())
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert catalog.materializations.current("the/source") == project.made[2]
    assert project.loaded() == 3
    assert project.loaded(selection="*") == 4


def _failure(result: dg.ExecuteInProcessResult) -> str:
    [event] = [event for event in result.get_step_failure_events() if event.step_key == "copy"]
    return str(event.step_failure_data.error_display_string)


def test_selection_applies_to_each_partition(ours: ArtifactIOManager) -> None:
    value = {"mon": 1, "tue": 1}

    @dg.asset(partitions_def=DAYS)
    def daily(context: dg.AssetExecutionContext) -> int:
        return value[context.partition_key]

    def run(**options: Any) -> dg.ExecuteInProcessResult:
        resources: dict[str, Any] = {"io_manager": ours}
        return dg.materialize([daily], resources=resources, raise_on_error=False, **options)

    def loaded(**metadata: Any) -> dg.ExecuteInProcessResult:
        @dg.asset(ins={"daily": dg.AssetIn(metadata=metadata)})
        def week(daily: dict[str, int]) -> dict[str, int]:
            return daily

        return dg.materialize([daily, week], selection=[week], resources={"io_manager": ours}, raise_on_error=False)

    for day in ("mon", "tue"):
        run(partition_key=day)
    value["mon"] = 2
    run(partition_key="mon")
    assert loaded().asset_value("week") == {"mon": 2, "tue": 1}
    assert loaded(**{"artifact/version": 1}).asset_value("week") == {"mon": 1, "tue": 1}
    assert "nothing that is version 2 for 1 of 2 partitions: 'tue'" in failure_of(loaded(**{"artifact/version": 2}))
    skipped = loaded(**{"artifact/version": 2, "allow_missing_partitions": True})
    assert skipped.asset_value("week") == {"mon": 2}
