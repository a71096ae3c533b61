"""What Dagster gets of a declared dataset: its assets, checks, sensors, jobs and schedule.

This module only puts together what the slices build, for one dataset.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from artifact_pipelines.analysis.assets import build_analysis_asset
from artifact_pipelines.automation import on_all_results, on_changed_content
from artifact_pipelines.checks.assets import build_checks, build_failing_rows
from artifact_pipelines.core.retention import RETENTION_METADATA_KEY
from artifact_pipelines.dataset_declaration import DatasetDeclaration
from artifact_pipelines.datasets.dataset_table import DatasetTable
from artifact_pipelines.datasets.interfaces import ILandingZone
from artifact_pipelines.datasets.landing.dropped_folders import LandingFolders, folder_source
from artifact_pipelines.datasets.landing.rules import LandingRules
from artifact_pipelines.datasets.partition_assets import PartitionsByColumn, build_column_partitions
from artifact_pipelines.datasets.partition_keys import ColumnPartitions, PartitionKeys, glob_of
from artifact_pipelines.datasets.quarantine_assets import build_quarantine
from artifact_pipelines.datasets.raw_assets import build_raw_asset
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.retry_sensor import RepeatedAssets, RetrySensor
from artifact_pipelines.datasets.sensors import LandingSensor, WatchedDataset
from artifact_pipelines.datasets.table_assets import build_table_asset
from artifact_pipelines.datasets.timing import build_schedule, with_freshness
from artifact_pipelines.io_manager.asked_outputs import AFTER_CHECKS, PUBLISH_METADATA_KEY
from artifact_pipelines.report.assets import build_report_asset
from artifact_pipelines.sampling.assets import build_sample_asset

RETRY_DELAY_S = 5


@dataclasses.dataclass(frozen=True)
class _Landing:
    """How the dataset's files are found. Attributes: see `WatchedDataset`."""

    source: str
    rules: LandingRules
    keys: PartitionKeys | None
    seen_as: Callable[[ILandingZone], ILandingZone]


class DatasetDefinitions:
    """Builds the definitions of one dataset."""

    def __init__(self, declared: DatasetDeclaration) -> None:
        """`declared` has been checked, and its templates are filled in."""
        self._declared = declared
        self._name = declared.name
        self._table_key = dg.AssetKey([declared.name, "table"])
        self._landing = _landing(declared)
        self._meanings = {name: each.description for name, each in declared.columns.items() if each.description}
        partitions = declared.partitions
        self._column = partitions.column if isinstance(partitions, ColumnPartitions) else None
        self._shared: Mapping[str, Any] = {
            "group_name": declared.name,
            "owners": list(declared.owners),
            "tags": dict(declared.tags),
            "io_manager_key": "artifact_io_manager",
            "pool": declared.pool,
            # For faults that pass.
            "retry_policy": dg.RetryPolicy(max_retries=2, delay=RETRY_DELAY_S, backoff=dg.Backoff.EXPONENTIAL),
            "partitions_def": _partitions_def(declared),
        }
        self._automated = {**self._shared, "automation_condition": on_changed_content()}

    def all(self) -> dg.Definitions:
        """Return the definitions. Call it once: Dagster takes an asset as another one if it is built again."""
        raw, table = self._build_raw(), self._build_table()
        by, lists = self._build_column_partitions() if self._column else (None, [])
        ingested = [raw, table, *lists]
        assets = [*ingested, *self._build_readers(by)]
        checks = [self._build_checks()] if self._declared.checks else []
        # What depends on a column's partitions has other partitions than a run that ingests a file.
        of_job = ingested if by else assets
        job = dg.define_asset_job(
            f"{self._name}_pipeline",
            selection=dg.AssetSelection.assets(*of_job),
            description=f"Materializes all assets of dataset {self._name} from its newest file outside the quarantine.",
        )
        ingesting = [each.node_def.name for each in (*ingested, *checks)]
        quarantine, is_empty, replay = build_quarantine(self._name, self._declared.owners, self._declared.tags)
        return dg.Definitions(
            assets=[
                *(asset.map_asset_specs(self._with_retention) for asset in assets),
                *([self._with_retention(by)] if by else []),
                quarantine,
                *build_failing_rows(self._name, self._declared.checks, self._of_specs),
            ],
            asset_checks=[is_empty, *checks],
            sensors=[
                LandingSensor([self._watched(job, of_job, ingesting)], f"{self._name}_landing"),
                RetrySensor([RepeatedAssets(assets, ingesting)], f"{self._name}_retries"),
            ],
            jobs=[job, replay],
            schedules=self._build_schedules(job),
        )

    @functools.cached_property
    def _read(self) -> DatasetTable:
        """How the table is read from its files."""
        declared = self._declared
        contract = Contract.declared(
            declared.columns,
            declared.key,
            declared.on_schema_change,
            declared.on_bad_rows,
            declared.max_bad_rows,
            declared.allow_empty,
            declared.limits,
            self._column,
        )
        return DatasetTable(self._name, declared.format, contract, declared.files == "all", declared.file_column)

    @property
    def _of_specs(self) -> Mapping[str, Any]:
        """The attributes of assets that no step of their own makes."""
        return {name: self._shared[name] for name in ("group_name", "owners", "tags", "partitions_def")}

    @property
    def _retention(self) -> Mapping[str, Any]:
        return self._declared.retention.model_dump(exclude_none=True)

    def _build_raw(self) -> dg.AssetsDefinition:
        landing = self._landing
        return build_raw_asset(
            self._name, landing.source, self._shared, landing.rules, landing.keys, landing.seen_as, self._read
        )

    def _build_table(self) -> dg.AssetsDefinition:
        table = build_table_asset(self._read, self._declared.description, self._automated, self._meanings)
        if any(each.blocking for each in self._declared.checks.values()):
            table = table.map_asset_specs(self._published_after_checks)
        return with_freshness(table, self._declared.fresh_within) if self._declared.fresh_within else table

    def _build_column_partitions(self) -> tuple[dg.AssetSpec, list[dg.AssetsDefinition]]:
        """Return the asset with a partition for each value of a column, and the one whose step writes it."""
        partitions = PartitionsByColumn(
            self._name, str(self._column), self._declared.key, self._declared.files == "all", self._meanings
        )
        by, lists = build_column_partitions(partitions, self._declared.description, self._automated)
        return by, [lists]

    def _build_readers(self, by: dg.AssetSpec | None) -> list[dg.AssetsDefinition]:
        """Return samples, analyses and the report. They read the asset `by` instead of the table, if there is one."""
        declared = self._declared
        attributes = {**self._automated, "partitions_def": by.partitions_def} if by else self._automated
        samples = [
            build_sample_asset(self._name, name, each, declared.key, attributes, self._meanings)
            for name, each in declared.samples.items()
        ]
        analyses = [
            build_analysis_asset(self._name, name, each, attributes) for name, each in declared.analyses.items()
        ]
        readers = [*samples, *analyses]
        if declared.report:
            of_report = {**attributes, "automation_condition": on_all_results(by.key if by else self._table_key)}
            results = [each.key for each in readers]
            readers.append(build_report_asset(self._name, declared.description, results, of_report))
        if by is None:
            return readers
        return [asset.with_attributes(asset_key_replacements={self._table_key: by.key}) for asset in readers]

    def _build_checks(self) -> dg.AssetChecksDefinition:
        shared = self._shared
        checks = self._declared.checks
        retention = self._retention
        return build_checks(
            self._name, checks, shared["partitions_def"], shared["retry_policy"], retention, self._meanings
        )

    def _build_schedules(self, job: Any) -> list[dg.ScheduleDefinition]:
        cron = self._declared.schedule
        return [build_schedule(self._name, job, cron, self._declared.schedule_timezone)] if cron else []

    def _watched(self, job: Any, assets: Sequence[dg.AssetsDefinition], ingesting: Sequence[str]) -> WatchedDataset:
        landing = self._landing
        return WatchedDataset(
            self._name,
            landing.source,
            job,
            assets,
            ingesting,
            landing.rules,
            self._declared.files == "all",
            landing.keys,
            landing.seen_as,
        )

    def _published_after_checks(self, spec: dg.AssetSpec) -> dg.AssetSpec:
        is_table = spec.key == self._table_key
        return spec.merge_attributes(metadata={PUBLISH_METADATA_KEY: AFTER_CHECKS}) if is_table else spec

    def _with_retention(self, spec: dg.AssetSpec) -> dg.AssetSpec:
        retention = self._retention
        return spec.merge_attributes(metadata={RETENTION_METADATA_KEY: retention}) if retention else spec


def _landing(declared: DatasetDeclaration) -> _Landing:
    source, rules, keys, partitions = glob_of(declared.source), declared.landing, None, declared.partitions
    in_folders = declared.files == "folder"
    if partitions and not isinstance(partitions, ColumnPartitions):
        named = folder_source(declared.source) if in_folders else declared.source
        keys = PartitionKeys(partitions, named, declared.partition_start)
    if not in_folders:
        return _Landing(source, rules, keys, lambda zone: zone)
    # A marker stands for its folder, so no file waits for one of its own.
    seen_as = functools.partial(LandingFolders, source=source, rules=rules)
    return _Landing(source, rules.model_copy(update={"marker": None}), keys, seen_as)


def _partitions_def(declared: DatasetDeclaration) -> dg.PartitionsDefinition[Any] | None:
    """Return the partitions of the raw file and the table; those of a column are the assets' that read the table."""
    partitions = declared.partitions
    if partitions is None or isinstance(partitions, ColumnPartitions):
        return None
    # With the present day and month: their files come before they have ended.
    if partitions == "daily":
        return dg.DailyPartitionsDefinition(declared.partition_start.isoformat(), end_offset=1)
    if partitions == "monthly":
        start = declared.partition_start.replace(day=1).strftime("%Y-%m")
        return dg.MonthlyPartitionsDefinition(start, end_offset=1, fmt="%Y-%m")
    if partitions == "by_file":
        return dg.DynamicPartitionsDefinition(name=declared.name)
    return dg.StaticPartitionsDefinition(list(partitions.static))
