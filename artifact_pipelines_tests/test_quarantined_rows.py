"""A dataset with `on_bad_rows: quarantine`, with real sensors and runs."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import polars as pl
import pydantic
import pytest

from artifact_pipelines import DatasetPipeline, open_store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.project import FLIGHTS, Project

FIELDS: Any = {
    "on_bad_rows": "quarantine",
    "columns": {"delay": {"type": "BIGINT", "min": 0}},
    "samples": {},
    "analyses": {},
}
TWO_BAD = "carrier,number,delay\nUA,1,5\nAA,2,-7\nUA,3,x\nUA,4,1\n"
BAD_ROWS = dg.AssetKey(["flights", "bad_rows"])
TABLE = dg.AssetKey(["flights", "table"])


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def project(settings: Settings, instance: dg.DagsterInstance) -> Project:
    return Project(settings, instance, **FIELDS)


def _column(asset: str, column: str) -> Sequence[Any]:
    with open_store() as store:
        return list(store.load(f"flights/{asset}", as_type=pl.DataFrame)[column])


def _check(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    [record] = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(TABLE, "no_bad_rows"), 1)
    assert record.event is not None
    return record.event.get_dagster_event().asset_check_evaluation_data


def test_bad_rows_are_an_artifact_beside_the_good_ones_and_a_warning(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.drop(TWO_BAD)
    made, reasons = project.settle()
    assert sorted(made) == ["bad_rows", "raw", "table"]
    assert reasons["artifact_landing"] == "flights.csv: ingested"
    assert _column("table", "number") == [1, 4]
    assert _column("bad_rows", "line") == [3, 4]
    check = _check(instance)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description == "2 bad rows left out, and kept in bad_rows."
    event = instance.get_latest_materialization_event(TABLE)
    assert event is not None
    assert event.asset_materialization is not None
    for metadata in (check.metadata, event.asset_materialization.metadata):
        assert metadata["artifact/bad_rows"].value == 2
        table = metadata["artifact/first_bad_rows"]
        assert isinstance(table, dg.TableMetadataValue)
        assert [record.data["row"] for record in table.records] == ["AA,2,-7", "UA,3,x"]


def test_good_file_empties_the_bad_rows(project: Project, instance: dg.DagsterInstance) -> None:
    project.drop(TWO_BAD)
    project.settle()
    project.drop("carrier,number,delay\nUA,1,5\n")
    project.settle()
    assert _column("bad_rows", "line") == []
    assert _check(instance).passed


def test_rows_enter_the_table_when_the_contract_fits_them(project: Project) -> None:
    project.drop(TWO_BAD)
    project.settle()
    project.declare(**{**FIELDS, "columns": {"delay": {"type": "BIGINT", "min": -10}}})
    made, _ = project.settle()
    assert sorted(made) == ["bad_rows", "table"]
    assert _column("table", "number") == [1, 2, 4]
    assert _column("bad_rows", "line") == [4]


def test_file_with_too_many_bad_rows_waits_and_is_replayed_under_a_larger_share(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.declare(**FIELDS, max_bad_rows=0.25)
    project.drop("carrier,number,delay\nUA,9,9\n", "flights_good.csv")
    project.settle()
    project.drop(TWO_BAD, "flights_bad.csv")
    _, reasons = project.settle()
    assert "2 of 4 rows are bad, more than `max_bad_rows: 0.25` allows" in reasons["artifact_landing"]
    assert _column("table", "number") == [9]
    project.declare(**FIELDS, max_bad_rows=0.5)
    replay = project.definitions.resolve_job_def("flights_replay")
    assert replay.execute_in_process(instance=instance).success
    project.settle()
    assert _column("table", "number") == [1, 4]
    assert _column("bad_rows", "line") == [3, 4]


def test_bad_rows_of_a_union_are_those_of_all_its_files(project: Project) -> None:
    project.declare(**FIELDS, files="all")
    project.drop(TWO_BAD, "flights_a.csv")
    project.settle()
    project.drop("carrier,number,delay\nDL,1,-1\nDL,2,2\n", "flights_b.csv")
    project.settle()
    assert _column("table", "number") == [1, 4, 2]
    assert _column("bad_rows", "file") == ["flights_a.csv"] * 2 + ["flights_b.csv"]
    project.drop("carrier,number,delay\nUA,1,5\n", "flights_a.csv")
    project.settle()
    assert _column("bad_rows", "file") == ["flights_b.csv"]
    project.declare(**{**FIELDS, "columns": {"delay": {"type": "BIGINT", "min": -10}}}, files="all")
    project.settle()
    assert _column("table", "number") == [1, 1, 2]
    assert _column("bad_rows", "file") == []


def test_share_without_a_quarantine_for_rows_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match="on_bad_rows: quarantine"):
        DatasetPipeline.model_validate({**FLIGHTS, "max_bad_rows": 0.1})


def test_no_reason_shows_a_path_of_store_or_landing_zone(
    project: Project, instance: dg.DagsterInstance, landing: pathlib.Path
) -> None:
    project.declare(**{**FIELDS, "on_bad_rows": "fail"}, source="flights*")
    bad = {
        "1.csv": b"",
        "2.csv": TWO_BAD.encode(),
        "3.parquet": b"PAR1 PAR1",
        "4.csv.gz": b"\x1f\x8b\x08",
        "5.what": b"x",
    }
    for name, data in bad.items():
        (landing / f"flights{name}").write_bytes(data)
    (landing / "flights6.csv").mkdir()
    _, reasons = project.settle()
    texts = [reasons["artifact_landing"]]
    for run in instance.get_runs():
        failures = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
        texts += [str(record.event_log_entry.get_dagster_event().step_failure_data) for record in failures]
    assert texts[0].count("quarantined") == 6
    for text in texts:
        assert str(landing.parent) not in text
