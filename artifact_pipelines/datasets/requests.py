"""Runs that the landing sensor requested, and the rule that each request has one run."""

import dagster as dg

REQUEST_TAG = "artifact/landing_request"
"""Tag of a run: the run key of the landing file that it ingests. Retries share it; their own run keys differ."""

_OVER = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def leave_to_older_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Return the ID of an older run for the same request that lives or has succeeded, and give the request to it.

    Two daemons may request the same run key at once: Dagster starts both runs if neither daemon sees the other's. The
    younger loses its tag, so that nobody takes its end for the outcome of the request.
    """
    run_key = run.tags.get(REQUEST_TAG)
    if run_key is None or run.parent_run_id is not None:  # a person or Dagster repeats a run that has ended
        return None
    records = instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: run_key}))
    own = next((each.storage_id for each in records if each.dagster_run.run_id == run.run_id), 0)
    older = [each for each in records if each.storage_id < own and each.dagster_run.status not in _OVER]
    if not older:
        return None
    oldest = min(older, key=lambda each: each.storage_id).dagster_run.run_id
    instance.add_run_tags(run.run_id, {REQUEST_TAG: f"of run {oldest}"})
    return oldest
