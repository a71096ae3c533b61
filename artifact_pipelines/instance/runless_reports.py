"""Reports changes of the current version to Dagster that no run of its own made: rollbacks, publications, rejections.

One idea: Dagster takes its newest event of an asset for the current version. Where another version is current, an event
that belongs to no run repeats the report of the run that made it.
"""

import pathlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.current import PUBLISH_AFTER
from artifact_pipelines.core.types import Materialization, Rollback
from artifact_pipelines.instance.check_findings import CheckFindings
from artifact_pipelines.instance.dagster_internals import (
    AssetCheckEvaluationTargetMaterializationData,
    PartitionKeyFilter,
    replace,
)
from artifact_pipelines.instance.event_log import (
    DATA_VERSION_TAG,
    data_version_of,
    find_event_of_run,
    find_latest,
    is_report_of,
    key_of,
)
from artifact_pipelines.instance.exceptions import DagsterNotToldError
from artifact_pipelines.instance.metadata import identity_metadata, materialization_metadata, numeral
from artifact_pipelines.instance.page import Metadata, in_page_order
from artifact_pipelines.instance.repeated_checks import findings_of_current


@contextmanager
def open_instance(home: pathlib.Path) -> Iterator[dg.DagsterInstance]:
    """Open the instance of a Dagster home for the time of a block.

    Raises:
        DagsterNotToldError: The home does not exist, or Dagster raised an error in the block.
    """
    if not home.is_dir():
        raise DagsterNotToldError(str(home), "there is no such folder")
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance
    except dg.DagsterError as error:
        raise DagsterNotToldError(str(home), str(error)) from error


def report_rollback(instance: dg.DagsterInstance, catalog: Catalog, rollback: Rollback, uri: str) -> bool:
    """Report which version is current again, with its data version, the versions of its inputs, and its checks.

    So the asset shows as stale where its code or an upstream asset has changed since, and what was made from it
    follows. A rollback that Dagster knows already is not reported again.

    Returns:
        True if anything was reported.
    """
    now, source = rollback.now, rollback.source
    its_own = _tags_of(find_event_of_run(instance, source), now)[DATA_VERSION_TAG]
    if not rollback.is_new and data_version_of(find_latest(instance, now)) == its_own:
        return False
    facts = {} if now.row_count is None else {"row_count": now.row_count}
    metadata = {
        **materialization_metadata(now, uri, facts, is_duplicate=True),
        "artifact/rolled_back_to": numeral(now.version),
    }
    _repeat_report(instance, now, source, None, metadata)
    _repeat_checks(instance, source, _findings_of_chosen(instance, catalog, source))
    return True


def report_rejection(
    instance: dg.DagsterInstance,
    candidate: Materialization,
    reason: str,
    current: Materialization,
    evaluations: Sequence[dg.AssetCheckEvaluation],
) -> None:
    """Report a rejected candidate and the version that stays current, so that nothing downstream becomes stale.

    Reports nothing where Dagster has a newer event than the candidate's. The evaluations are those of `current`.
    """
    latest = find_latest(instance, candidate)
    if latest is None or latest.run_id != candidate.run_id or not is_report_of(latest, candidate):
        return
    message = f"Version {candidate.version} is rejected: {reason}. Version {current.version} stays current."
    report_current(instance, current, message, evaluations)


def report_pass(
    instance: dg.DagsterInstance, candidate: Materialization, evaluations: Sequence[dg.AssetCheckEvaluation]
) -> bool:
    """Report that a candidate has passed its checks, if Dagster has a newer event of other content; return whether.

    Otherwise report again the checks whose newest findings Dagster takes for those of an older event.
    """
    latest = find_latest(instance, candidate)
    if latest is None:
        return False
    if is_report_of(latest, candidate):
        _repeat_checks(instance, candidate, [each for each in evaluations if _is_hidden(instance, latest, each)])
        return False
    report_current(instance, candidate, f"Version {candidate.version} has passed its checks.", evaluations)
    return True


def _is_hidden(instance: dg.DagsterInstance, latest: dg.EventLogRecord, found: dg.AssetCheckEvaluation) -> bool:
    """True if Dagster's newest finding of a check is about another event than the newest one.

    Findings stand in the order in which runs planned them. So one that was reported again during a run hides that of
    the run.
    """
    which = PartitionKeyFilter(key=found.partition)
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key([found.asset_check_key], which)
    evaluation = newest[found.asset_check_key].evaluation
    target = evaluation.target_materialization_data if evaluation else None
    return target is not None and target.storage_id != latest.storage_id


def report_current(
    instance: dg.DagsterInstance,
    current: Materialization,
    message: str,
    evaluations: Sequence[dg.AssetCheckEvaluation] = (),
) -> None:
    """Report the current version again, with what its checks found.

    Without these, whatever waits for the checks of the newest materialization would wait for the next good version,
    although there is one.

    Args:
        instance: Where to report.
        current: The current version, as its run made it.
        message: Why it is reported again.
        evaluations: What checks found of it; see `repeated_checks`.
    """
    metadata = {
        **identity_metadata(current),
        "artifact/version": numeral(current.version),
    }
    _repeat_report(instance, current, current, message, metadata)
    _repeat_checks(instance, current, evaluations)


def report_publication(instance: dg.DagsterInstance, catalog: Catalog, made: Materialization, uri: str) -> bool:
    """Report, once, that a version was published by command, with what its checks found.

    Returns:
        True if anything was reported.
    """
    if made.publication_reason is None:  # its checks have published it
        return False
    message = f"Version {made.version} is {made.publication_reason}."
    latest = find_latest(instance, made)
    event = latest.asset_materialization if latest else None
    if latest is not None and event is not None and event.description == message and is_report_of(latest, made):
        return False
    metadata = materialization_metadata(made, uri, {}, is_duplicate=not made.bytes_added)
    _repeat_report(instance, made, made, message, metadata)
    _repeat_checks(instance, made, _findings_of_chosen(instance, catalog, made))
    return True


def _findings_of_chosen(
    instance: dg.DagsterInstance, catalog: Catalog, chosen: Materialization
) -> Sequence[dg.AssetCheckEvaluation]:
    """Return the findings to repeat of a version that a person has made current."""
    newest = next(
        (made for made in catalog.materializations.history(chosen.asset, chosen.partition) if made.run_id), chosen
    )
    return findings_of_current(CheckFindings(instance, catalog), chosen, newest.metadata.get(PUBLISH_AFTER, ()))


def _repeat_checks(
    instance: dg.DagsterInstance, made: Materialization, evaluations: Sequence[dg.AssetCheckEvaluation]
) -> None:
    """Report evaluations as those of the newest event of an asset and partition."""
    reported = find_latest(instance, made)
    assert reported is not None  # a moment ago
    target = AssetCheckEvaluationTargetMaterializationData(
        storage_id=reported.storage_id, run_id=reported.run_id, timestamp=reported.timestamp
    )
    for found in evaluations:
        instance.report_runless_asset_event(replace(found, target_materialization_data=target))


def _repeat_report(
    instance: dg.DagsterInstance,
    now: Materialization,
    source: Materialization,
    message: str | None,
    metadata: Metadata,
) -> None:
    """Report the current version as the run of `source` reported it: data version, versions of inputs, metadata.

    The message replaces the earlier one about the publication.
    """
    former = find_event_of_run(instance, source)
    reported = {**(former.metadata if former else {}), **metadata}
    reported["artifact/bytes_added"] = dg.MetadataValue.int(0)  # plotted, and reported when it was made
    reported.pop("artifact/publication", None)  # no longer true
    if message is not None:
        reported["artifact/publication"] = dg.MetadataValue.text(message)
    tags, shown = _tags_of(former, now), in_page_order(reported)
    instance.report_runless_asset_event(dg.AssetMaterialization(key_of(now), message, shown, now.partition, tags))


def _tags_of(event: dg.AssetMaterialization | None, made: Materialization) -> dict[str, str]:
    """Return the tags that were reported of a materialization; without a report, its data version."""
    return {DATA_VERSION_TAG: made.data_version, **((event.tags if event else None) or {})}
