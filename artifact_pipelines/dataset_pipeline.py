"""The component behind a dataset's YAML file, also usable as a Python class.

One idea: a dataset is declared, not programmed. This module only combines the slices for one dataset.
"""

import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import dagster as dg
import pydantic
from pydantic_core import InitErrorDetails

from artifact_pipelines.analysis.assets import build_analysis_asset
from artifact_pipelines.analysis.interfaces import DeclaredDataset, IAnalysisKind
from artifact_pipelines.analysis.registry import AnalysisKind
from artifact_pipelines.broken_dataset import BrokenDatasetError, DatasetYaml, check_others, explained, left_out
from artifact_pipelines.checks.assets import build_checks, build_failing_rows
from artifact_pipelines.checks.declared import check_declared
from artifact_pipelines.checks.interfaces import ICheckKind
from artifact_pipelines.checks.registry import CheckKind
from artifact_pipelines.core.durations import parse_duration_s
from artifact_pipelines.core.exceptions import InvalidArgumentError, UsageError
from artifact_pipelines.core.retention import RETENTION_METADATA_KEY
from artifact_pipelines.datasets.assets import NO_BAD_ROWS, build_raw_asset, build_table_asset
from artifact_pipelines.datasets.dataset_table import DatasetTable
from artifact_pipelines.datasets.entry_names import check_source
from artifact_pipelines.datasets.interfaces import ILandingZone
from artifact_pipelines.datasets.landing_folders import LandingFolders, folder_source
from artifact_pipelines.datasets.landing_rules import DEFAULT_RULES, LandingRules
from artifact_pipelines.datasets.partition_assets import build_column_partitions
from artifact_pipelines.datasets.partition_keys import (
    FIRST_DAY,
    ColumnPartitions,
    NamePartitions,
    PartitionKeys,
    Partitions,
    check_partitions,
    glob_of,
)
from artifact_pipelines.datasets.quarantine_assets import build_quarantine
from artifact_pipelines.datasets.reading.column_declaration import ColumnDeclaration
from artifact_pipelines.datasets.reading.contract import MOST_BAD_ROWS, Contract, OnBadRows, OnSchemaChange
from artifact_pipelines.datasets.reading.limits import DEFAULT_LIMITS, Limits
from artifact_pipelines.datasets.reading.row_checks import check_rules
from artifact_pipelines.datasets.registry import ByExtension, FileFormat
from artifact_pipelines.datasets.retry_sensor import RepeatedAssets, RetrySensor
from artifact_pipelines.datasets.sensors import LandingSensor, WatchedDataset
from artifact_pipelines.datasets.timing import (
    build_schedule,
    check_cron,
    check_fresh_within,
    check_timezone,
    with_freshness,
)
from artifact_pipelines.declarations import Declaration, checked_by
from artifact_pipelines.io_manager.asked_outputs import AFTER_CHECKS, PUBLISH_METADATA_KEY
from artifact_pipelines.new_project.scaffolder import DatasetScaffolder
from artifact_pipelines.report.assets import build_report_asset
from artifact_pipelines.sampling.assets import build_sample_asset
from artifact_pipelines.sampling.fields.excluding import with_excluded_designs
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.registry import SamplingDesign

RETRY_DELAY_S = 5
_Name = Annotated[str, pydantic.Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
_Owner = Annotated[str, pydantic.Field(pattern=r"^(team:[A-Za-z0-9_.-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$")]
Files = Literal["latest", "all", "folder"]
_Count = Annotated[int, pydantic.Field(gt=0)] | None


def _checked_columns(columns: Mapping[str, ColumnDeclaration]) -> Mapping[str, ColumnDeclaration]:
    try:
        check_rules(columns)
    except InvalidArgumentError as error:
        raise ValueError(str(error)) from error
    return columns


class RetentionSpec(dg.Model):
    """Versions of each asset that clean-up keeps besides the current one; without a rule, all of them."""

    keep_last: _Count = pydantic.Field(default=None, description="Newest versions.")
    keep_daily: _Count = pydantic.Field(default=None, description="Days of which the last version is kept.")
    keep_weekly: _Count = pydantic.Field(default=None, description="Weeks of which the last version is kept.")
    keep_monthly: _Count = pydantic.Field(default=None, description="Months of which the last version is kept.")
    keep_within: Annotated[str, checked_by(lambda text: parse_duration_s(text, "keep_within"))] | None = pydantic.Field(
        default=None, description="A duration such as 36h, 30d or 8w."
    )


@dg.scaffold_with(DatasetScaffolder)
class DatasetPipeline(dg.Component, dg.Model):
    """A dataset, from the landing zone to its samples and analyses."""

    name: _Name = pydantic.Field(description="Name of the dataset, with which its asset keys begin.")
    description: str = pydantic.Field(min_length=1, description="Describes the dataset to its users, in Markdown.")
    files: Files | None = pydantic.Field(
        default=None,
        description=(
            "What several files mean: each replaces the table (latest); or the table is the union of all (all), in "
            "which the same name again replaces its rows; or all files in a folder replace the table together "
            "(folder), once its marker lies there. Required if the source has wildcards."
        ),
    )
    file_column: str | None = pydantic.Field(
        default=None,
        min_length=1,
        description="With `files: all` or `folder`, the column that takes the name of each row's file.",
    )
    partitions: Partitions | None = pydantic.Field(
        default=None,
        description=(
            "Partitions: daily, monthly, by_file (a new key appears with its file) or {static: [...]}; the source says "
            "where the key stands in a file's name, and `files` is about the files of one partition. Or "
            "{column: country}: the values of a column are the keys."
        ),
    )
    partition_start: datetime.date = pydantic.Field(
        default=FIRST_DAY, description="First day of daily or monthly partitions."
    )
    source: Annotated[str, checked_by(check_source)] = pydantic.Field(
        description=(
            "Glob of the dataset's files below the landing zone; {partition} stands in the place of the key: "
            "'sales_{partition}.csv', or '{partition:%Y%m%d}' for days that are written so."
        )
    )
    owners: Sequence[_Owner] = pydantic.Field(
        min_length=1, description="E-mail addresses or `team:name`; at least one."
    )
    format: FileFormat = pydantic.Field(
        default=ByExtension(), description="How the files are read; without a type, by their extension."
    )
    columns: Annotated[Mapping[str, ColumnDeclaration], pydantic.AfterValidator(_checked_columns)] = pydantic.Field(
        default={}, description="Columns: a DuckDB type, or a mapping with type and rules."
    )
    key: Sequence[str] = pydantic.Field(
        default=(), description="Columns that identify a row: none is null, and no row stands twice."
    )
    on_schema_change: OnSchemaChange = pydantic.Field(
        default="widen",
        description=(
            "What a file may change: it has the declared columns and no other (declared); else a later file may change "
            "nothing (fail), new columns (add_columns), also types that become wider "
            "without loss (widen), or anything (accept)."
        ),
    )
    on_bad_rows: OnBadRows = pydantic.Field(
        default="fail",
        description=(
            "A row that cannot be split, or breaks a type or a rule: it refuses the file (fail), or is left out of the "
            "table and kept as the asset bad_rows (quarantine)."
        ),
    )
    max_bad_rows: float = pydantic.Field(
        default=MOST_BAD_ROWS,
        ge=0,
        le=1,
        description="With `on_bad_rows: quarantine`, the share of bad rows beyond which the file is refused.",
    )
    allow_empty: bool = pydantic.Field(
        default=False, description="True: a later file may have columns and no rows; else it is refused."
    )
    limits: Limits = pydantic.Field(
        default=DEFAULT_LIMITS, description="Limits of the process that reads a Parquet, Arrow, Avro or Excel file."
    )
    samples: Mapping[_Name, SamplingDesign] = pydantic.Field(default={}, description="Samples of the table, by name.")
    analyses: Mapping[_Name, AnalysisKind] = pydantic.Field(default={}, description="Analyses of the table, by name.")
    checks: Mapping[_Name, CheckKind] = pydantic.Field(
        default={}, description="Checks of the table, by name: they watch it, after the contract has let a file in."
    )
    report: bool = pydantic.Field(
        default=True, description="False: no report is made of each version, as one file of HTML."
    )
    schedule: Annotated[str, checked_by(check_cron)] | None = pydantic.Field(
        default=None, description="Cron schedule that materializes the whole dataset."
    )
    schedule_timezone: Annotated[str, checked_by(check_timezone)] = pydantic.Field(
        default="UTC", description="Time zone of the schedule, such as Europe/Berlin."
    )
    fresh_within: Annotated[str, checked_by(check_fresh_within)] | None = pydantic.Field(
        default=None, description="How old the table may become, such as 36h: Dagster shows it as overdue afterwards."
    )
    pool: str | None = pydantic.Field(
        default=None,
        pattern=r"^[A-Za-z0-9_]+$",
        description="Dagster's pool of the dataset's assets: as many runs go on at once as the pool allows.",
    )
    tags: Mapping[str, str] = pydantic.Field(default={}, description="Dagster tags of every asset.")
    retention: RetentionSpec = RetentionSpec()
    landing: LandingRules = pydantic.Field(
        default=DEFAULT_RULES, description="Which files of the landing zone count, and what becomes of them."
    )

    @pydantic.field_validator("source")
    @classmethod
    def _check_files(cls, source: str, info: pydantic.ValidationInfo) -> str:
        """Refuse a glob that leaves open what several files mean, or what their partitions are."""
        if "{{" in source:
            return source
        if "partitions" in info.data:
            check_partitions(source, info.data["partitions"])
        if info.data.get("files") == "folder":
            folder_source(source)
        if info.data.get("partitions") and not isinstance(info.data["partitions"], ColumnPartitions):
            return source
        if "files" in info.data and info.data["files"] is None and set("*?[") & set(source):
            raise ValueError(
                f"{source!r} may match several files, so say what they mean. `files: latest`: each file is the whole "
                "table and replaces the one before. `files: all`: the table is the union of all files, and the same "
                "name again replaces its rows. `files: folder`: the files of a folder are the table"
            )
        return source

    @pydantic.field_validator("samples")
    @classmethod
    def _find_excluded_samples(cls, samples: Mapping[str, ISamplingDesign]) -> Mapping[str, ISamplingDesign]:
        """Replace the names of samples that others exclude by their designs."""
        return with_excluded_designs(samples)

    @pydantic.field_validator("analyses")
    @classmethod
    def _check_analyses(
        cls, analyses: Mapping[str, IAnalysisKind], info: pydantic.ValidationInfo
    ) -> Mapping[str, IAnalysisKind]:
        """Refuse analyses that can never be answered, each at its name."""
        if {"name", "columns", "samples", "on_schema_change"} <= info.data.keys() and "{{" not in str(info.data):
            dataset = _declared_dataset(info.data)
            for name, each in analyses.items():
                _refuse_at(name, each, functools.partial(each.check, dataset))
        return analyses

    @pydantic.field_validator("checks")
    @classmethod
    def _check_checks(cls, checks: Mapping[str, ICheckKind], info: pydantic.ValidationInfo) -> Mapping[str, ICheckKind]:
        """Refuse checks that can never be made, each at its name."""
        if {"name", "columns", "samples", "on_schema_change"} <= info.data.keys() and "{{" not in str(info.data):
            dataset = _declared_dataset(info.data)
            for name, each in checks.items():
                if name == NO_BAD_ROWS:
                    raise ValueError(f"`{name}` is the name of another check of the table: choose another one")
                _refuse_at(name, each, functools.partial(check_declared, name, each, dataset.name, dataset.columns))
        return checks

    @pydantic.field_validator("file_column")
    @classmethod
    def _check_file_column(cls, column: str | None, info: pydantic.ValidationInfo) -> str | None:
        """Refuse a column for names where there is one file."""
        if column is not None and info.data.get("files") not in ("all", "folder"):
            raise ValueError("only a table with `files: all` or `files: folder` has rows of several files")
        return column

    @pydantic.field_validator("schedule")
    @classmethod
    def _check_schedule(cls, schedule: str | None, info: pydantic.ValidationInfo) -> str | None:
        """Refuse a schedule that could not say which partitions it materializes."""
        partitions = info.data.get("partitions")
        if schedule is not None and partitions and not isinstance(partitions, ColumnPartitions):
            raise ValueError("a dataset with partitions has no schedule: its sensor ingests the partitions that change")
        return schedule

    @pydantic.field_validator("on_schema_change")
    @classmethod
    def _check_change(cls, change: OnSchemaChange, info: pydantic.ValidationInfo) -> OnSchemaChange:
        """Refuse files of any columns in one table."""
        if change == "accept" and info.data.get("files") == "all":
            raise ValueError("with `files: all` one table has the rows of all files: use fail, add_columns or widen")
        return change

    @pydantic.field_validator("landing")
    @classmethod
    def _check_marker(cls, landing: LandingRules, info: pydantic.ValidationInfo) -> LandingRules:
        """Refuse a marker for each file where one is for the folder."""
        if info.data.get("files") == "folder" and "{name}" in (landing.marker or ""):
            raise ValueError("with `files: folder` one marker lies in each folder, such as `marker: _SUCCESS`")
        return landing

    @pydantic.field_validator("max_bad_rows")
    @classmethod
    def _check_share(cls, share: float, info: pydantic.ValidationInfo) -> float:
        """Refuse a share of rows that are never left out."""
        if info.data.get("on_bad_rows") == "fail":
            raise ValueError("only `on_bad_rows: quarantine` leaves bad rows out")
        return share

    @classmethod
    def get_model_cls(cls) -> type[pydantic.BaseModel]:
        """Return the model of the YAML file: it takes all fields, so that `load` words what is wrong with them."""
        return DatasetYaml

    @classmethod
    def load(cls, attributes: pydantic.BaseModel | None, context: dg.ComponentLoadContext) -> dg.Component:  # type: ignore[override]
        """Return the dataset that a YAML file declares, with its `{{ ... }}` templates filled in.

        If the file is wrong, a server returns a `BrokenDataset` instead, so that the others go on.

        Raises:
            BrokenDatasetError: The file is wrong, and it is not a server that loads it.
        """
        values: Mapping[str, Any] = attributes.model_dump(exclude_unset=True) if attributes else {}
        schema = cls.model_json_schema()
        try:
            with explained(context, schema, values):
                cls.model_validate(values)  # before templates are filled in, of which some may be no text
            values = context.resolution_context.resolve_value(values)
            with explained(context, schema, values):
                dataset = cls.model_validate(values)
            check_others(context, dataset.name, dataset.source)
        except BrokenDatasetError as error:
            return left_out(error, context, str(values.get("name")))
        return dataset

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the dataset's definitions; Dagster calls it when it loads the YAML file."""
        return self.definitions()

    def definitions(self) -> dg.Definitions:
        """Return the dataset's assets, sensors, job and schedule.

        They require the resources `artifact_io_manager`, `artifact_store` and `landing_zone`.
        """
        shared: dict[str, Any] = {
            "group_name": self.name,
            "owners": list(self.owners),
            "tags": dict(self.tags),
            "io_manager_key": "artifact_io_manager",
            "pool": self.pool,
            # For faults that pass.
            "retry_policy": dg.RetryPolicy(max_retries=2, delay=RETRY_DELAY_S, backoff=dg.Backoff.EXPONENTIAL),
        }
        source, keys, column = glob_of(self.source), None, None
        if isinstance(self.partitions, ColumnPartitions):
            column = self.partitions.column
        elif self.partitions:
            named = folder_source(self.source) if self.files == "folder" else self.source
            keys = PartitionKeys(self.partitions, named, self.partition_start)
            shared["partitions_def"] = self._partitions_def(self.partitions)
        landing = self.landing
        seen_as: Callable[[ILandingZone], ILandingZone] = _as_it_is
        if self.files == "folder":
            seen_as = functools.partial(LandingFolders, source=source, rules=self.landing)
            landing = self.landing.model_copy(update={"marker": None})
        is_union = self.files == "all"
        contract = Contract.declared(
            self.columns,
            self.key,
            self.on_schema_change,
            self.on_bad_rows,
            self.max_bad_rows,
            self.allow_empty,
            self.limits,
            column,
        )
        read = DatasetTable(self.name, self.format, contract, is_union, self.file_column)
        raw = build_raw_asset(self.name, source, shared, landing, keys, seen_as, read)
        shared["automation_condition"] = on_changed_content()
        table = build_table_asset(read, self.description, shared, self._meanings)
        if any(each.blocking for each in self.checks.values()):
            table = table.map_asset_specs(self._published_after_checks)
        if self.fresh_within:
            table = with_freshness(table, self.fresh_within)
        ingested, of_readers, by = [raw, table], shared, None
        if column is not None:
            options = (is_union, shared, self._meanings)
            by, partitions = build_column_partitions(self.name, self.description, column, self.key, *options)
            ingested, of_readers = [*ingested, partitions], {**shared, "partitions_def": by.partitions_def}
        samples = [
            build_sample_asset(self.name, name, each, self.key, of_readers, self._meanings)
            for name, each in self.samples.items()
        ]
        analyses = [build_analysis_asset(self.name, name, each, of_readers) for name, each in self.analyses.items()]
        readers = [*samples, *analyses]
        if self.report:
            automation = on_all_results(by.key if by else dg.AssetKey([self.name, "table"]))
            of_report = {**of_readers, "automation_condition": automation}
            readers.append(build_report_asset(self.name, self.description, [each.key for each in readers], of_report))
        if by is not None:
            instead = {dg.AssetKey([self.name, "table"]): by.key}
            readers = [asset.with_attributes(asset_key_replacements=instead) for asset in readers]
        assets = [*ingested, *readers]
        specs = [self._with_retention(by)] if by else []
        job = dg.define_asset_job(
            f"{self.name}_pipeline",
            selection=dg.AssetSelection.assets(*(ingested if by else assets)),
            description=f"Materializes all assets of dataset {self.name} from its newest file outside the quarantine.",
        )
        checks = [self._build_checks(shared)] if self.checks else []
        ingesting = [each.node_def.name for each in (*ingested, *checks)]
        watched = WatchedDataset(
            self.name, source, job, ingested if by else assets, ingesting, landing, is_union, keys, seen_as
        )
        quarantine, is_empty, replay = build_quarantine(self.name, self.owners, self.tags)
        return dg.Definitions(
            assets=[
                *(asset.map_asset_specs(self._with_retention) for asset in assets),
                *specs,
                quarantine,
                *build_failing_rows(self.name, self.checks, self._shared_by_specs(shared)),
            ],
            asset_checks=[is_empty, *checks],
            sensors=[
                LandingSensor([watched], f"{self.name}_landing"),
                RetrySensor([RepeatedAssets(assets, ingesting)], f"{self.name}_retries"),
            ],
            jobs=[job, replay],
            schedules=[build_schedule(self.name, job, self.schedule, self.schedule_timezone)] if self.schedule else [],
        )

    @property
    def _meanings(self) -> Mapping[str, str]:
        return {name: each.description for name, each in self.columns.items() if each.description}

    def _build_checks(self, shared: Mapping[str, Any]) -> dg.AssetChecksDefinition:
        partitions, retention = shared.get("partitions_def"), self.retention.model_dump(exclude_none=True)
        return build_checks(self.name, self.checks, partitions, shared["retry_policy"], retention, self._meanings)

    def _shared_by_specs(self, shared: Mapping[str, Any]) -> dict[str, Any]:
        own = {"group_name": self.name, "owners": list(self.owners), "tags": dict(self.tags)}
        return {**own, "partitions_def": shared.get("partitions_def")}

    def _partitions_def(self, partitions: NamePartitions) -> dg.PartitionsDefinition[Any]:
        # With the present day and month: their files come before they have ended.
        if partitions == "daily":
            return dg.DailyPartitionsDefinition(self.partition_start.isoformat(), end_offset=1)
        if partitions == "monthly":
            start = self.partition_start.replace(day=1).strftime("%Y-%m")
            return dg.MonthlyPartitionsDefinition(start, end_offset=1, fmt="%Y-%m")
        if partitions == "by_file":
            return dg.DynamicPartitionsDefinition(name=self.name)
        return dg.StaticPartitionsDefinition(list(partitions.static))

    def _published_after_checks(self, spec: dg.AssetSpec) -> dg.AssetSpec:
        is_table = spec.key == dg.AssetKey([self.name, "table"])
        return spec.merge_attributes(metadata={PUBLISH_METADATA_KEY: AFTER_CHECKS}) if is_table else spec

    def _with_retention(self, spec: dg.AssetSpec) -> dg.AssetSpec:
        retention = self.retention.model_dump(exclude_none=True)
        return spec.merge_attributes(metadata={RETENTION_METADATA_KEY: retention}) if retention else spec


def _declared_dataset(fields: Mapping[str, Any]) -> DeclaredDataset:
    columns = None
    if fields["on_schema_change"] == "declared":
        columns = dict.fromkeys(fields["key"]) | {name: each.type for name, each in fields["columns"].items()}
        if fields.get("file_column"):
            columns[fields["file_column"]] = "VARCHAR"
    return DeclaredDataset(fields["name"], columns, list(fields["samples"]))


def _refuse_at(name: str, entry: Declaration, check: Callable[[], None]) -> None:
    """Make a check of an entry of a YAML file, and report its error at the name of the entry."""
    try:
        if "{{" not in str(entry):
            check()
    except UsageError as error:
        # A built-in error type: Dagster adds file and line to no other.
        found = InitErrorDetails(type="value_error", loc=(name,), input=entry, ctx={"error": ValueError(str(error))})
        raise pydantic.ValidationError.from_exception_data(entry.tag(), [found]) from error


def _as_it_is(zone: ILandingZone) -> ILandingZone:
    return zone


def on_changed_content() -> dg.AutomationCondition[Any]:
    """Return the condition to materialize an asset: it is missing, its code changed, or a dependency's content did.

    A change in the run that also materialized the asset does not count. The condition waits until all blocking checks
    of the dependencies have passed for their latest materializations.
    """
    when = dg.AutomationCondition
    changed = when.data_version_changed() & ~when.executed_with_root_target()
    reasons = (
        (when.missing() & ~when.execution_failed())
        | when.code_version_changed().since(when.newly_requested())
        | when.any_deps_match(changed).since(when.newly_requested())
    )
    condition = reasons & ~when.any_deps_missing() & _may_run()
    return condition.with_label("content changed")


def on_all_results(table: dg.AssetKey) -> dg.AutomationCondition[Any]:
    """Return the condition of a report: it is missing, its code changed, or a result did that it does not have yet.

    The run that makes all results makes the report, too, unless one of them fails: then this condition does, once all
    have ended. A result that is missing does not hold it up, unless it is the table.
    """
    when = dg.AutomationCondition
    reasons = (
        (when.missing() & ~when.execution_failed())
        | when.code_version_changed().since(when.newly_requested())
        | when.any_deps_match(when.data_version_changed()).since(when.newly_requested() | when.newly_updated())
    )
    has_table = ~when.any_deps_match(when.missing()).allow(dg.AssetSelection.assets(table))
    condition = reasons & has_table & ~when.any_deps_match(when.will_be_requested()) & _may_run()
    return condition.with_label("all results there")


def _may_run() -> dg.AutomationCondition[Any]:
    when = dg.AutomationCondition
    return ~when.any_deps_in_progress() & when.all_deps_blocking_checks_passed() & ~when.in_progress()


DatasetYaml.SCHEMA = DatasetPipeline.model_json_schema
