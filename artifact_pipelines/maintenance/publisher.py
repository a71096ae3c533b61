"""The sensor that publishes: what has passed its checks becomes current also where nobody loads it."""

from collections.abc import Sequence

import dagster as dg

from artifact_pipelines.io_manager.publishing import decide_on
from artifact_pipelines.io_manager.resources import ArtifactStore

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
    """Look at the next candidates behind those of the tick before; behind the last of all comes the first again.

    Dagster keeps no cursor of a tick that fails: where others wait behind those that cannot be decided upon, the tick
    says so instead, and they have their turn. What is wrong with each is in the tick's log.
    """
    place = int(context.cursor or 0)
    with artifact_store.open() as (catalog, _):
        candidates = catalog.candidates.next_waiting(place, _CANDIDATES_A_TICK)
        decided = decide_on(context.instance, catalog, candidates)
    for error in decided.errors:
        context.log.error("Could not decide: " + _explained(error))
    last = candidates[-1].materialization_id if len(candidates) == _CANDIDATES_A_TICK else 0
    if last == place:
        decided.raise_first()
    told = [*_told(decided.errors), *decided.done] or ["Nothing was published or rejected."]
    return dg.SensorResult(skip_reason="; ".join(told), cursor=str(last))


def _told(errors: Sequence[Exception]) -> Sequence[str]:
    """Return what people are told of errors, if there are any."""
    return [f"{len(errors)} could not be decided upon, the first for {_explained(error)}" for error in errors[:1]]


def _explained(error: Exception) -> str:
    return f"{type(error).__name__} {', '.join(error.__notes__)}: {error}"
