"""What a report says, as plain values. Must not import Dagster."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.core.types import CHANGES, Materialization
from artifact_pipelines.tabular.footer import Cell, ColumnSummary


@dataclasses.dataclass(frozen=True, slots=True)
class TableVersion:
    """A version of the dataset's table.

    Attributes:
        number: Number of the dataset's version that first had this table; None: it is not known.
        made: Its newest materialization.
        first_made_at: When it was made first, by the database's clock.
    """

    number: int | None
    made: Materialization
    first_made_at: datetime.datetime

    @property
    def name(self) -> str:
        """Its number, as people name it: `v3`."""
        return f"v{self.made.version if self.number is None else self.number}"

    @property
    def changes(self) -> Mapping[str, str]:
        """How it differs from the version before, as texts by heading."""
        return self.made.metadata.get(CHANGES, {})  # type: ignore[no-any-return]


@dataclasses.dataclass(frozen=True, slots=True)
class Analysis:
    """The answer of an analysis of the table, or of one of its samples.

    Attributes:
        name: Its name in the dataset's YAML file.
        kind: Its kind there, such as `drift`.
        first_rows: First rows of the answer.
    """

    name: str
    kind: str
    made: Materialization
    first_rows: Sequence[Mapping[str, Cell]] = ()

    @property
    def page(self) -> str:
        """Its page, in Markdown; empty: it has none."""
        return str(self.made.source.get("page", ""))

    @property
    def charts(self) -> Sequence[Chart]:
        """Its charts, the most important first."""
        return [Chart.from_json(each) for each in self.made.source.get("charts", ())]

    @property
    def figures(self) -> Mapping[str, float]:
        """Numbers of the whole table, by name."""
        return self.made.source.get("figures", {})  # type: ignore[no-any-return]


@dataclasses.dataclass(frozen=True, slots=True)
class MadeCheck:
    """The result of a check of an asset."""

    asset: str
    result: CheckResult


@dataclasses.dataclass(frozen=True, slots=True)
class Edge:
    """A step of the lineage: a materialization, and the names of the assets that it was made from."""

    made: Materialization
    sources: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True)
class ReportFacts:
    """All that a report says.

    Attributes:
        description: What the dataset is, in Markdown; empty: it is not known.
        versions: The version that the report is about, and those before it, newest first.
        files: The raw files that the table was read from.
        columns: Its columns, as its file's footer describes them.
        first_rows: Its first rows.
        profile: Rows of its profile, one for each column; empty: it has none.
        checks: Their results, in the order of the assets.
        has_all_checks: False: results that only Dagster knows, those of the table and its samples, are not among them.
        stored_reports: Asset of the reports that have all checks; empty: there is none.
        missing: Declared samples and analyses that have no result for this version.
        edges: What it was made from and what was made from it.
    """

    dataset: str
    description: str
    versions: Sequence[TableVersion]
    files: Sequence[Materialization]
    columns: Sequence[ColumnSummary]
    first_rows: Sequence[Mapping[str, Cell]]
    profile: Sequence[Mapping[str, Any]] = ()
    samples: Sequence[Materialization] = ()
    analyses: Sequence[Analysis] = ()
    checks: Sequence[MadeCheck] = ()
    has_all_checks: bool = True
    stored_reports: str = ""
    missing: Sequence[str] = ()
    edges: Sequence[Edge] = ()
    figures: Mapping[str, float] = dataclasses.field(default_factory=lambda: MappingProxyType({}))

    @property
    def version(self) -> TableVersion:
        """The version that the report is about."""
        return self.versions[0]

    @property
    def table(self) -> Materialization:
        """Its table."""
        return self.version.made

    @property
    def title(self) -> str:
        """The dataset, or the asset if it is no table of a dataset; with its partition if it has partitions."""
        asset, partition = self.table.asset, self.table.partition
        is_of_dataset = asset == f"{self.dataset}/table" or asset.startswith(f"{self.dataset}/by_")
        name = self.dataset if is_of_dataset else asset
        return name if partition is None else f"{name}[{partition}]"

    @property
    def name(self) -> str:
        """The version, as commands take it: `flights@v3`, or `sales@v3[2024-01]`."""
        partition = "" if self.table.partition is None else f"[{self.table.partition}]"
        return f"{self.dataset}@{self.version.name}{partition}"

    @property
    def file_stem(self) -> str:
        """The name of the report's file, without its extension."""
        partition = "" if self.table.partition is None else f"-{self.table.partition}"
        return f"{self.dataset}{partition}-{self.version.name}-report"
