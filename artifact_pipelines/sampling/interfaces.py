"""The interface of sampling designs. Must not import Dagster."""

import abc
from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from artifact_pipelines.declarations import Declaration


class ISamplingDesign(Declaration, abc.ABC):
    """Draws rows by their permanent random numbers. Each design is a class in `designs/`, listed in the registry."""

    TAG: ClassVar[str] = "design"

    @abc.abstractmethod
    def description(self, dataset: str, key: Sequence[str]) -> str:
        """Return the asset's description, in Markdown."""

    @abc.abstractmethod
    def draw(self, population: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
        """Return the sample; it depends on nothing but the population, the fields and the key.

        Args:
            key: Columns that identify a row; if empty, its position does.

        Raises:
            InvalidArgumentError: The population lacks a column that the design needs.
        """
