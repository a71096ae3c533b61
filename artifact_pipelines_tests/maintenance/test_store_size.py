"""The size of the store: as an asset with plots, and as `stats` prints it."""

import io

import dagster as dg

from artifact_pipelines import ArtifactStore, Store
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.maintenance.assets import artifact_store_size
from artifact_pipelines_tests.cli.commands import run_json


def test_asset_reports_the_numbers_that_stats_prints(store: Store, settings: Settings) -> None:
    store.create_artifact(io.BytesIO(b"data"), "txt")
    store.release(store.create_artifact(io.BytesIO(b"garbage"), "txt"))
    resource = ArtifactStore(catalog_url=settings.catalog_url, storage_url=settings.storage_url)
    done = dg.materialize([artifact_store_size], resources={"artifact_store": resource})
    [made] = done.asset_materializations_for_node("artifact_store__size")
    numbers = {name: entry.value for name, entry in made.metadata.items() if isinstance(entry.value, int | float)}
    assert numbers == {name: value for name, value in run_json("stats").items() if isinstance(value, int | float)}
    assert (numbers["stored_bytes"], numbers["reclaimable_bytes"]) == (11, 7)
