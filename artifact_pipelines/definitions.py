"""The composition root: chooses catalog, storage and landing zone, and merges the definitions of all datasets."""

import os
import pathlib
import warnings
from typing import Any

import dagster as dg

from artifact_pipelines.core.settings import CATALOG_URL, Settings
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.datasets.sensors import with_shared_sensors
from artifact_pipelines.defs_folder import load_defs_folder
from artifact_pipelines.instance.terminal_log import CONSOLE, one_line_console
from artifact_pipelines.io_manager.resources import ArtifactIOManagerFactory, ArtifactStore
from artifact_pipelines.maintenance.definitions import build_maintenance
from artifact_pipelines.warm_runs import start_runs_warm

AUTOMATION_SENSOR = "automation"
_EVALUATED_EVERY_S = 30
"""As Dagster does it. It costs time for each asset; the run that ingests a file makes the dataset's own assets."""


def resources(settings: Settings | None = None) -> dict[str, Any]:
    """Return the resources of datasets and upkeep: `artifact_io_manager`, `artifact_store` and `landing_zone`.

    Args:
        settings: Where everything lies; None: see `Settings.from_environment`.
    """
    settings = settings or Settings.from_environment()
    # The UI shows how resources are configured, so it must see the variable's name and not its password.
    from_environment = os.environ.get(CATALOG_URL) == settings.catalog_url
    catalog_url = dg.EnvVar(CATALOG_URL) if from_environment else settings.catalog_url
    store = ArtifactStore(catalog_url=catalog_url, storage_url=settings.storage_url)
    return {
        "artifact_store": store,
        "artifact_io_manager": ArtifactIOManagerFactory(store=store),
        "landing_zone": LandingZone(landing_url=settings.landing_url, store=store),
    }


def build_definitions(
    declared: dg.Definitions, settings: Settings | None = None, executor: dg.ExecutorDefinition | None = None
) -> dg.Definitions:
    """Return complete definitions: those of a project, resources, upkeep, executor and the automation sensor.

    Args:
        declared: Datasets, and whatever else a project has.
        settings: Where everything lies; None: see `Settings.from_environment`.
    """
    start_runs_warm()
    # Dagster warns of what it does itself with each asset that has checks, whenever it starts.
    warnings.filterwarnings("ignore", "Parameter `execution_type`", dg.BetaWarning)
    automation = dg.AutomationConditionSensorDefinition(
        AUTOMATION_SENSOR,
        target=dg.AssetSelection.all(),
        description="Materializes assets that are missing or depend on changed content.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=_EVALUATED_EVERY_S,
    )
    of_store = resources(settings)
    own = dg.Definitions(
        resources=of_store,
        sensors=[automation],
        loggers={} if CONSOLE in (declared.loggers or {}) else {CONSOLE: one_line_console},
        # One process for each run: an interpreter for every step would take longer to start than most steps to run.
        executor=executor or dg.in_process_executor,
    )
    maintenance = build_maintenance(of_store["artifact_store"], declared.assets or ())
    return dg.Definitions.merge(_with_shared_sensors(declared), maintenance, own)


def _with_shared_sensors(declared: dg.Definitions) -> dg.Definitions:
    return dg.Definitions(
        assets=declared.assets,
        schedules=declared.schedules,
        sensors=with_shared_sensors([*(declared.sensors or ())]),
        jobs=declared.jobs,
        resources=declared.resources,
        executor=declared.executor,
        loggers=declared.loggers,
        asset_checks=declared.asset_checks,
        metadata=declared.metadata,
        component_tree=declared.component_tree,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of this project, for Dagster to load."""
    datasets = load_defs_folder(pathlib.Path(__file__).parent / "defs")
    return build_definitions(datasets, Settings.from_environment(around=__file__))
