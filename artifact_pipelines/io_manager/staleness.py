"""What Dagster is told of what a step was made from: else it takes the newest it has heard of when the step starts.

One idea: what Dagster calls fresh was made from what it takes to be current. Where a step loads something else (what a
run selects, what its own run has written, what is current while a candidate waits), its event is looked for, and the
step is said to be made from that one.
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
from artifact_pipelines.io_manager.dagster_reports import (
    DATA_VERSION_TAG,
    is_report_of,
    newest_first,
    partitions_asked_for,
)
from artifact_pipelines.storage.hashing import version_of_partitions

_EVENTS = 1000
"""What is older than as many events of what a step loads is not looked for: a step would wait for it at each load."""

_OLDEST = 20
"""Of what held nothing, so many of the oldest events are looked at for the first that tells of content."""


@dataclasses.dataclass(slots=True)
class _Place:
    """Where in Dagster's event log a loaded materialization stands among the events of its asset and partition.

    Attributes:
        event: The newest event of its content, if there is one.
        next: The first event behind that one that tells of other content, if there is one.
    """

    event: dg.EventLogRecord | None = None
    next: dg.EventLogRecord | None = None


def correct_input_version(asked: InputAsked, loaded: Mapping[str | None, Materialization]) -> None:
    """Report to Dagster which version a step loaded, where that is not the version that Dagster noted at its start.

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
    places = _places(step.instance, key, wanted, loaded)
    reported = {partition: _data_version(place.event) for partition, place in places.items()}
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
    """Return the data version of an input as Dagster computes it: of partitions, of all that it covers."""
    if None in versions:
        return versions[None]
    return version_of_partitions({str(partition): version for partition, version in versions.items()})


def _pointer(noted: int, places: Sequence[_Place]) -> int:
    """Return the event up to which the step knows of what it loads: what comes behind it makes a partition stale.

    There is one for all partitions. Where one of them is behind, others may count as stale with it, but none as fresh
    that is not.
    """
    events = [place.event.storage_id for place in places if place.event]
    behind = [place.next.storage_id for place in places if place.next]
    if not behind:
        return max(noted, *events) if events else noted
    return max((event for event in events if event < min(behind)), default=min(behind) - 1)


def _places(
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    wanted: Collection[str | None],
    loaded: Mapping[str | None, Materialization],
) -> Mapping[str | None, _Place]:
    """Find where what was loaded stands in the event log, reading from its end only as far as that takes.

    What held nothing has no place there to be found: all that Dagster knows of it is behind what the step knows. One
    look at the oldest says since when.
    """
    places = {partition: _Place() for partition in wanted}
    missing = [partition for partition in wanted if partition not in loaded]
    if missing:
        places[missing[0]].next = _first_of_content(instance, key, missing)
    left = dict.fromkeys(loaded)
    for event in itertools.islice(newest_first(instance, key, left.keys()), _EVENTS):
        partition = event.partition_key
        if partition not in left:
            continue
        if _is_of(event, loaded[partition]):
            places[partition].event = event
            del left[partition]
        elif _data_version(event):  # else a user has reported it, who says nothing of content
            places[partition].next = event
    return places


def _first_of_content(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Sequence[str | None]
) -> dg.EventLogRecord | None:
    """Return the oldest event of any of some partitions that tells of content: others a user has reported."""
    which = dg.AssetRecordsFilter(key, partitions_asked_for(partitions))
    events = instance.fetch_materializations(which, limit=_OLDEST, ascending=True).records
    return next((event for event in events if _data_version(event)), None)


def _is_of(event: dg.EventLogRecord, made: Materialization) -> bool:
    """Tell whether an event is of the content of a materialization, whichever run has told of that."""
    if made.data_version == made.run_id:  # nobody knows whether another run's is the same
        return event.run_id == made.run_id
    return _data_version(event) == made.data_version or is_report_of(event, made)


def _data_version(event: dg.EventLogRecord | None) -> str | None:
    told = event.asset_materialization if event else None
    return ((told.tags if told else None) or {}).get(DATA_VERSION_TAG)
