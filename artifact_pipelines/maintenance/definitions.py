"""All that keeps a store in order, for any Dagster project that uses the IO manager."""

from collections.abc import Iterable

import dagster as dg

from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.assets import catalog_backup, catalog_backup_schedule
from artifact_pipelines.maintenance.checks import build_verification
from artifact_pipelines.maintenance.jobs import build_clean_up
from artifact_pipelines.maintenance.publisher import artifact_publisher
from artifact_pipelines.maintenance.sensors import artifact_wipes


def build_maintenance(store: ArtifactStore, assets: Iterable[object] = ()) -> dg.Definitions:
    """Return what a project merges into its own definitions to keep its store in order.

    Two sensors, which are on: one publishes outputs whose checks have passed, one releases what is wiped in the UI. And
    a job and a nightly schedule that clean up, a check of the stored bytes and an asset that backs the catalog up, with
    schedules of their own; all schedules are off until they are switched on.

    Args:
        store: Where the IO manager keeps rows and bytes; it becomes the resource `artifact_store`.
        assets: The project's: what their metadata say of retention now is what the clean-up goes by.
    """
    own = dg.Definitions(
        assets=[catalog_backup],
        schedules=[catalog_backup_schedule],
        sensors=[artifact_publisher, artifact_wipes],
        resources={"artifact_store": store},
    )
    return dg.Definitions.merge(build_clean_up(assets), build_verification(), own)
