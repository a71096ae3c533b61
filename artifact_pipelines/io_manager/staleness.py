"""Corrects the version of an input that Dagster compares to find out whether an asset is stale.

When a step starts, Dagster notes the newest event of each input as its version.

One idea: where a step loads something else (a version that its run selects, one that its own run wrote, the current one
while a candidate waits), find the event of that one, and note it instead.
"""

import dataclasses
import itertools
from collections.abc import Collection, Mapping, Sequence

import dagster as dg

from artifact_pipelines.core.types import Materialization
from artifact_pipelines.io_manager.asked import InputAsked
from artifact_pipelines.io_manager.dagster_internals import (
    NULL_DATA_VERSION,
    SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD,
    InputAssetVersionInfo,
)
from artifact_pipelines.io_manager.event_log import data_version_of, is_report_of, newest_first, oldest_first
from artifact_pipelines.storage.hashing import version_of_partitions

_MOST_EVENTS = 1000
"""Events to search for a loaded version; older ones are not found, because the step waits for the search."""

_OLDEST_EVENTS = 20
"""Oldest events to search for the first one with content, of partitions that held nothing."""


@dataclasses.dataclass(slots=True)
class _Place:
    """Where a loaded materialization stands among the events of its asset and partition.

    Attributes:
        event: The newest event of its content, if there is one.
        next: The first event after that one with other content, if there is one.
    """

    event: dg.EventLogRecord | None = None
    next: dg.EventLogRecord | None = None


def correct_input_version(asked: InputAsked, loaded: Mapping[str | None, Materialization]) -> None:
    """Note which version a step loaded, where that is not the version that Dagster noted at its start.

    Queries nothing if the noted version is the loaded one. Otherwise it queries the event log, once where everything
    that was loaded is the newest of its partition.

    The one place that uses this cache of Dagster's; tests show that it works.

    Args:
        asked: The input.
        loaded: What was loaded, by partition, without those that held nothing.
    """
    noted, step, key, wanted = _noted_version(asked), asked.step, asked.key, asked.keys
    if noted is None or noted.data_version is None or step is None or key is None:
        return
    versions = {partition: made.data_version for partition, made in loaded.items()}
    if asked.partitions is None:
        versions.setdefault(None, NULL_DATA_VERSION.value)
    if noted.data_version.value == _version_of(versions):
        return
    places = _find_places(step.instance, key, wanted, loaded)
    reported = {partition: data_version_of(place.event) for partition, place in places.items()}
    noted.data_version = dg.DataVersion(_version_of({key: reported[key] or versions[key] for key in versions}))
    noted.storage_id = _pointer(noted.storage_id, list(places.values()))


def _noted_version(asked: InputAsked) -> InputAssetVersionInfo | None:
    """Return the version of an input that Dagster noted when the step started, if it can be corrected.

    An input whose metadata select a version would be stale for ever. For partitions that the code of the step loads,
    Dagster notes all that the step depends on. Above a number of partitions it compares none.
    """
    is_by_hand = not asked.is_declared and asked.partitions is not None
    is_compared = len(asked.keys) < SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD
    if asked.step is None or asked.key is None or asked.is_pinned or is_by_hand or not is_compared:
        return None
    return (asked.step.input_asset_records or {}).get(asked.key)


def _version_of(versions: Mapping[str | None, str]) -> str:
    """Return the data version of an input as Dagster computes it: one for all partitions that it covers."""
    if None in versions:
        return versions[None]
    return version_of_partitions({str(partition): version for partition, version in versions.items()})


def _pointer(noted: int, places: Sequence[_Place]) -> int:
    """Return the event up to which the step knows its input: later ones make a partition stale.

    There is one for all partitions. Where one of them is behind, others may count as stale with it, but none counts as
    fresh that is not.
    """
    events = [place.event.storage_id for place in places if place.event]
    behind = [place.next.storage_id for place in places if place.next]
    if not behind:
        return max(noted, *events) if events else noted
    return max((event for event in events if event < min(behind)), default=min(behind) - 1)


def _find_places(
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    wanted: Collection[str | None],
    loaded: Mapping[str | None, Materialization],
) -> Mapping[str | None, _Place]:
    """Find the events of the loaded materializations, reading the log from its end and no further than needed.

    A partition that held nothing has no such event. Its first event with content is later than the step; one query for
    the oldest events finds it.
    """
    places = {partition: _Place() for partition in wanted}
    missing = [partition for partition in wanted if partition not in loaded]
    if missing:
        oldest = oldest_first(instance, key, missing, _OLDEST_EVENTS)
        places[missing[0]].next = next((event for event in oldest if data_version_of(event)), None)
    left = dict.fromkeys(loaded)
    for event in itertools.islice(newest_first(instance, key, left.keys()), _MOST_EVENTS):
        partition = event.partition_key
        if partition not in left:
            continue
        if _is_of(event, loaded[partition]):
            places[partition].event = event
            del left[partition]
        elif data_version_of(event):  # else a user reported it, without any content
            places[partition].next = event
    return places


def _is_of(event: dg.EventLogRecord, made: Materialization) -> bool:
    """True if an event is of the content of a materialization, whichever run reported it."""
    if made.data_version == made.run_id:  # no one knows whether another run's is the same
        return event.run_id == made.run_id
    return data_version_of(event) == made.data_version or is_report_of(event, made)
