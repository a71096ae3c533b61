"""The sensor that publishes: what has passed its checks becomes current also where nobody loads it."""

import dagster as dg

from artifact_pipelines.io_manager.publishing import publish_candidates
from artifact_pipelines.maintenance.resources import ArtifactStore

_CANDIDATES_A_TICK = 100
"""Each costs some questions to the event log for every check, and one more for each page of what it has found since."""


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
def artifact_publisher(context: dg.SensorEvaluationContext, artifact_store: ArtifactStore) -> dg.SensorResult:
    """Look at the next candidates behind those of the tick before; behind the last of all comes the first again."""
    with artifact_store.open() as (catalog, _):
        candidates = catalog.candidates.next_waiting(int(context.cursor or 0), _CANDIDATES_A_TICK)
        done = publish_candidates(context.instance, catalog, candidates)
    last = candidates[-1].materialization_id if len(candidates) == _CANDIDATES_A_TICK else 0
    return dg.SensorResult(skip_reason="; ".join(done) or "Nothing was published or rejected.", cursor=str(last))
