"""What a sampling design is: a declaration that draws a sample. Not to be imported here: Dagster."""

import abc
from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from artifact_pipelines.declarations import Declaration


class ISamplingDesign(Declaration, abc.ABC):
    """A rule that draws rows by their permanent random numbers: a class in `designs/`, listed in the registry."""

    TAG: ClassVar[str] = "design"

    @abc.abstractmethod
    def description(self, dataset: str, key: Sequence[str]) -> str:
        """Return what the sample is, for its users, in Markdown.

        Args:
            key: Columns that identify a row; none: its position does.
        """

    @abc.abstractmethod
    def draw(self, population: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
        """Return the sample, a function of the population, the fields and the key alone.

        Raises:
            InvalidArgumentError: The population has not the columns that the design needs.
        """
