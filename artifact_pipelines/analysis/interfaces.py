"""The interface of analyses. Must not import Dagster."""

import abc
import dataclasses
import pathlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import ClassVar

import polars as pl
import pyarrow as pa

from artifact_pipelines.declarations import Declaration


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A small table in memory, and what of it the asset's page shows.

    Attributes:
        page: Markdown.
        figures: Numbers of the whole table, by name; Dagster plots them over time.
    """

    rows: pa.Table
    page: str
    figures: Mapping[str, int | float]


class IAnalysisKind(Declaration, abc.ABC):
    """Answers a question about a dataset's table. Each kind is a class in `kinds/`, listed in the registry.

    Attributes:
        ENGINES: Labels for the asset in the Dagster UI, such as `polars`.
    """

    TAG: ClassVar[str] = "kind"
    ENGINES: ClassVar[frozenset[str]]

    @abc.abstractmethod
    def description(self, dataset: str) -> str:
        """Return the asset's description, in Markdown."""

    @abc.abstractmethod
    def answer(
        self, tables: Mapping[str, pathlib.Path]
    ) -> AbstractContextManager[pa.RecordBatchReader | pl.DataFrame | Answer]:
        """Open the answer: batches that are read as they are taken, or a small table in memory.

        It depends on nothing but the tables and the fields.

        Args:
            tables: Parquet files by name; the dataset's table has the dataset's name.
        """
