"""What Dagster is told of changes that no run of it made."""

import pathlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from artifact_pipelines.core.exceptions import DagsterNotToldError
from artifact_pipelines.core.types import Materialization, Rollback
from artifact_pipelines.io_manager.dagster_internals import AssetCheckEvaluationTargetMaterializationData, replace
from artifact_pipelines.io_manager.metadata import materialization_metadata

DATA_VERSION_TAG = "dagster/data_version"


@contextmanager
def open_instance(home: pathlib.Path) -> Iterator[dg.DagsterInstance]:
    """Open the instance of a Dagster home, for as long as the block takes.

    Raises:
        DagsterNotToldError: There is none, or what was asked of it in the block failed.
    """
    if not home.is_dir():
        raise DagsterNotToldError(str(home), "there is no such folder")
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance
    except dg.DagsterError as error:
        raise DagsterNotToldError(str(home), str(error)) from error


def report_rollback(instance: dg.DagsterInstance, rollback: Rollback, uri: str) -> bool:
    """Tell Dagster what is current again: a materialization with the data version that it had for that version.

    Also what that version was made from is told as it was then, so that the asset itself shows as stale where its
    code or what is upstream of it has moved on.

    Args:
        instance: Dagster's.
        rollback: What the catalog has done. Told again, it says nothing that Dagster knows already.
        uri: Where the file lies.

    Returns:
        Whether anything was reported.
    """
    now = rollback.now
    former = _reported_by_run(instance, rollback.source)
    tags = dict((former.tags if former else None) or {})
    tags.setdefault(DATA_VERSION_TAG, now.data_version)
    if not rollback.is_new and _latest_data_version(instance, now) == tags[DATA_VERSION_TAG]:
        return False
    facts = {} if now.row_count is None else {"row_count": now.row_count}
    metadata = {
        **(former.metadata if former else {}),
        **materialization_metadata(now, uri, facts, is_duplicate=True),
        "artifact/rolled_back_to": dg.MetadataValue.int(now.version),
    }
    instance.report_runless_asset_event(
        dg.AssetMaterialization(key_of(now), metadata=metadata, partition=now.partition, tags=tags)
    )
    return True


def report_rejection(
    instance: dg.DagsterInstance,
    candidate: Materialization,
    reason: str,
    current: Materialization,
    evaluations: Sequence[dg.AssetCheckEvaluation | None],
) -> None:
    """Tell Dagster that a candidate was rejected and what stays current: nothing downstream is stale for it.

    What its checks found of what stays is told again: else whatever waits for the checks of the newest materialization
    would wait for the next good one, though there is a good one. A check that did not pass it is not said to have.

    Args:
        instance: Dagster's.
        candidate: What was rejected. Where Dagster has heard of something newer, nothing is told.
        reason: Why.
        current: What stays.
        evaluations: What the checks found of what stays, each None where nothing is known.
    """
    latest = _latest(instance, candidate)
    if latest is None or latest.run_id != candidate.run_id or not is_report_of(latest, candidate):
        return
    former = _reported_by_run(instance, current)
    tags = dict((former.tags if former else None) or {})
    tags.setdefault(DATA_VERSION_TAG, current.data_version)
    said = f"Version {candidate.version} is rejected: {reason}. Version {current.version} stays current."
    metadata = {
        "artifact/publication": dg.MetadataValue.text(said),
        **(former.metadata if former else {}),
        "artifact/version": dg.MetadataValue.int(current.version),
        "artifact/bytes_added": dg.MetadataValue.int(0),  # they are plotted
    }
    metadata["artifact/publication"] = dg.MetadataValue.text(said)  # what was said of the former one holds no more
    instance.report_runless_asset_event(
        dg.AssetMaterialization(key_of(current), said, metadata, current.partition, tags)
    )
    told = _latest(instance, current)
    assert told is not None  # it has just been reported
    target = AssetCheckEvaluationTargetMaterializationData(
        storage_id=told.storage_id, run_id=told.run_id, timestamp=told.timestamp
    )
    for found in evaluations:
        if found is not None and found.passed:
            again = f"{said} This is what the check found of version {current.version} before; it did not run again."
            instance.report_runless_asset_event(replace(found, description=again, target_materialization_data=target))


def report_publication(instance: dg.DagsterInstance, made: Materialization, uri: str) -> bool:
    """Tell Dagster that a version was published by command.

    No check has passed by that, and none is said to have.

    Args:
        instance: Dagster's.
        made: What was published. Told again, nothing is told.
        uri: Where the file lies.

    Returns:
        Whether anything was reported.
    """
    if made.publication_reason is None:  # its checks have published it
        return False
    said = f"Version {made.version} is {made.publication_reason}."
    latest = _latest(instance, made)
    event = latest.asset_materialization if latest else None
    if latest is not None and event is not None and event.description == said and is_report_of(latest, made):
        return False
    former = _reported_by_run(instance, made)
    tags = dict((former.tags if former else None) or {})
    tags.setdefault(DATA_VERSION_TAG, made.data_version)
    metadata = {
        **(former.metadata if former else {}),
        **materialization_metadata(made, uri, {}, is_duplicate=not made.bytes_added),
        "artifact/bytes_added": dg.MetadataValue.int(0),  # they were told when it was made
        "artifact/publication": dg.MetadataValue.text(said),
    }
    instance.report_runless_asset_event(dg.AssetMaterialization(key_of(made), said, metadata, made.partition, tags))
    return True


def is_report_of(event: dg.EventLogRecord, made: Materialization) -> bool:
    """Tell whether Dagster was told of a materialization's file in an event of its asset and partition."""
    metadata = event.asset_materialization.metadata if event.asset_materialization else {}
    file_id = metadata.get("artifact/file_id")
    return file_id is not None and file_id.value == made.file.file_id


def _reported_by_run(instance: dg.DagsterInstance, made: Materialization) -> dg.AssetMaterialization | None:
    """Return what the run that made a materialization reported of it, if Dagster still has that run."""
    if made.run_id is None or instance.get_run_by_id(made.run_id) is None:
        return None
    records = instance.get_records_for_run(made.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    for record in reversed(records):
        event = record.event_log_entry.asset_materialization
        if event is not None and event.asset_key == key_of(made) and event.partition == made.partition:
            return event
    return None


def _latest_data_version(instance: dg.DagsterInstance, made: Materialization) -> str | None:
    latest = _latest(instance, made)
    event = latest.asset_materialization if latest else None
    return ((event.tags if event else None) or {}).get(DATA_VERSION_TAG)


def _latest(instance: dg.DagsterInstance, made: Materialization) -> dg.EventLogRecord | None:
    partitions = None if made.partition is None else [made.partition]
    which = dg.AssetRecordsFilter(asset_key=key_of(made), asset_partitions=partitions)
    return next(iter(instance.fetch_materializations(which, limit=1).records), None)


def key_of(made: Materialization) -> dg.AssetKey:
    """Return the key of the asset that a materialization is of."""
    return dg.AssetKey.from_user_string(made.asset)
