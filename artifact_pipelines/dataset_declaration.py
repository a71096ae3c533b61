"""The fields of a dataset's YAML file, and which of them may stand together."""

import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import dagster as dg
import pydantic
from pydantic_core import InitErrorDetails

from artifact_pipelines.analysis.interfaces import DeclaredDataset, IAnalysisKind
from artifact_pipelines.analysis.registry import AnalysisKind
from artifact_pipelines.checks.declared import check_declared
from artifact_pipelines.checks.interfaces import ICheckKind
from artifact_pipelines.checks.registry import CheckKind
from artifact_pipelines.core.durations import parse_duration_s
from artifact_pipelines.core.exceptions import InvalidArgumentError, UsageError
from artifact_pipelines.datasets.landing.dropped_folders import folder_source
from artifact_pipelines.datasets.landing.entry_names import check_source
from artifact_pipelines.datasets.landing.rules import DEFAULT_RULES, LandingRules
from artifact_pipelines.datasets.partition_keys import FIRST_DAY, ColumnPartitions, Partitions, check_partitions
from artifact_pipelines.datasets.reading.column_declaration import ColumnDeclaration
from artifact_pipelines.datasets.reading.contract import MOST_BAD_ROWS, OnBadRows, OnSchemaChange
from artifact_pipelines.datasets.reading.limits import DEFAULT_LIMITS, Limits
from artifact_pipelines.datasets.reading.row_checks import check_rules
from artifact_pipelines.datasets.registry import ByExtension, FileFormat
from artifact_pipelines.datasets.table_assets import NO_BAD_ROWS
from artifact_pipelines.datasets.timing import check_cron, check_fresh_within, check_timezone
from artifact_pipelines.declarations import Declaration, checked_by
from artifact_pipelines.sampling.fields.excluding import with_excluded_designs
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.registry import SamplingDesign

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


class DatasetDeclaration(dg.Model):
    """The fields of a dataset's YAML file."""

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
