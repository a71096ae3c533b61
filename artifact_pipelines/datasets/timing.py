"""When a dataset is made anew, and how old its table may become."""

import datetime
import zoneinfo
from typing import Any

import dagster as dg

from artifact_pipelines.core.durations import parse_duration_s
from artifact_pipelines.core.exceptions import InvalidArgumentError

_SHORTEST_S = 60.0  # Dagster looks every half minute, and refuses less


def check_cron(cron: str) -> None:
    """Refuse a text that is not cron, by an `InvalidArgumentError`."""
    try:
        dg.ScheduleDefinition(job_name="any", cron_schedule=cron)
    except dg.DagsterInvalidDefinitionError as error:
        raise InvalidArgumentError("schedule", cron, "cron of five fields, such as '0 6 * * *'") from error


def check_timezone(name: str) -> None:
    """Refuse a text that names no time zone, by an `InvalidArgumentError`."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        expected = "a time zone of the IANA database, such as UTC or Europe/Berlin"
        raise InvalidArgumentError("schedule_timezone", name, expected) from error


def check_fresh_within(text: str) -> None:
    """Refuse a text that is not a duration of at least a minute, by an `InvalidArgumentError`."""
    if parse_duration_s(text, "fresh_within") < _SHORTEST_S:
        raise InvalidArgumentError("fresh_within", text, "a duration of at least a minute, such as 36h or 8d")


def build_schedule(dataset: str, job: Any, cron: str, timezone: str) -> dg.ScheduleDefinition:
    """Return the schedule that runs a dataset's job, at the times of a cron text in a time zone."""
    return dg.ScheduleDefinition(
        name=f"{dataset}_schedule",
        job=job,
        cron_schedule=cron,
        execution_timezone=timezone,
        description=f"Materializes all assets of {dataset}, whether or not a new file has come.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def with_freshness(asset: dg.AssetsDefinition, fresh_within: str) -> dg.AssetsDefinition:
    """Return an asset with the policy that Dagster shows it as overdue once it was not made for a duration."""
    window = datetime.timedelta(seconds=parse_duration_s(fresh_within, "fresh_within"))
    policy = dg.FreshnessPolicy.time_window(fail_window=window)
    return asset.map_asset_specs(lambda spec: spec.replace_attributes(freshness_policy=policy))
