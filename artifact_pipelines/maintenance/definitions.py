"""Everything that keeps a store in order, for any Dagster project that uses the IO manager."""

from collections.abc import Iterable

import dagster as dg

from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.assets import ARTIFACT_STORE, catalog_backup
from artifact_pipelines.maintenance.checks import bytes_intact
from artifact_pipelines.maintenance.jobs import backup_schedule, build_clean_up, verification_job, verification_schedule
from artifact_pipelines.maintenance.sensors import artifact_publisher, artifact_wipes


def build_maintenance(store: ArtifactStore, assets: Iterable[object] = ()) -> dg.Definitions:
    """Return definitions that a project merges into its own to keep its store in order.

    Two sensors are on: one publishes outputs whose checks have passed, the other releases assets that were wiped in the
    UI. Three nightly schedules are off until someone switches them on: clean-up, verification, backup of the catalog.

    Args:
        store: Where the IO manager keeps rows and bytes; it becomes the resource `artifact_store`.
        assets: The project's assets. Clean-up follows the retention policies in their present metadata.
    """
    own = dg.Definitions(
        assets=[ARTIFACT_STORE, catalog_backup],
        asset_checks=[bytes_intact],
        jobs=[verification_job],
        schedules=[verification_schedule, backup_schedule],
        sensors=[artifact_publisher, artifact_wipes],
        resources={"artifact_store": store},
    )
    return dg.Definitions.merge(build_clean_up(assets), own)
