"""The store as an asset in Dagster, and its check."""

import io
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.assets import ARTIFACT_STORE
from artifact_pipelines.maintenance.definitions import build_maintenance
from artifact_pipelines.store import Store
from artifact_pipelines_tests.storage.back_door import BackDoor


@pytest.fixture
def resource(settings: Settings) -> ArtifactStore:
    return ArtifactStore(catalog_url=settings.catalog_url, storage_url=settings.storage_url)


def run_check(resource: ArtifactStore, **config: Any) -> dg.AssetCheckEvaluation:
    job = build_maintenance(resource).resolve_job_def("verify_artifact_store")
    run_config = {"ops": {"artifact_store_bytes_intact": {"config": config}}}
    result = job.execute_in_process(run_config=run_config, raise_on_error=False)
    [evaluation] = result.get_asset_check_evaluations()
    return evaluation


def test_check_passes_after_reading_a_share_of_an_intact_store(resource: ArtifactStore, store: Store) -> None:
    for number in range(40):
        store.create_artifact(io.BytesIO(b"%02d" % number), "txt")
    evaluation = run_check(resource)
    assert evaluation.passed
    assert evaluation.asset_key == ARTIFACT_STORE.key
    assert evaluation.metadata["verify/files"].value == 2, "5 % by default"
    assert run_check(resource, share=1.0).metadata["verify/files"].value == 40
    assert evaluation.metadata["verify/what_was_found"].value == "none"


def test_damage_fails_the_check_and_is_listed_in_a_table(
    resource: ArtifactStore, store: Store, back_door: BackDoor
) -> None:
    file = store.info(store.create_artifact(io.BytesIO(b"data"), "txt"))
    back_door.put(file.storage_path, b"Data")
    evaluation = run_check(resource, share=1.0)
    assert not evaluation.passed
    table: Any = evaluation.metadata["verify/what_was_found"].value
    [record] = table.records
    assert record.data["finding"] == "corrupt bytes"
    assert (record.data["file_id"], record.data["hits"]) == (file.file_id, "caller")
    assert record.data["where"].endswith(str(file.storage_path))
    assert "restore" in record.data["what_to_do"]


def test_check_repairs_only_if_configured(resource: ArtifactStore, store: Store, settings: Settings) -> None:
    file_id = store.create_artifact(io.BytesIO(b"data"), "txt")
    with make_engine(settings.catalog_url).begin() as connection:
        connection.exec_driver_sql("UPDATE files SET reference_count = 9")
    assert not run_check(resource).passed
    evaluation = run_check(resource, repair=True)
    assert evaluation.passed
    [record] = evaluation.metadata["verify/what_was_found"].value.records  # type: ignore[union-attr]
    assert record.data["what_to_do"] == "repaired"
    assert store.info(file_id).reference_count == 1
