"""The project's own definitions, as Dagster loads them."""

import subprocess
import sys
import warnings
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManagerFactory, ArtifactStore, build_maintenance
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.definitions import defs, resources


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return defs()


def test_every_asset_has_an_owner_a_description_a_group_kinds_and_a_code_version(definitions: dg.Definitions) -> None:
    specs = definitions.resolve_all_asset_specs()
    assert len(specs) > 10
    for spec in specs:
        assert spec.owners, spec.key
        assert spec.description, spec.key
        assert spec.group_name in ("flights", "weather", "maintenance"), spec.key
        assert spec.kinds, spec.key
        assert spec.code_version, spec.key
        assert spec.group_name == "maintenance" or spec.tags["domain"] == "aviation", spec.key


MAINTENANCE = [
    "artifact_clean_up_nightly",
    "artifact_store_size_daily",
    "catalog_backup_nightly",
    "verify_artifact_store_daily",
]


def test_maintenance_schedules_are_off_by_default(definitions: dg.Definitions) -> None:
    schedules: list[Any] = [s for s in definitions.schedules or () if s.name in MAINTENANCE]
    assert [schedule.default_status for schedule in schedules] == [dg.DefaultScheduleStatus.STOPPED] * len(MAINTENANCE)


def test_definitions_load_with_all_datasets(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)
    names = {key.to_user_string() for key in definitions.resolve_all_asset_keys()}
    assert {"flights/raw", "flights/table", "flights/samples/thousand", "flights/analyses/delays"} <= names
    assert {"weather/raw", "weather/table", "weather/analyses/profile"} <= names


def test_start_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        repository: Any = defs().get_repository_def()
        assert repository.asset_checks_defs_by_key


def test_sensors_and_schedules_of_datasets_are_on_by_default(definitions: dg.Definitions) -> None:
    sensors: list[Any] = list(definitions.sensors or ())
    schedules: list[Any] = [s for s in definitions.schedules or () if s.name not in MAINTENANCE]
    assert {sensor.name for sensor in sensors} == {
        "automation",
        "artifact_publisher",
        "artifact_wipes",
        "artifact_dead_runs",
        "artifact_landing",
        "artifact_retries",
    }
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.RUNNING}
    assert {schedule.default_status for schedule in schedules} == {dg.DefaultScheduleStatus.RUNNING}


def test_resources_show_the_name_of_a_variable_and_not_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", "postgresql://me:secret@host/db")
    of_store = resources(Settings.from_environment())
    assert "secret" not in repr(of_store)
    assert "secret" not in str([vars(resource) for resource in of_store.values()])


@pytest.mark.parametrize("module", ["artifact_pipelines", "artifact_pipelines.cli.main", "artifact_pipelines.store"])
def test_import_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'dagster', 'polars', 'pyarrow', 'duckdb'}} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_merge_adds_maintenance_to_another_project(settings: Settings) -> None:
    @dg.asset(metadata={"artifact/retention": {"keep_last": 3}})
    def own() -> int:
        return 1

    urls: Any = {"catalog_url": settings.catalog_url, "storage_url": settings.storage_url}
    project = dg.Definitions([own], resources={"io_manager": ArtifactIOManagerFactory(**urls)})
    merged = dg.Definitions.merge(project, build_maintenance(ArtifactStore(**urls), project.assets or ()))
    dg.Definitions.validate_loadable(merged)
    assert {sensor.name for sensor in merged.sensors or ()} == {
        "artifact_publisher",
        "artifact_wipes",
        "artifact_dead_runs",
    }
    config = {"ops": {"clean_up_artifacts": {"config": {"dry_run": False}}}}
    assert merged.resolve_job_def("artifact_clean_up").execute_in_process(run_config=config).success
    with Catalog(settings.catalog_url) as catalog:
        assert list(catalog.retention.policies()) == ["own"]
