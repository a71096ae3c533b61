"""What an analysis is: a declaration that answers from stored tables. Not to be imported here: Dagster."""

import abc
import pathlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import ClassVar

import pyarrow as pa

from artifact_pipelines.declarations import Declaration


class IAnalysisKind(Declaration, abc.ABC):
    """A question to a dataset's table: a class in `kinds/`, listed in the registry.

    Attributes:
        ENGINES: What the Dagster UI shows as the kinds of its asset, such as `polars`.
    """

    TAG: ClassVar[str] = "kind"
    ENGINES: ClassVar[frozenset[str]]

    @abc.abstractmethod
    def description(self, dataset: str) -> str:
        """Return what the answer is, for its users, in Markdown."""

    @abc.abstractmethod
    def answer(self, tables: Mapping[str, pathlib.Path]) -> AbstractContextManager[pa.RecordBatchReader]:
        """Open the answer, a function of the tables and the fields alone.

        Args:
            tables: Parquet files by name; the dataset's table has the dataset's name.
        """
