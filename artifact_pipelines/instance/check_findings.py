"""Finds the evaluations of asset checks that are about a materialization.

One idea: however many candidates look for their evaluations, each page of a check's evaluations is queried once, and
once all materializations that they are about.
"""

import functools
import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.current import CHECKED_IN, PUBLISH_AFTER
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.instance.dagster_internals import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
    PartitionKeyFilter,
)
from artifact_pipelines.instance.event_log import is_report_of, key_of

PAGE_EVALUATIONS = 50
MOST_EVALUATIONS = 1000
"""Evaluations of one check to search; older ones are not found, because each tick would read them all."""

_EVALUATED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
_RECENT_VERSIONS = 1000


_Evaluated = tuple[AssetCheckExecutionRecord, dg.EventLogRecord | None]
"""An evaluation in the event log, and the materialization that it was about, according to Dagster."""


class CheckFindings:
    """The findings of checks until now. Pages once read are not read again, so later findings need a new object.

    The candidates are those to decide on, as they were before the first decision.
    """

    def __init__(
        self, instance: dg.DagsterInstance, catalog: Catalog, candidates: Sequence[Materialization] = ()
    ) -> None:
        self._instance = instance
        self._catalog = catalog
        self._candidates = candidates
        self._pages: dict[tuple[dg.AssetCheckKey, str | None], list[Sequence[_Evaluated]]] = {}
        self._checked_in = functools.cache(self._fetch_checked_in)
        self._evaluated_in = functools.cache(self._fetch_evaluated_in)

    def of(self, made: Materialization, check: str) -> dg.AssetCheckEvaluation | None:
        """Return the newest evaluation of a check that is about a materialization, if there is one."""
        key = dg.AssetCheckKey(key_of(made), check)
        partitions = dict.fromkeys([made.partition, None])  # a check of a partitioned asset need have none
        newest_first = [self._newest_first(key, partition) for partition in partitions]
        found = heapq.merge(*newest_first, key=lambda one: one[0].id, reverse=True)
        return next(
            (record.evaluation for record, target in found if self._is_about(record.run_id, target, made)), None
        )

    def known(self, made: Materialization, also: Iterable[str] = ()) -> Mapping[str, dg.AssetCheckEvaluation]:
        """Return the newest evaluations that are about a materialization, by check: blocking ones first.

        Args:
            also: Names of checks to look for, besides those that it waited for and those that its run evaluated.
        """
        of_run = self._evaluated_in(made.run_id).get(made.asset, ()) if made.run_id else ()
        names = dict.fromkeys([*made.metadata.get(PUBLISH_AFTER, ()), *also, *of_run])
        found = {name: self.of(made, name) for name in names}
        return {name: evaluation for name, evaluation in found.items() if evaluation is not None}

    def _is_about(self, run_id: str, target: dg.EventLogRecord | None, made: Materialization) -> bool:
        """True if a check of a run has looked at a materialization.

        A check in the materialization's own run has, unless Dagster reports that it was about another attempt. A check
        in another run has if it loaded the candidate; if it loaded nothing that is known, it was about the
        newest event.
        """
        is_of_run = target is not None and target.run_id == made.run_id and target.partition_key == made.partition
        is_target = target is not None and is_of_run and is_report_of(target, made)
        if run_id == made.run_id:
            return is_target or not is_of_run
        loaded = self._checked_in(made.asset).get(run_id, ())
        if made.materialization_id in loaded or run_id in made.metadata.get(CHECKED_IN, ()):
            return True
        return is_target and not loaded

    def _newest_first(self, key: dg.AssetCheckKey, partition: str | None) -> Iterator[_Evaluated]:
        pages = self._pages.setdefault((key, partition), [])
        for number in range(MOST_EVALUATIONS // PAGE_EVALUATIONS):
            if number == len(pages):
                pages.append(self._fetch_page(key, partition, pages[-1][-1][0].id if pages else None))
            yield from pages[number]
            if len(pages[number]) < PAGE_EVALUATIONS:
                return

    def _fetch_page(self, key: dg.AssetCheckKey, partition: str | None, before: int | None) -> Sequence[_Evaluated]:
        records = self._instance.event_log_storage.get_asset_check_execution_history(
            key, PAGE_EVALUATIONS, before, _EVALUATED, PartitionKeyFilter(key=partition)
        )
        targets = {
            record.id: record.evaluation.target_materialization_data.storage_id
            for record in records
            if record.evaluation and record.evaluation.target_materialization_data
        }
        wanted = sorted(set(targets.values()))
        which = dg.AssetRecordsFilter(asset_key=key.asset_key, storage_ids=wanted)
        events = self._instance.fetch_materializations(which, limit=len(wanted)).records if wanted else ()
        by_id = {event.storage_id: event for event in events}
        return [(record, by_id.get(targets.get(record.id, 0))) for record in records]

    def _fetch_evaluated_in(self, run_id: str) -> Mapping[str, Collection[str]]:
        """Return the names of the checks that a run evaluated, by asset."""
        kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
        names: dict[str, dict[str, None]] = {}
        for record in self._instance.get_records_for_run(run_id, of_type=kind).records:
            evaluation = record.event_log_entry.get_dagster_event().asset_check_evaluation_data
            names.setdefault(evaluation.asset_key.to_user_string(), {})[evaluation.check_name] = None
        return names

    def _fetch_checked_in(self, asset: str) -> Mapping[str, Collection[int]]:
        """Return by run which candidates of an asset its checks have loaded, also those that no longer wait."""
        loaded: dict[str, set[int]] = {}
        for made in [*self._candidates, *self._catalog.materializations.history(asset, limit=_RECENT_VERSIONS)]:
            for run_id in made.metadata.get(CHECKED_IN, ()) if made.asset == asset else ():
                loaded.setdefault(run_id, set()).add(made.materialization_id)
        return loaded
