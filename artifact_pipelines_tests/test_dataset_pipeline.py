"""A declared dataset from the landing zone to its analyses, with the real sensor, conditions and runs."""

import datetime
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl
import pydantic
import pytest
from jsonschema import Draft202012Validator

from artifact_pipelines import DatasetPipeline, dataset_definitions, open_store
from artifact_pipelines.analysis.assets import REMEMBER_TAG
from artifact_pipelines.catalog.materializations import MaterializationCatalog
from artifact_pipelines.core.exceptions import CatalogUnavailableError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileState
from artifact_pipelines.definitions import build_definitions
from artifact_pipelines_tests.cli.commands import run_json
from artifact_pipelines_tests.project import ALL, CSV, FLIGHTS, Project, without_waiting
from artifact_pipelines_tests.storage.back_door import BackDoor

LATE = "carrier,number,delay\nUA,1,late\n"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def project(settings: Settings, instance: dg.DagsterInstance) -> Project:
    return Project(settings, instance)


def test_dropped_file_materializes_all_assets(project: Project) -> None:
    project.drop(CSV)
    made, reasons = project.settle()
    assert sorted(made) == ALL
    assert reasons == {"artifact_landing": "flights.csv: ingested"}
    with open_store() as store:
        assert store.load("flights/analyses/delays", pl.DataFrame).to_dict(as_series=False) == {
            "carrier": ["AA", "UA"],
            "delay": [7, 6],
        }
        assert store.load("flights/samples/few", pl.DataFrame).height == 2
        assert store.load("flights/raw", bytes).decode() == CSV


def test_good_files_are_ingested_beside_hostile_entries(project: Project, landing: pathlib.Path) -> None:
    (landing / "flights").symlink_to("/etc")
    os.mkfifo(landing / "flights.pipe.csv")
    project.drop(CSV, os.fsdecode(b"flights caf\xe9.csv"))
    made, reasons = project.settle()
    assert sorted(made) == ALL
    assert reasons["artifact_landing"].split("; ") == [
        r"flights caf\xe9.csv: ingested",
        "flights.pipe.csv: quarantined (asset flights/quarantine says why)",
    ]


@pytest.mark.parametrize("writer", ["polars", "pandas"])
def test_ordered_categories_of_a_dropped_file_keep_their_order(
    project: Project, landing: pathlib.Path, writer: str
) -> None:
    project.declare(source="flights*.parquet", columns={}, key=["id"], samples={}, analyses={})
    for ids in ([1, 2, 3, 4], [5, 6, 7, 8]):  # the second file has the types of the first
        sizes = pl.Series(["small", "large", None, "small"], dtype=pl.Enum(["small", "large", "huge; 3"]))
        frame = pl.DataFrame({"id": ids, "size": sizes})
        if writer == "polars":
            frame.write_parquet(landing / "flights.parquet")
        else:
            frame.to_pandas().to_parquet(landing / "flights.parquet")
        project.settle()
        with open_store() as store:
            assert store.load("flights/table", as_type=pl.DataFrame).equals(frame)
            assert store.load("flights/table", as_type=pl.DataFrame).schema == frame.schema


def test_same_file_again_materializes_nothing_with_the_reason(project: Project) -> None:
    project.drop(CSV)
    project.settle()
    project.drop(CSV)
    made, reasons = project.settle()
    assert made == []
    assert reasons == {"artifact_landing": "flights.csv: duplicate (same content as version 1, the current one)"}


def test_request_is_repeated_under_its_run_key_until_its_run_exists(
    project: Project, settings: Settings, instance: dg.DagsterInstance
) -> None:
    """The daemon may die between a tick and its run, and people may evaluate a sensor at any time."""
    project.drop(CSV)
    repository = project.definitions.get_repository_def()
    sensor = repository.get_sensor_def("artifact_landing")

    def requests() -> list[str | None]:
        resources = {"landing_zone": without_waiting(settings)["landing_zone"]}
        with dg.build_sensor_context(instance=instance, repository_def=repository, resources=resources) as context:
            return [request.run_key for request in sensor.evaluate_tick(context).run_requests or ()]

    first, second = requests(), requests()
    assert len(first) == 1
    assert second == first
    made, _ = project.settle()
    assert sorted(made) == ALL
    assert requests() == []


def test_second_run_for_the_same_request_leaves_the_file_to_the_first(
    project: Project, settings: Settings, instance: dg.DagsterInstance
) -> None:
    """Two daemons tick before either has started its run."""
    project.drop(CSV)
    repository = project.definitions.get_repository_def()
    resources = {"landing_zone": without_waiting(settings)["landing_zone"]}
    with dg.build_sensor_context(instance=instance, repository_def=repository, resources=resources) as context:
        [request] = repository.get_sensor_def("artifact_landing").evaluate_tick(context).run_requests or ()
    assets = [dg.AssetKey(["flights", name]) for name in ("raw", "table")]
    job = project.definitions.resolve_implicit_global_asset_job_def()
    first = instance.create_run_for_job(job.get_subset(asset_selection=set(assets)), tags=dict(request.tags))
    second = job.execute_in_process(
        asset_selection=assets, instance=instance, run_config=dict(request.run_config), tags=dict(request.tags)
    )
    assert second.success
    assert not second.get_asset_materialization_events()
    [left] = instance.get_runs(dg.RunsFilter(tags={"artifact/landing_request": str(request.run_key)}))
    assert left.run_id == first.run_id, "the second run says nothing about the request"


def test_changed_file_materializes_all_assets_again(project: Project) -> None:
    project.drop(CSV)
    project.settle()
    project.drop(CSV.replace("5", "6"))
    made, _ = project.settle()
    assert sorted(made) == ALL


def test_new_version_shows_what_changed_since_the_one_before(project: Project, instance: dg.DagsterInstance) -> None:
    project.drop(CSV)
    project.settle()
    project.drop("carrier,number,delay,gate\nUA,1,6,A1\nUA,3,1,\n")
    project.settle()
    event = instance.get_latest_materialization_event(dg.AssetKey(["flights", "table"]))
    assert event
    assert event.asset_materialization
    changes = event.asset_materialization.metadata["artifact/changes"]
    assert isinstance(changes, dg.TableMetadataValue)
    assert {record.data["what"]: record.data["change"] for record in changes.records} == {
        "since": "version 1",
        "columns added": "gate VARCHAR",
        "row count": "3 -> 2",
        "rows": "0 added, 1 removed, 1 changed (delay: 1)",
    }


def test_damaged_version_before_does_not_fail_the_next(project: Project, back_door: BackDoor) -> None:
    project.drop(CSV)
    project.settle()
    with open_store() as store:
        path = store.history("flights/table")[0].file.storage_path
    data = back_door.get(path)
    back_door.put(path, data[:10] + bytes([data[10] ^ 1]) + data[11:])
    project.drop(CSV.replace("5", "6"))
    project.settle()
    with open_store() as store:
        version = store.catalog.datasets.find("flights")
    assert version.number == 2
    assert version.table
    assert "not compared" in version.table.metadata["changes"]["rows"]


def test_file_with_the_same_table_changes_nothing_downstream(project: Project, instance: dg.DagsterInstance) -> None:
    project.drop(CSV)
    project.settle()
    project.drop(CSV.replace("UA", '"UA"'))
    project.settle()  # the quotes are new, the values are not
    for name in ("table", "analyses/profile", "analyses/delays", "samples/few"):
        records = instance.fetch_materializations(dg.AssetKey(["flights", *name.split("/")]), limit=2).records
        tags = [record.asset_materialization.tags or {} for record in records if record.asset_materialization]
        assert len({of_version["dagster/data_version"] for of_version in tags}) == 1, name


def test_changed_query_materializes_only_its_answer(project: Project) -> None:
    project.drop(CSV)
    project.settle()
    query = "SELECT carrier FROM flights"
    project.declare(analyses={**FLIGHTS["analyses"], "delays": {"kind": "sql", "query": query}})
    made, _ = project.settle()
    assert made == ["analyses/delays"]


def test_new_sample_needs_no_new_file(project: Project) -> None:
    project.drop(CSV)
    project.settle()
    project.declare(samples={**FLIGHTS["samples"], "one": {"n": 1}})
    assert project.settle()[0] == ["samples/one"]


def test_bad_file_fails_once_and_the_last_good_table_stays(project: Project) -> None:
    project.drop(CSV)
    project.settle()
    project.drop(LATE)
    made, reasons = project.settle()
    assert made == ["raw"]
    line = "flights.csv, line 2, column 'delay': 'late' is not"
    assert f"flights.csv: quarantined (RefusedValueError: {line}" in reasons["artifact_landing"]
    assert project.settle()[0] == []
    with open_store() as store:
        assert store.load("flights/table", pl.DataFrame).height == 3, "the last good table stays"


def test_file_that_a_blocking_check_rejects_says_why_once(project: Project) -> None:
    project.declare(checks={"positive": {"kind": "range", "column": "delay", "min": 0, "blocking": True}})
    project.drop(CSV)
    project.settle()
    for delay in (-5, -6):  # another content under the same name
        project.drop(CSV.replace("5", str(delay)))
        _, reasons = project.settle()
    row = "First rows: carrier=UA, number=1, delay=-6. Failing rows: flights/failing_rows/positive version 2, 1 row."
    said = f"Check positive failed. 1 row breaks the rule. Expected: `delay` is at least 0. {row}"
    assert reasons["artifact_landing"].startswith(f"flights.csv: quarantined ({said})")
    later = project.settle()[1]["artifact_landing"]
    assert later.startswith("flights.csv: quarantined (asset flights/quarantine says why)")
    [waiting] = run_json("quarantine", "ls")
    assert (waiting["reason"], waiting["attempts"]) == (said, 1)


def test_fault_that_passes_is_retried_in_the_same_run(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_definitions, "RETRY_DELAY_S", 0)
    project = Project(settings, instance)
    record_all, failures = MaterializationCatalog.record_all, [CatalogUnavailableError("the catalog", "restarts")]

    def fail_once(self: MaterializationCatalog, *arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return record_all(self, *arguments)

    monkeypatch.setattr(MaterializationCatalog, "record_all", fail_once)
    project.drop(CSV)
    assert sorted(project.settle()[0]) == ALL
    assert not failures


def test_good_file_after_a_bad_one_materializes_all_assets(project: Project) -> None:
    project.drop(LATE)
    project.settle()
    project.drop(CSV)
    made, _ = project.settle()
    assert sorted(made) == ALL


def test_content_that_failed_under_a_wrong_extension_is_ingested_under_the_right_one(project: Project) -> None:
    project.declare(source="flights.*")
    project.drop(CSV, "flights.dat")
    assert project.settle()[0] == ["raw"]
    project.drop(CSV, "flights.csv")
    made, reasons = project.settle()
    assert sorted(made) == ALL
    assert reasons["artifact_landing"].startswith("flights.csv: ingested; flights.dat: duplicate")
    project.drop(CSV, "flights.txt")
    made, reasons = project.settle()
    assert made == [], "a copy with a wrong extension is a duplicate"
    assert "flights.txt: duplicate (same content as version 2, the current one)" in reasons["artifact_landing"]


def _job(project: Project, name: str) -> dg.ExecuteInProcessResult:
    job = project.definitions.resolve_job_def(name)
    return job.execute_in_process(instance=project.instance, raise_on_error=False)


def test_job_materializes_all_assets_from_the_last_file(project: Project) -> None:
    project.drop(CSV)
    assert _job(project, "flights_pipeline").success


def test_job_without_a_file_fails_with_the_remedy(project: Project) -> None:
    result = _job(project, "flights_pipeline")
    [failure] = result.get_step_failure_events()
    assert "Drop one there" in failure.step_failure_data.error_display_string


def test_version_records_the_dropped_file_and_how_it_was_read(project: Project) -> None:
    project.drop(CSV.replace(",", ";"))
    assert _job(project, "flights_pipeline").success
    with open_store() as store:
        source = store.history("flights/table")[0].source
    assert (source["file"], source["read_as"]) == ("flights.csv", {"delimiter": ";", "encoding": "utf-8"})


def test_refused_value_is_named_by_dropped_file_line_and_column(project: Project) -> None:
    project.drop("carrier,number,delay\nUA,1,5\nAA,2,late\n")
    [failure] = _job(project, "flights_pipeline").get_step_failure_events()
    shown = failure.step_failure_data.error_display_string
    assert "flights.csv, line 3, column 'delay': 'late' is not a whole number" in shown


def test_job_takes_the_newest_file_outside_the_quarantine(project: Project, landing: pathlib.Path) -> None:
    project.drop(CSV)
    project.settle()
    project.drop(LATE, "flights2.csv")
    project.settle()
    assert _job(project, "flights_pipeline").success
    (landing / "flights.csv").unlink()
    [failure] = _job(project, "flights_pipeline").get_step_failure_events()
    text = failure.step_failure_data.error_display_string
    assert "but for 1 in quarantine (`artifact-pipelines quarantine ls flights`)" in text


def _shown(project: Project) -> tuple[int, bool]:
    """Return how many files wait on the page of the quarantine, and whether its check has passed."""
    key = dg.AssetKey(["flights", "quarantine"])
    [made] = project.instance.fetch_materializations(key, limit=1).records
    storage = project.instance.event_log_storage
    [check] = storage.get_asset_check_execution_history(dg.AssetCheckKey(key, "is_empty"), limit=1)
    assert made.asset_materialization
    assert check.event
    assert check.event.dagster_event
    waiting = made.asset_materialization.metadata["quarantine/waiting"].value
    assert isinstance(waiting, int)
    return waiting, check.event.dagster_event.asset_check_evaluation_data.passed


def test_bad_file_is_shown_by_the_quarantine_until_its_contract_fits(project: Project) -> None:
    project.drop(CSV)
    project.settle()
    assert _shown(project) == (0, True)
    project.drop(LATE)
    project.settle()
    assert _shown(project) == (1, False)
    project.declare(columns={"delay": "VARCHAR"}, analyses={})
    made, reasons = project.settle()
    assert "table" in made, "its rules have changed"
    assert reasons["artifact_landing"].startswith("flights.csv: duplicate (flights/table version 2 was read from this")
    assert _shown(project) == (0, True)


def test_replay_job_ingests_files_once_more_also_those_gone_from_the_landing_zone(
    project: Project, landing: pathlib.Path
) -> None:
    project.drop(LATE, "flights1.csv")
    project.settle()
    project.drop("", "flights2.csv")
    project.drop(CSV)
    project.settle()
    (landing / "flights1.csv").unlink()
    project.declare(on_schema_change="accept", columns={"delay": "VARCHAR"}, analyses={})
    project.settle()
    assert _shown(project) == (2, False), "the table was read from another file"
    job = project.definitions.resolve_job_def("flights_replay")
    config = {"ops": {"replay_flights": {"config": {"files": ["flights1.csv"]}}}}
    assert job.execute_in_process(instance=project.instance, run_config=config).success
    made, reasons = project.settle()
    assert "table" in made
    assert reasons["artifact_landing"].startswith(
        "flights.csv: ingested (replaced by flights1.csv); flights1.csv: ingested; flights2.csv: quarantined"
    )
    assert _shown(project) == (1, False)
    with open_store() as store:
        assert store.load("flights/table", pl.DataFrame)["delay"].to_list() == ["late"]


def test_replayed_file_that_is_still_bad_waits_again(project: Project) -> None:
    project.drop(LATE)
    project.settle()
    job = project.definitions.resolve_job_def("flights_replay")
    assert job.execute_in_process(instance=project.instance).success
    assert project.settle()[0] == ["raw"]
    assert _shown(project) == (1, False)
    assert project.settle()[0] == []


def test_every_asset_has_description_owner_group_kinds_and_code_version(project: Project) -> None:
    specs = _dataset_specs(project.definitions)
    names = [spec.key.to_user_string() for spec in specs]
    assert sorted(names) == sorted(f"flights/{name}" for name in (*ALL, "quarantine"))
    for spec in specs:
        assert spec.description
        assert spec.owners == ["team:tests"]
        assert spec.group_name == "flights"
        assert spec.kinds
        assert spec.code_version


def _dataset_specs(definitions: dg.Definitions) -> list[dg.AssetSpec]:
    """Return the assets of datasets, without those of maintenance."""
    return [spec for spec in definitions.resolve_all_asset_specs() if spec.group_name != "maintenance"]


def test_schedule_runs_the_job(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, schedule="0 6 * * *")
    schedule = project.definitions.resolve_schedule_def("flights_schedule")
    assert (schedule.cron_schedule, schedule.job_name) == ("0 6 * * *", "flights_pipeline")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_schedule_has_the_time_zone_of_the_dataset(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, schedule="0 6 * * *", schedule_timezone="Europe/Berlin")
    schedule = project.definitions.resolve_schedule_def("flights_schedule")
    assert schedule.execution_timezone == "Europe/Berlin"


def test_table_has_a_freshness_policy(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, fresh_within="36h")
    policies = {spec.key.path[-1]: spec.freshness_policy for spec in _dataset_specs(project.definitions)}
    assert policies.pop("table") == dg.FreshnessPolicy.time_window(fail_window=datetime.timedelta(hours=36))
    assert set(policies.values()) == {None}


def test_pool_holds_all_steps_of_the_dataset(settings: Settings, instance: dg.DagsterInstance) -> None:
    graph = Project(settings, instance, pool="heavy").definitions.resolve_asset_graph()
    pools = {key.to_user_string(): graph.get(key).pools for key in graph.materializable_asset_keys}
    outside = {"flights/quarantine", "artifact_store/catalog_backup", "artifact_store/size"}
    assert {key for key, found in pools.items() if found != {"heavy"}} <= outside


def test_retention_is_in_the_metadata_of_every_stored_asset(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, retention={"keep_last": 3, "keep_within": "30d"})
    specs = [spec for spec in _dataset_specs(project.definitions) if spec.key.path[-1] != "quarantine"]
    for spec in specs:
        assert spec.metadata["artifact/retention"] == {"keep_last": 3, "keep_within": "30d"}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"name": "Flights"}, "name"),
        ({"name": "../x"}, "name"),
        ({"owners": []}, "owners"),
        ({"owners": ["nobody"]}, "owners.0"),
        ({"source": ""}, "source"),
        ({"source": "../*.csv"}, "source"),
        ({"columns": {"delay": "BIGNT"}}, "columns.delay"),
        ({"schedule": "99 99"}, "schedule"),
        ({"schedule_timezone": "Berlin"}, "schedule_timezone"),
        ({"schedule_timezone": "../UTC"}, "schedule_timezone"),
        ({"fresh_within": "soon"}, "fresh_within"),
        ({"fresh_within": "10s"}, "fresh_within"),
        ({"pool": "two words"}, "pool"),
        ({"description": ""}, "description"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"samples": {"few": {"n": 0}}}, "samples.few.n"),
        ({"samples": {"few": {"n": 1, "design": "magic"}}}, "samples.few.design"),
        ({"samples": {"few": {"n": 1, "seed": 2**63}}}, "samples.few.seed"),
        ({"samples": {"Bad name": {"n": 1}}}, "samples.Bad name.[key]"),
        ({"analyses": {"profile": {"kind": "profil"}}}, "analyses.profile.kind"),
        ({"analyses": {"question": {"kind": "sql"}}}, "analyses.question.query"),
        ({"analyses": {"question": {}}}, "analyses.question.kind"),
        ({"analyses": {"profile": {"kind": "profile", "query": "SELECT 1"}}}, "analyses.profile.query"),
        ({"samples": {"few": {"n": 1, "size": 2}}}, "samples.few.size"),
        ({"format": {"delimiter": ";;"}}, "format.delimiter"),
        ({"format": {"type": "csv", "delimiter": ";;"}}, "format.delimiter"),
        ({"format": {"type": "parquet", "delimiter": ";"}}, "format.delimiter"),
        ({"format": {"sheet": 1}}, "format.sheet"),
        ({"format": {"type": "xlsx"}}, "format.type"),
        ({"retention": {"keep_last": 0}}, "retention.keep_last"),
        ({"retention": {"keep_within": "soon"}}, "retention.keep_within"),
    ],
)
def test_wrong_declaration_names_the_field(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        DatasetPipeline.model_validate({**FLIGHTS, **changes})
    found = [".".join(str(part) for part in error["loc"]) for error in caught.value.errors()]
    assert found == [where]


def test_template_is_checked_after_it_is_filled_in() -> None:
    templates = {"source": "{{ env.SOURCE }}", "columns": {"delay": "{{ env.KIND }}"}, "schedule": "{{ env.CRON }}"}
    assert DatasetPipeline.model_validate({**FLIGHTS, **templates}).schedule == "{{ env.CRON }}"


YAML = """
type: artifact_pipelines.DatasetPipeline
attributes:
  name: weather
  description: "Weather by {{ env.STATION }}"
  source: weather*.csv
  files: latest
  owners: [team:tests]
  FIELD
"""


def _load(folder: pathlib.Path, field: str) -> dg.Definitions:
    (folder / "own" / "defs" / "weather").mkdir(parents=True)
    (folder / "own" / "defs" / "weather" / "defs.yaml").write_text(YAML.replace("FIELD", field))
    project = '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "own"\n'
    (folder / "pyproject.toml").write_text(project)
    return dg.load_from_defs_folder(path_within_project=folder / "own" / "defs")


def test_yaml_file_alone_declares_a_dataset(
    settings: Settings, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATION", "JFK")
    monkeypatch.syspath_prepend(tmp_path)
    definitions = build_definitions(_load(tmp_path, "samples: {few: {n: 5}}"), settings)
    keys = {spec.key.to_user_string(): spec for spec in _dataset_specs(definitions)}
    names = {"raw", "table", "samples/few", "quarantine", "report"}
    assert set(keys) == {f"weather/{name}" for name in names}
    assert keys["weather/table"].description == "Weather by JFK"


@pytest.mark.parametrize(
    ("field", "where"),
    [
        ({"samples": {"few": {"design": "magic"}}}, ["samples", "few", "design"]),
        ({"samples": {"few": {"n": "none"}}}, ["samples", "few", "n"]),
        ({"analyses": {"few": {"kind": "sql", "query": ""}}}, ["analyses", "few", "query"]),
        ({"format": {"type": "csv", "delimiter": ";;"}}, ["format", "delimiter"]),
    ],
)
def test_schema_that_editors_and_dg_check_use_names_the_field(field: dict[str, Any], where: list[str]) -> None:
    validator = Draft202012Validator(DatasetPipeline.get_model_cls().model_json_schema())
    [error] = validator.iter_errors({**FLIGHTS, **field})
    assert list(error.absolute_path) == where
    assert not list(validator.iter_errors(FLIGHTS))
    assert not list(validator.iter_errors({**FLIGHTS, "samples": None})), "the error of loading says more"
    assert not list(validator.iter_errors({**FLIGHTS, "format": {"null_values": ["NA"], "delimiter": ";"}}))


@pytest.mark.parametrize(
    ("damaged", "made"), [("raw", "table"), ("table", "analyses/delays"), ("table", "analyses/profile")]
)
def test_damaged_input_fails_the_step_and_keeps_its_last_answer(
    project: Project, instance: dg.DagsterInstance, back_door: BackDoor, damaged: str, made: str
) -> None:
    project.drop(CSV)
    project.settle()
    with open_store() as store:
        file = store.history(f"flights/{damaged}")[0].file
    data = back_door.get(file.storage_path)
    # In CSV another valid number, in Parquet another byte of a page.
    other = data.replace(b"AA,2,7", b"AA,2,8") if damaged == "raw" else data[:10] + bytes([data[10] ^ 1]) + data[11:]
    assert other != data
    back_door.put(file.storage_path, other)
    job = project.definitions.resolve_implicit_global_asset_job_def()
    key = dg.AssetKey(["flights", *made.split("/")])
    tags = {REMEMBER_TAG: "false"}  # a remembered answer is still right: it was made from the bytes as they were
    result = job.execute_in_process(asset_selection=[key], instance=instance, raise_on_error=False, tags=tags)
    [failure] = result.get_step_failure_events()
    assert "DamagedBytesError" in str(failure.step_failure_data.error_display_string)
    with open_store() as store:
        assert len(store.history(f"flights/{made}")) == 1, "the last answer is still current"
        assert store.info(file.file_id).state == FileState.DAMAGED
