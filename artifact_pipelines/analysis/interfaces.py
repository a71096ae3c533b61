"""The interface of analyses. Must not import Dagster."""

import abc
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, ClassVar

import polars as pl
import pyarrow as pa
import pydantic

from artifact_pipelines.charts.chart import Chart
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.declarations import Declaration

BEFORE = "before"
"""The name under which a kind that compares gets the version before, or the one that it names by a tag."""


@dataclasses.dataclass(frozen=True, slots=True)
class DeclaredDataset:
    """What a dataset's YAML file says about the tables that its analyses read.

    Attributes:
        columns: DuckDB type of each column of its table, None where it is found; None: the table may have others.
        samples: Names of its samples.
    """

    name: str
    columns: Mapping[str, str | None] | None = None
    samples: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """A stored table that an analysis reads.

    Attributes:
        path: Its Parquet file.
        asset: Asset key as text, such as `flights/samples/tenth`.
        source: What its maker noted about it: of a sample, its `design`; of a dataset's table, its `key`.
        partial: The partial result that the answer about an earlier table left, if the kind keeps one.
    """

    path: pathlib.Path
    asset: str = ""
    version: int = 0
    source: Mapping[str, Any] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    partial: bytes | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A small table in memory, and what of it the asset's page shows.

    Attributes:
        page: Markdown, with everything.
        summary: Markdown of a few lines, with which the asset's page begins; left out: the page is short.
        shown: What the asset's page shows of the rows: rounded for people, and few columns, so that it fits; None: the
            first rows as they are.
        figures: Numbers of the whole table, by name; Dagster plots them over time.
        checks: Results of the checks that the kind declares.
        charts: Charts, the most important first; the page shows them above its text, the report by column.
        partial: A partial result, from which the answer about a later table that begins alike can be made.
        known_rows: First rows of the table that were not read for their answer was known.
    """

    rows: pa.Table
    page: str
    figures: Mapping[str, int | float]
    checks: Sequence[CheckResult] = ()
    charts: Sequence[Chart] = ()
    summary: str = ""
    shown: Sequence[Mapping[str, str]] | None = None
    partial: bytes | None = None
    known_rows: int = 0


class IAnalysisKind(Declaration, abc.ABC):
    """Answers a question about a dataset's table. Each kind is a class in `kinds/`, listed in the registry.

    Attributes:
        ENGINES: Labels for the asset in the Dagster UI, such as `polars`.
        READS_ROWS_ONLY: True: of a table the answer depends on its rows alone, and on the notes that are named. Then
            equal tables of any asset and version have one answer, and a `Table` has nothing but its path and these.
        KEEPS_PARTIAL: True: its answers leave a partial result, which the next version's answer gets. It must not
            change the rows of an answer.
        NOTES_READ: Keys of `Table.source` that the answer depends on though it reads rows only.
    """

    TAG: ClassVar[str] = "kind"
    ENGINES: ClassVar[frozenset[str]]
    UNVERSIONED: ClassVar[frozenset[str]] = frozenset({"remember"})
    READS_ROWS_ONLY: ClassVar[bool] = False
    KEEPS_PARTIAL: ClassVar[bool] = False
    NOTES_READ: ClassVar[Sequence[str]] = ()
    remember: bool = pydantic.Field(
        default=True, description="False: an answer that is stored already is computed again."
    )

    @abc.abstractmethod
    def description(self, dataset: str) -> str:
        """Return the asset's description, in Markdown."""

    def check(self, dataset: DeclaredDataset) -> None:
        """Raise `UsageError` if it can never be answered, as far as the dataset's declaration shows that."""

    def is_repeatable(self) -> bool:
        """True if the same tables always have the same answer; else it depends on the time or on chance."""
        return True

    def inputs(self, dataset: str) -> Mapping[str, str]:
        """Return the asset keys of the tables that it reads, by name; the first is the one that it is about."""
        return {dataset: f"{dataset}/table"}

    def compares(self) -> bool:
        """True if it also reads another version of its first table, as `BEFORE`, where there is one."""
        return False

    def baseline_tag(self) -> str | None:
        """Return the tag of the version that it compares with instead of the one before."""
        return None

    def checks(self) -> Sequence[str]:
        """Return the names of the checks whose results its answer has, in any order."""
        return ()

    @abc.abstractmethod
    def answer(
        self, tables: Mapping[str, Table]
    ) -> AbstractContextManager[pa.RecordBatchReader | pl.DataFrame | Answer]:
        """Open the answer: batches that are read as they are taken, or a small table in memory.

        It depends on nothing but the tables and the fields.

        Args:
            tables: Those of `inputs`, by name, and `BEFORE`.
        """
