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
from artifact_pipelines.instance.dagster_internals import (
    NULL_DATA_VERSION,
    SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD,
)
from artifact_pipelines.instance.event_log import data_version_of, is_report_of, keys_of, newest_first
from artifact_pipelines.io_manager.asked import InputAsked
from artifact_pipelines.storage.hashing import version_of_partitions

_MOST_EVENTS = 1000
"""Events to search for a loaded version; older ones are not found, because the step waits for the search."""

_OLDEST_EVENTS = 20
"""Oldest events to search for the first one with content, of partitions that held nothing."""


@dataclasses.dataclass(slots=True)
class _Place:
    """The newest event of a loaded materialization's content, and the first event after that with other content."""

    event: dg.EventLogRecord | None = None
    next: dg.EventLogRecord | None = None


def correct_input_version(asked: InputAsked, loaded: Mapping[str | None, Materialization]) -> None:
    """Note which version a step loaded, where that is not the version that Dagster noted at its start.

    Queries nothing if the noted version is the loaded one. Otherwise it queries the event log, once where everything
    that was loaded is the newest of its partition. This is the one place that uses this cache of Dagster's; tests show
    that it works. Partitions that held nothing are not in `loaded`.
    """
    step, key = asked.step, asked.key
    if step is None or key is None or not _is_compared(asked):
        return
    noted = (step.input_asset_records or {}).get(key)
    if noted is None or noted.data_version is None:
        return
    versions = {partition: made.data_version for partition, made in loaded.items()}
    if asked.partitions is None:
        versions.setdefault(None, NULL_DATA_VERSION.value)
    if noted.data_version.value == _version_of(versions):
        return
    places = _find_places(step.instance, key, asked.keys, loaded)
    reported = {partition: data_version_of(place.event) for partition, place in places.items()}
    noted.data_version = dg.DataVersion(_version_of({key: reported[key] or versions[key] for key in versions}))
    noted.storage_id = _pointer(noted.storage_id, list(places.values()))


def _is_compared(asked: InputAsked) -> bool:
    """True if Dagster compares the version of an input that it noted when the step started, and that can be corrected.

    An input whose metadata select a version would be stale for ever. For partitions that the code of the step loads,
    Dagster notes all that the step depends on. Above a number of partitions it compares none.
    """
    is_by_hand = not asked.is_declared and asked.partitions is not None
    is_few = len(asked.keys) < SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD
    return is_few and not asked.is_pinned and not is_by_hand


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

    A partition that held nothing has no such event; its first event with content is later than the step.
    """
    places = {partition: _Place() for partition in wanted}
    missing = [partition for partition in wanted if partition not in loaded]
    if missing:
        which = dg.AssetRecordsFilter(key, keys_of(missing))
        oldest = instance.fetch_materializations(which, limit=_OLDEST_EVENTS, ascending=True).records
        places[missing[0]].next = next((event for event in oldest if data_version_of(event)), None)
    left = dict.fromkeys(loaded)
    for event in itertools.islice(newest_first(instance, key, left.keys()), _MOST_EVENTS):
        partition = event.partition_key
        if partition in left and _is_of(event, loaded[partition]):
            places[partition].event = event
            del left[partition]
        elif partition in left and data_version_of(event):  # else a user reported it, without any content
            places[partition].next = event
    return places


def _is_of(event: dg.EventLogRecord, made: Materialization) -> bool:
    """True if an event is of the content of a materialization, whichever run reported it."""
    if made.data_version == made.run_id:  # no one knows whether another run's is the same
        return event.run_id == made.run_id
    return data_version_of(event) == made.data_version or is_report_of(event, made)
