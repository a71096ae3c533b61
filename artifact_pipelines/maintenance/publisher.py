"""The sensor that publishes: what has passed its checks becomes current also where nobody loads it."""

import dagster as dg

from artifact_pipelines.io_manager.publishing import publish_candidates
from artifact_pipelines.maintenance.resources import ArtifactStore


@dg.sensor(
    name="artifact_publisher",
    description=(
        "Makes outputs of assets with `artifact/publish: after_checks` current once their blocking checks have passed, "
        "and keeps aside what failed one. `artifact-pipelines publish ASSET --version N` overrides it."
    ),
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    jobs=[],
)
def artifact_publisher(context: dg.SensorEvaluationContext, artifact_store: ArtifactStore) -> dg.SkipReason:
    """Look at every candidate."""
    with artifact_store.open() as (catalog, _):
        done = publish_candidates(context.instance, catalog)
    return dg.SkipReason("; ".join(done) or "Nothing was published or rejected.")
