"""A run that Dagster has ended publishes nothing, however long its process goes on."""

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManagerFactory, ArtifactStore, open_store
from artifact_pipelines.core.exceptions import NotFoundError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.instance import run_end


@dg.asset
def late(context: dg.AssetExecutionContext) -> str:
    if context.run.tags.get("ended"):
        context.instance.report_run_failed(context.run, "Someone forced it.")
    return "value"


def materialize(settings: Settings, **tags: str) -> dg.ExecuteInProcessResult:
    store = ArtifactStore(catalog_url=settings.catalog_url, storage_url=settings.storage_url)
    resources = {"io_manager": ArtifactIOManagerFactory(store=store)}
    return dg.materialize([late], resources=resources, tags=tags, raise_on_error=False)


def test_run_that_was_ended_while_its_process_stood_still_publishes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_end, "ASK_AFTER_S", 0.0)
    [failed] = materialize(settings, ended="yes").get_step_failure_events()
    assert "RunEndedError: Dagster ended run" in str(failed.step_failure_data.user_failure_data)
    with open_store() as store, pytest.raises(NotFoundError):
        store.history("late")
    assert materialize(settings).success
    with open_store() as store:
        assert store.load("late") == "value"
