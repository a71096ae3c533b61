"""The composition root: picks catalog, storage and landing zone, and merges what every dataset's file declares."""

import os
import pathlib
from typing import Any

import dagster as dg

from artifact_pipelines.core.settings import CATALOG_URL, Settings
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.io_manager.resources import ArtifactIOManagerFactory, ArtifactStore
from artifact_pipelines.maintenance.definitions import build_maintenance

AUTOMATION_SENSOR = "automation"


def build_resources(settings: Settings) -> dict[str, Any]:
    """Return the resources that the datasets' definitions need."""
    # The UI shows how resources are configured: the name of a variable, not the password in it.
    from_environment = os.environ.get(CATALOG_URL) == settings.catalog_url
    catalog_url = dg.EnvVar(CATALOG_URL) if from_environment else settings.catalog_url
    store = ArtifactStore(catalog_url=catalog_url, storage_url=settings.storage_url)
    return {
        "artifact_store": store,
        "artifact_io_manager": ArtifactIOManagerFactory(store=store),
        "landing_zone": LandingZone(landing_url=settings.landing_url, store=store),
    }


def build_definitions(datasets: dg.Definitions, settings: Settings) -> dg.Definitions:
    """Return complete definitions: those of the datasets and of maintenance, with resources, executor and a sensor."""
    automation = dg.AutomationConditionSensorDefinition(
        AUTOMATION_SENSOR,
        target=dg.AssetSelection.all(),
        description="Makes what is missing, or depends on content that changed.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=1,
    )
    resources = build_resources(settings)
    own = dg.Definitions(
        resources=resources,
        sensors=[automation],
        # One process a run: starting an interpreter for every step would cost more than most steps do.
        executor=dg.in_process_executor,
    )
    maintenance = build_maintenance(resources["artifact_store"], datasets.assets or ())
    return dg.Definitions.merge(datasets, maintenance, own)


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of this project; Dagster loads them."""
    datasets = dg.load_from_defs_folder(path_within_project=pathlib.Path(__file__).parent / "defs")
    return build_definitions(datasets, Settings.from_environment())
