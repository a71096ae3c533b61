"""The sensor that requests a run for each new content in the landing zone."""

from collections.abc import Sequence

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import LandingFile, LandingState
from artifact_pipelines.datasets.assets import LandingZone
from artifact_pipelines.datasets.entry_names import SourceGlob
from artifact_pipelines.datasets.landing_watch import LandingWatch

_STATES = {
    dg.DagsterRunStatus.SUCCESS: LandingState.INGESTED,
    dg.DagsterRunStatus.FAILURE: LandingState.FAILED,
    dg.DagsterRunStatus.CANCELED: LandingState.FAILED,
}


def build_landing_sensor(
    dataset: str, source: str, raw: dg.AssetsDefinition, table: dg.AssetsDefinition
) -> dg.SensorDefinition:
    """Return the sensor that ingests a dataset's files, one at a time.

    A run materializes the raw file and its table; automation conditions materialize everything downstream.
    """

    @dg.sensor(
        name=f"{dataset}_landing",
        description=f"Ingests complete files that match {source!r} in the landing zone if their content is new.",
        asset_selection=dg.AssetSelection.assets(raw, table),
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def landing_sensor(context: dg.SensorEvaluationContext, landing_zone: LandingZone) -> dg.SensorResult:
        with Catalog(landing_zone.store.catalog_url) as catalog:
            watch = LandingWatch(
                catalog,
                landing_zone.open(),
                dataset,
                SourceGlob(source),
                raw.key.to_user_string(),
                landing_zone.settle_s,
            )
            files = watch.tick(lambda run_key: _state_of(context.instance, run_key))
        requests = [
            dg.RunRequest(
                run_key=file.run_key,
                run_config={"ops": {raw.node_def.name: {"config": {"path": file.path}}}},
                tags={"artifact/dataset": file.dataset},
            )
            for file in files
            # The same run key again starts no second run.
            if file.state == LandingState.REQUESTED and _state_of(context.instance, str(file.run_key)) is None
        ]
        return dg.SensorResult(run_requests=requests, skip_reason=None if requests else _explain(source, files))

    return landing_sensor


def _state_of(instance: dg.DagsterInstance, run_key: str) -> LandingState | None:
    runs = instance.get_runs(filters=dg.RunsFilter(tags={"dagster/run_key": run_key}), limit=1)
    return _STATES.get(runs[0].status, LandingState.REQUESTED) if runs else None


def _explain(source: str, files: Sequence[LandingFile]) -> str:
    if not files:
        return f"No file in the landing zone matches {source!r}."
    return "; ".join(f"{file.path}: {file.state}" + (f" ({file.reason})" if file.reason else "") for file in files)
