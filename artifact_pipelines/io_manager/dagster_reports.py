"""What Dagster is told of changes that no run of it made."""

import pathlib
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from artifact_pipelines.core.exceptions import DagsterNotToldError
from artifact_pipelines.core.types import Materialization, Rollback
from artifact_pipelines.io_manager.metadata import materialization_metadata

_DATA_VERSION = "dagster/data_version"


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
    tags.setdefault(_DATA_VERSION, now.data_version)
    if not rollback.is_new and _latest_data_version(instance, now) == tags[_DATA_VERSION]:
        return False
    facts = {} if now.row_count is None else {"row_count": now.row_count}
    metadata = {
        **(former.metadata if former else {}),
        **materialization_metadata(now, uri, facts, partitioned=now.partition is not None),
        "artifact/rolled_back_to": dg.MetadataValue.int(now.version),
    }
    instance.report_runless_asset_event(
        dg.AssetMaterialization(_key_of(now), metadata=metadata, partition=now.partition, tags=tags)
    )
    return True


def _reported_by_run(instance: dg.DagsterInstance, made: Materialization) -> dg.AssetMaterialization | None:
    """Return what the run that made a materialization reported of it, if Dagster still has that run."""
    if made.run_id is None or instance.get_run_by_id(made.run_id) is None:
        return None
    records = instance.get_records_for_run(made.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    for record in reversed(records):
        event = record.event_log_entry.asset_materialization
        if event is not None and event.asset_key == _key_of(made) and event.partition == made.partition:
            return event
    return None


def _latest_data_version(instance: dg.DagsterInstance, made: Materialization) -> str | None:
    partitions = None if made.partition is None else [made.partition]
    which = dg.AssetRecordsFilter(asset_key=_key_of(made), asset_partitions=partitions)
    for record in instance.fetch_materializations(which, limit=1).records:
        event = record.asset_materialization
        return ((event.tags if event else None) or {}).get(_DATA_VERSION)
    return None


def _key_of(made: Materialization) -> dg.AssetKey:
    return dg.AssetKey.from_user_string(made.asset)
