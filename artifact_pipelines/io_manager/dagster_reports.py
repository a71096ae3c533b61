"""What Dagster is told of changes that no run of it made."""

import pathlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg

from artifact_pipelines.core.types import Materialization, Rollback
from artifact_pipelines.io_manager.dagster_internals import AssetCheckEvaluationTargetMaterializationData, replace
from artifact_pipelines.io_manager.exceptions import DagsterNotToldError
from artifact_pipelines.io_manager.metadata import materialization_metadata

DATA_VERSION_TAG = "dagster/data_version"
_PAGE = 200


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
    now, source = rollback.now, rollback.source
    its_own = _tags_of(_reported_by_run(instance, source), now)[DATA_VERSION_TAG]
    if not rollback.is_new and _latest_data_version(instance, now) == its_own:
        return False
    facts = {} if now.row_count is None else {"row_count": now.row_count}
    metadata = {
        **materialization_metadata(now, uri, facts, is_duplicate=True),
        "artifact/rolled_back_to": dg.MetadataValue.int(now.version),
    }
    _tell(instance, now, source, None, metadata)
    return True


def report_rejection(
    instance: dg.DagsterInstance,
    candidate: Materialization,
    reason: str,
    current: Materialization,
    evaluations: Sequence[dg.AssetCheckEvaluation | None],
) -> None:
    """Tell Dagster that a candidate was rejected and what stays current: nothing downstream is stale for it.

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
    said = f"Version {candidate.version} is rejected: {reason}. Version {current.version} stays current."
    report_current(instance, current, said, evaluations)


def report_pass(
    instance: dg.DagsterInstance, candidate: Materialization, evaluations: Sequence[dg.AssetCheckEvaluation | None]
) -> bool:
    """Tell Dagster that a candidate has passed its checks, where it has heard of something else since.

    Returns:
        Whether anything was reported.
    """
    latest = _latest(instance, candidate)
    if latest is None or is_report_of(latest, candidate):
        return False
    report_current(instance, candidate, f"Version {candidate.version} has passed its checks.", evaluations)
    return True


def report_current(
    instance: dg.DagsterInstance,
    current: Materialization,
    said: str,
    evaluations: Sequence[dg.AssetCheckEvaluation | None] = (),
) -> None:
    """Tell Dagster again of what is current.

    What its checks found of it is told again: else whatever waits for the checks of the newest materialization would
    wait for the next good one, though there is a good one. A check that did not pass it is not said to have.

    Args:
        instance: Dagster's.
        current: What is current, by the run that made it.
        said: Why it is told again.
        evaluations: What the checks found of it, each None where nothing is known.
    """
    metadata = {
        "artifact/file_id": dg.MetadataValue.int(current.file.file_id),
        "artifact/file_type": dg.MetadataValue.text(current.file.file_type),
        "artifact/version": dg.MetadataValue.int(current.version),
    }
    _tell(instance, current, current, said, metadata)
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
    _tell(instance, made, made, said, materialization_metadata(made, uri, {}, is_duplicate=not made.bytes_added))
    return True


def _tell(
    instance: dg.DagsterInstance,
    now: Materialization,
    source: Materialization,
    said: str | None,
    metadata: Mapping[str, dg.MetadataValue[Any]],
) -> None:
    """Tell Dagster what is current, as the run has told it that made it: its data version and what it was made from.

    Args:
        instance: Dagster's.
        now: What is current.
        source: What a run has made, of the same version.
        said: What the UI says of it, instead of what was said of its publication.
        metadata: What it is told besides what the run has told.
    """
    former = _reported_by_run(instance, source)
    told = {**(former.metadata if former else {}), **metadata}
    told["artifact/bytes_added"] = dg.MetadataValue.int(0)  # they are plotted, and were told when it was made
    told.pop("artifact/publication", None)  # what was said of it then holds no more
    if said is not None:
        told["artifact/publication"] = dg.MetadataValue.text(said)
    tags = _tags_of(former, now)
    instance.report_runless_asset_event(dg.AssetMaterialization(key_of(now), said, told, now.partition, tags))


def is_report_of(event: dg.EventLogRecord, made: Materialization) -> bool:
    """Tell whether Dagster was told of a materialization's content in an event of its asset and partition."""
    metadata = event.asset_materialization.metadata if event.asset_materialization else {}
    told = [metadata[key].value for key in ("artifact/file_id", "artifact/file_type") if key in metadata]
    return told == [made.file.file_id, made.file.file_type]


def newest_first(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[str | None]
) -> Iterator[dg.EventLogRecord]:
    """Yield the materializations that Dagster knows of an asset: a few, then those behind them, page by page.

    Args:
        instance: Dagster's.
        key: Key of the asset.
        partitions: Its partitions; `[None]`: it has none. What is taken out of them is not asked for any more.
    """
    before, limit = None, len(partitions)
    while partitions:
        which = dg.AssetRecordsFilter(key, partitions_asked_for(partitions), before_storage_id=before)
        records = instance.fetch_materializations(which, limit=limit).records
        yield from records
        if len(records) < limit:
            return
        before, limit = records[-1].storage_id, _PAGE


def partitions_asked_for(partitions: Collection[str | None]) -> list[str] | None:
    """Return partitions as Dagster's event log is asked for them."""
    return None if None in partitions else [key for key in partitions if key is not None]


def _reported_by_run(instance: dg.DagsterInstance, made: Materialization) -> dg.AssetMaterialization | None:
    """Return what the run that made a materialization reported of it, if Dagster still has that run.

    Its asset and partition are asked, not the run: that may have reported thousands of partitions.
    """
    if made.run_id is None or instance.get_run_by_id(made.run_id) is None:
        return None
    for record in newest_first(instance, key_of(made), [made.partition]):
        event = record.asset_materialization
        if record.run_id == made.run_id and event is not None and event.partition == made.partition:
            return event
    return None


def _tags_of(event: dg.AssetMaterialization | None, made: Materialization) -> dict[str, str]:
    """Return the tags of what was reported of a materialization; where nothing was, the data version that it has."""
    return {DATA_VERSION_TAG: made.data_version, **((event.tags if event else None) or {})}


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
