"""Drift: how a version of the table differs from the one before, or from a tagged baseline."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, ClassVar, Literal

import pydantic

from artifact_pipelines.analysis.interfaces import BEFORE, Answer, IAnalysisKind, Table
from artifact_pipelines.declarations import Fields

_Limit = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)] | None


class Thresholds(Fields):
    """A column drifts if one of these statistics is higher; one that is left out does not count."""

    psi: _Limit = pydantic.Field(default=None, description="Population stability index, such as 0.2.")
    jensen_shannon: _Limit = pydantic.Field(default=None, description="Jensen-Shannon distance, 0 to 1, such as 0.1.")
    kolmogorov_smirnov: _Limit = pydantic.Field(
        default=None, description="Of numbers: largest difference of the distribution functions, such as 0.1."
    )
    wasserstein: _Limit = pydantic.Field(
        default=None, description="Of numbers: mean move in standard deviations of the baseline, such as 0.1."
    )


class Tagged(pydantic.BaseModel):
    """The version with a tag."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")
    tag: str = pydantic.Field(min_length=1, description="Tag of the version, see `artifact-pipelines tag`.")


class Drift(IAnalysisKind):
    """Compare every column with the version before, or with a tagged one."""

    CODE_VERSION: ClassVar[str] = "3"
    ENGINES: ClassVar[frozenset[str]] = frozenset({"polars"})
    kind: Literal["drift"] = "drift"
    against: Literal["before"] | Tagged = pydantic.Field(
        default="before", description="The baseline: the version before, or {tag: NAME}."
    )
    columns: Sequence[str] | None = pydantic.Field(
        default=None,
        description="Columns that are judged; left out: all but dates, times, and a key of one column.",
    )
    thresholds: Thresholds = pydantic.Field(
        default=Thresholds(psi=0.2, kolmogorov_smirnov=0.1),
        description="Statistics that decide, and their thresholds; left out: psi 0.2 and kolmogorov_smirnov 0.1.",
    )
    max_row_change: float = pydantic.Field(
        default=0.5, gt=0, description="Largest change of the number of rows, as a share of those before."
    )
    severity: Literal["warn", "error"] = pydantic.Field(default="warn", description="Severity of the checks.")

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        against = "the version before" if self.against == "before" else f"the version tagged `{self.against.tag}`"
        return (
            f"One row for each column of {dataset}: how its distribution differs from {against}.\n\nCaveats: columns "
            "with 4,096 or more distinct values are compared by a row sample of up to 65,536 rows of each version."
        )

    def compares(self) -> bool:
        """See `IAnalysisKind`."""
        return True

    def baseline_tag(self) -> str | None:
        """See `IAnalysisKind`."""
        return None if self.against == "before" else self.against.tag

    def checks(self) -> Sequence[str]:
        """See `IAnalysisKind`."""
        return ("schema", "row_count", "distributions")

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        """See `IAnalysisKind`.

        Raises:
            InvalidArgumentError: The table lacks one of `columns`.
        """
        from artifact_pipelines.analysis.drift.answer import answer_drift

        about = next(iter(tables.values()))
        limits = self.thresholds.model_dump(exclude_none=True)
        missing = self._no_baseline() if BEFORE not in tables else ""
        yield answer_drift(
            tables.get(BEFORE),
            about,
            limits,
            self.columns,
            max_row_change=self.max_row_change,
            is_error=self.severity == "error",
            missing=missing,
        )

    def _no_baseline(self) -> str:
        if self.against == "before":
            return "This is the first version: there is none to compare with."
        return f"No version has the tag {self.against.tag}: there is none to compare with."
