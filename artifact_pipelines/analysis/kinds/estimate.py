"""Estimates from one of the dataset's samples."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, Literal

import pydantic

from artifact_pipelines.analysis.estimates.requests import EstimateQuestion
from artifact_pipelines.analysis.interfaces import Answer, DeclaredDataset, IAnalysisKind, Table
from artifact_pipelines.core.exceptions import InvalidArgumentError, listed


class Estimate(EstimateQuestion, IAnalysisKind):
    """Estimate totals, means, proportions, ratios, quantiles or regressions from a sample, by its own design."""

    CODE_VERSION: ClassVar[str] = "5"
    ENGINES: ClassVar[frozenset[str]] = frozenset({"polars"})
    kind: Literal["estimate"] = "estimate"
    sample: str = pydantic.Field(description="Name of the sample, one of the same dataset.")

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        asked = "\n".join(f"- `{name}`: {request.title}" for name, request in self.estimates.items())
        by = f", for all and by {', '.join(self.by)}" if self.by else ""
        return (
            f"Estimates for {dataset} from its sample {self.sample}{by}, each with a standard error and a confidence "
            f"interval ({100 * self.confidence:g} %) that follow from the sample's design:\n\n{asked}"
        )

    def check(self, dataset: DeclaredDataset) -> None:
        """See `IAnalysisKind`.

        Raises:
            InvalidArgumentError: The dataset has no such sample.
        """
        if self.sample not in dataset.samples:
            raise InvalidArgumentError("sample", self.sample, f"a sample of the dataset: {listed(dataset.samples)}")

    def inputs(self, dataset: str) -> Mapping[str, str]:
        """See `IAnalysisKind`."""
        return {self.sample: f"{dataset}/samples/{self.sample}"}

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        """See `IAnalysisKind`.

        Raises:
            NotEstimableError: The sample's design does not allow an estimate.
            InvalidArgumentError: A column is missing or has no numbers.
        """
        import polars as pl

        from artifact_pipelines.analysis.estimates.answer import answer_rows, stored_design
        from artifact_pipelines.analysis.estimates.estimation import estimate_from
        from artifact_pipelines.analysis.estimates.page import (
            charts,
            estimates_page,
            estimates_summary,
            figures,
            shown_estimates,
        )

        [table] = tables.values()
        found = estimate_from(pl.scan_parquet(table.path, glob=False), stored_design(table), self)
        sample = f"{table.asset}, version {table.version}" if table.version else table.asset
        page = estimates_page(found, sample, self.confidence)
        yield Answer(
            answer_rows(found.rows),
            page,
            figures(found),
            charts=list(charts(found)),
            summary=estimates_summary(found, sample, self.confidence),
            shown=shown_estimates(found),
        )
