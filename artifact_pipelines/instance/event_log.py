"""Reads materializations from Dagster's event log, by asset and partition, newest first, a page at a time."""

from collections.abc import Collection, Iterator, Mapping

import dagster as dg

from artifact_pipelines.core.types import Materialization
from artifact_pipelines.instance.metadata import identity_metadata

DATA_VERSION_TAG = "dagster/data_version"
PAGE_EVENTS = 200


def key_of(made: Materialization) -> dg.AssetKey:
    """Return the key of a materialization's asset."""
    return dg.AssetKey.from_user_string(made.asset)


def newest_first(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[str | None]
) -> Iterator[dg.EventLogRecord]:
    """Yield the materializations of partitions of an asset: first as many as there are partitions, then page by page.

    The partitions are `[None]` if the asset has none. The caller may remove those that it no longer needs.
    """
    before, limit = None, len(partitions)
    while partitions:
        which = dg.AssetRecordsFilter(key, keys_of(partitions), before_storage_id=before)
        records = instance.fetch_materializations(which, limit=limit).records
        yield from records
        if len(records) < limit:
            return
        before, limit = records[-1].storage_id, PAGE_EVENTS


def find_latest(instance: dg.DagsterInstance, made: Materialization) -> dg.EventLogRecord | None:
    """Return the newest event of a materialization's asset and partition."""
    return next(newest_first(instance, key_of(made), [made.partition]), None)


def latest_data_versions(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[str]
) -> Mapping[str, str | None]:
    """Return the data version that Dagster knows of each partition it has an event of, with one query."""
    if not partitions:
        return {}
    kind, tags = dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    found = instance.event_log_storage.get_latest_tags_by_partition(key, kind, tags, list(partitions))
    return {partition: of_it.get(DATA_VERSION_TAG) for partition, of_it in found.items()}


def find_event_of_run(instance: dg.DagsterInstance, made: Materialization) -> dg.AssetMaterialization | None:
    """Return the event that the run of a materialization reported of it, if Dagster still has that run.

    Reads the events of its asset and partition, not those of the run, which may have covered thousands of partitions.
    """
    if made.run_id is None or instance.get_run_by_id(made.run_id) is None:
        return None
    for record in newest_first(instance, key_of(made), [made.partition]):
        event = record.asset_materialization
        if record.run_id == made.run_id and event is not None and event.partition == made.partition:
            return event
    return None


def is_report_of(event: dg.EventLogRecord, made: Materialization) -> bool:
    """True if an event of its asset and partition reports the content of a materialization."""
    metadata = event.asset_materialization.metadata if event.asset_materialization else {}
    shown = {name: str(value.value) for name, value in metadata.items()}  # older events have a file ID as a number
    return all(shown.get(name) == value.value for name, value in identity_metadata(made).items())


def data_version_of(event: dg.EventLogRecord | None) -> str | None:
    """Return the data version that an event reports; None where there is no event, or a user reported it without."""
    reported = event.asset_materialization if event else None
    return ((reported.tags if reported else None) or {}).get(DATA_VERSION_TAG)


def keys_of(partitions: Collection[str | None]) -> list[str] | None:
    """Return partitions as Dagster's filters want them: None for an asset without partitions."""
    return None if None in partitions else [key for key in partitions if key is not None]
