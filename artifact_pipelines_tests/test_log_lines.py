"""What the log of a run says: one line for each thing that is done, and never data."""

import logging
import pathlib
import re
from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl
import pytest
import yaml

from artifact_pipelines.core.settings import Settings
from artifact_pipelines.definitions import build_definitions, resources
from artifact_pipelines_tests.project import NO_LOGS, Project

SENTINEL = "hush"
DATA = f"carrier,number,delay\n{SENTINEL}_UA,1,505050\n{SENTINEL}_AA,2,707070\n{SENTINEL}_DL,3,5\n"
REFUSED = f"carrier,number,delay\nUA,7,{SENTINEL}\n"
WITH_ALL: Mapping[str, object] = {
    "on_bad_rows": "quarantine",
    "columns": {"delay": {"type": "BIGINT", "min": 10}},
    "checks": {"punctual": {"kind": "sql", "query": "SELECT * FROM flights WHERE delay > 600000"}},
}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def lines_of(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Return what the run's log has beside the events of Dagster."""
    return [entry.user_message for entry in instance.all_logs(run_id) if entry.dagster_event is None]


def shortened(lines: list[str]) -> list[str]:
    """Return lines without sizes, times and file IDs."""
    return sorted(re.sub(r" (bytes|new_bytes|file_id|seconds)=\S+", "", line) for line in lines)


def test_run_of_a_dataset_says_what_was_done_and_never_what_is_in_the_data(
    settings: Settings, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    project = Project(settings, instance, **WITH_ALL)
    project.drop(DATA)
    project.settle()
    lines = [line for run in instance.get_runs() for line in lines_of(instance, run.run_id)]
    assert shortened(lines) == [
        "answered asset=flights/analyses/delays kind=sql tables=1 remembered=no",
        "answered asset=flights/analyses/profile kind=profile tables=1 remembered=no",
        "checked asset=flights/table checks=1 failed=1",
        "flights.csv: bad rows left out: 1. They are in bad_rows.",
        "ingested dataset=flights file=flights.csv files=1 table_rows=2 bad_rows=1",
        "loaded input=flights asset=flights/table version=1 rows=2",
        "loaded input=flights asset=flights/table version=1 rows=2",
        "loaded input=raw asset=flights/raw version=1",
        "loaded input=table asset=flights/table version=1 rows=2",
        "loaded input=table asset=flights/table version=1 rows=2",
        "sampled asset=flights/samples/few design=simple_random rows=2 population=2",
        "stored asset=flights/analyses/delays version=1 rows=2 deduplicated=no",
        "stored asset=flights/analyses/profile version=1 rows=3 deduplicated=no",
        "stored asset=flights/bad_rows version=1 rows=1 deduplicated=no",
        "stored asset=flights/failing_rows/punctual version=1 rows=1 deduplicated=no",
        "stored asset=flights/raw version=1 deduplicated=no",
        "stored asset=flights/samples/few version=1 rows=2 deduplicated=no",
        "stored asset=flights/table version=1 rows=2 deduplicated=no",
    ]
    assert f"bytes={len(DATA)} " in " ".join(lines)
    logged = " ".join(record.getMessage() for record in caplog.records)
    assert not re.search(rf"{SENTINEL}|505050|707070", " ".join(lines) + logged)


def test_sensors_say_which_runs_they_request_and_how_many_files_wait(
    settings: Settings, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "artifact_pipelines")
    project = Project(settings, instance, files="all", samples={}, analyses={})
    project.drop(REFUSED, "flights_1.csv")
    project.drop("carrier,number,delay\nUA,1,5\n", "flights_2.csv")
    project.settle()
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("tick_log")]
    assert shortened(lines) == [
        "quarantined dataset=flights files=1",
        "requested dataset=flights file=flights_1.csv files=2",
    ]
    assert SENTINEL not in " ".join(lines)


def test_file_of_a_batch_that_is_refused_is_named_without_the_value_that_is_wrong(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    project = Project(settings, instance, files="all", samples={}, analyses={})
    project.drop(REFUSED, "flights_1.csv")
    project.drop("carrier,number,delay\nUA,1,5\n", "flights_2.csv")
    project.settle()
    lines = [line for run in instance.get_runs() for line in lines_of(instance, run.run_id)]
    [refused] = [line for line in lines if "waits in quarantine" in line]
    assert refused.startswith("flights_1.csv waits in quarantine (")
    assert SENTINEL not in " ".join(lines)


def test_output_and_input_of_many_partitions_have_one_line_each(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    keys = [f"k{number}" for number in range(50)]
    partitions, policy = dg.StaticPartitionsDefinition(keys), dg.BackfillPolicy.single_run()

    @dg.asset(partitions_def=partitions, backfill_policy=policy, io_manager_key="artifact_io_manager")
    def many() -> dict[str, pl.DataFrame]:
        return {key: pl.DataFrame({"a": [key]}) for key in keys}

    @dg.asset(io_manager_key="artifact_io_manager")
    def one(many: pl.DataFrame) -> pl.DataFrame:
        return many

    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    made = dg.materialize([many], instance=instance, resources=resources(settings), tags=tags)
    read = dg.materialize([one, many], instance=instance, resources=resources(settings), selection=[one])
    assert shortened(lines_of(instance, made.run_id)) == [
        "stored asset=many partitions=50 files=50 rows=50 deduplicated=no"
    ]
    assert shortened(lines_of(instance, read.run_id)) == [
        "loaded input=many asset=many partitions=50 files=50 rows=50",
        "stored asset=one version=1 rows=50 deduplicated=no",
    ]


def test_value_stored_before_is_said_to_be_deduplicated(settings: Settings, instance: dg.DagsterInstance) -> None:
    @dg.asset(io_manager_key="artifact_io_manager")
    def text() -> str:
        return "the same"

    runs = [dg.materialize([text], instance=instance, resources=resources(settings)) for _ in range(2)]
    [first], [second] = (lines_of(instance, run.run_id) for run in runs)
    assert " new_bytes=8 deduplicated=no " in first
    assert " new_bytes=0 deduplicated=yes " in second


def test_load_outside_of_a_run_goes_to_the_log_of_the_package(
    settings: Settings, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    @dg.asset(io_manager_key="artifact_io_manager")
    def text() -> str:
        return "the same"

    caplog.set_level(logging.INFO, "artifact_pipelines")
    dg.materialize([text], instance=instance, resources=resources(settings))
    dg.Definitions([text], resources=resources(settings)).load_asset_value("text", instance=instance)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("artifact_pipelines.")]
    assert shortened(ours) == ["loaded input=text asset=text version=1"]


def test_setting_that_the_document_shows_sends_lines_elsewhere(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    @dg.asset(io_manager_key="artifact_io_manager")
    def text() -> str:
        return "the same"

    document = pathlib.Path(__file__).parents[1] / "docs" / "operations.md"
    [setting] = re.findall(r"```yaml\n(python_logs:.*?)```", document.read_text(), re.DOTALL)
    with dg.instance_for_test({**NO_LOGS, **yaml.safe_load(setting)}) as instance:
        dg.materialize([text], resources=resources(settings), instance=instance)
    assert "stored asset=text " in capfd.readouterr().out


@pytest.mark.parametrize(
    ("job", "line"),
    [
        ("artifact_clean_up", "cleaned_up dry_run=no files=0 released_versions=0"),
        ("verify_artifact_store", "verified files=0 findings=0"),
    ],
)
def test_maintenance_says_how_much_it_did(
    settings: Settings, instance: dg.DagsterInstance, job: str, line: str
) -> None:
    definitions = build_definitions(dg.Definitions(), settings)
    result = definitions.resolve_job_def(job).execute_in_process(instance=instance)
    assert line in shortened(lines_of(instance, result.run_id))
