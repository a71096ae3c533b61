"""The composition root: chooses catalog, storage and landing zone, and merges the definitions of all datasets."""

import os
import pathlib
from typing import Any

import dagster as dg

from artifact_pipelines.core.settings import CATALOG_URL, Settings
from artifact_pipelines.datasets.assets import LandingZone
from artifact_pipelines.io_manager.resources import ArtifactIOManagerFactory, ArtifactStore
from artifact_pipelines.maintenance.definitions import build_maintenance

AUTOMATION_SENSOR = "automation"


def build_resources(settings: Settings) -> dict[str, Any]:
    """Return the resources of the datasets and of maintenance."""
    # The UI shows how resources are configured, so it must see the variable's name and not its password.
    from_environment = os.environ.get(CATALOG_URL) == settings.catalog_url
    catalog_url = dg.EnvVar(CATALOG_URL) if from_environment else settings.catalog_url
    store = ArtifactStore(catalog_url=catalog_url, storage_url=settings.storage_url)
    return {
        "artifact_store": store,
        "artifact_io_manager": ArtifactIOManagerFactory(store=store),
        "landing_zone": LandingZone(landing_url=settings.landing_url, store=store),
    }


def build_definitions(datasets: dg.Definitions, settings: Settings) -> dg.Definitions:
    """Return complete definitions: datasets, maintenance, resources, executor and the automation sensor."""
    automation = dg.AutomationConditionSensorDefinition(
        AUTOMATION_SENSOR,
        target=dg.AssetSelection.all(),
        description="Materializes assets that are missing or depend on changed content.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=1,
    )
    resources = build_resources(settings)
    own = dg.Definitions(
        resources=resources,
        sensors=[automation],
        # One process for each run: an interpreter for every step would take longer to start than most steps to run.
        executor=dg.in_process_executor,
    )
    maintenance = build_maintenance(resources["artifact_store"], datasets.assets or ())
    return dg.Definitions.merge(datasets, maintenance, own)


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of this project, for Dagster to load."""
    datasets = dg.load_from_defs_folder(path_within_project=pathlib.Path(__file__).parent / "defs")
    return build_definitions(datasets, Settings.from_environment())
