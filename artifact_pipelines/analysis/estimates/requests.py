"""What a user asks to estimate, as it stands in YAML."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pydantic

from artifact_pipelines.declarations import Fields

Lonely = Literal["fail", "certainty", "average", "adjust"]
"""What to do with the only unit drawn of a stratum, which shows no variance."""

_KINDS = ("total", "mean", "proportion", "ratio", "quantile", "regression")


class EstimateRequest(Fields):
    """One estimate: a column, or a SQL expression over the rows, and what of it."""

    total: str | None = pydantic.Field(default=None, description="Total; of a condition, the rows that fulfil it.")
    mean: str | None = pydantic.Field(default=None, description="Mean of the rows that have a value.")
    proportion: str | None = pydantic.Field(default=None, description="Share of the rows that fulfil a condition.")
    ratio: Sequence[str] | None = pydantic.Field(
        default=None, min_length=2, max_length=2, description="Total of the first divided by the total of the second."
    )
    quantile: str | None = pydantic.Field(default=None, description="Smallest value with a share of q at or below it.")
    q: float | None = pydantic.Field(
        default=None, gt=0, lt=1, validate_default=True, description="Share for `quantile`; 0.5 is the median."
    )
    regression: str | None = pydantic.Field(default=None, description="Explained variable of a linear regression.")
    explained_by: Sequence[str] | None = pydantic.Field(
        default=None, min_length=1, description="Explaining variables of `regression`; an intercept is added."
    )

    @pydantic.field_validator(
        "total",
        "mean",
        "proportion",
        "quantile",
        "regression",
        mode="before",
        json_schema_input_type=str | float | None,
    )
    @classmethod
    def _number_is_sql(cls, value: object) -> object:
        """Take `total: 1`, the number of rows, as the expression that it is."""
        return str(value) if type(value) in (int, float) else value

    @pydantic.model_validator(mode="after")
    def _check_one(self) -> "EstimateRequest":
        given = [name for name in _KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(_KINDS)}")
        if (self.q is None) != (self.quantile is None):
            raise ValueError("give `q` with `quantile`, and with nothing else")
        if (self.explained_by is None) != (self.regression is None):
            raise ValueError("give `explained_by` with `regression`, and with nothing else")
        return self

    @property
    def kind(self) -> str:
        """Return the name of what is estimated."""
        return next(name for name in _KINDS if getattr(self, name) is not None)

    @property
    def variables(self) -> Sequence[str]:
        """Return the columns or expressions that it reads."""
        asked = getattr(self, self.kind)
        return [*([asked] if isinstance(asked, str) else asked), *(self.explained_by or ())]

    @property
    def title(self) -> str:
        """Return what is estimated, such as `mean of delay`."""
        asked = getattr(self, self.kind)
        if self.ratio is not None:
            return f"ratio of {' to '.join(self.ratio)}"
        if self.quantile is not None:
            return f"{self.q:g} quantile of {self.quantile}"
        if self.explained_by is not None:
            return f"regression of {asked} on {', '.join(self.explained_by)}"
        return f"{self.kind} of {asked}"


class Known(Fields):
    """What is known of the whole population; weights are calibrated to it, and to the number of rows."""

    totals: Mapping[str, float] = pydantic.Field(
        default={}, description="Total of a column or SQL expression over all rows of the population."
    )
    rows: Mapping[str, Mapping[str, pydantic.NonNegativeFloat]] = pydantic.Field(
        default={}, description="Rows of each value of a column: post-strata. All values, as text."
    )

    @pydantic.field_validator("rows", mode="before")
    @classmethod
    def _values_as_text(cls, rows: Any) -> Any:
        """Take `2024:` and `true:` of a YAML file as the texts of such values."""
        if not isinstance(rows, Mapping):
            return rows
        return {column: _named(each) if isinstance(each, Mapping) else each for column, each in rows.items()}


def _named(rows: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(value).lower() if isinstance(value, bool) else str(value): each for value, each in rows.items()}


class EstimateQuestion(Fields):
    """All that is asked of one sample."""

    estimates: Mapping[str, EstimateRequest] = pydantic.Field(min_length=1, description="Estimates, by name.")
    by: Sequence[str] = pydantic.Field(
        default=(), description="Columns whose values are domains, each with estimates of its own besides those of all."
    )
    confidence: float = pydantic.Field(default=0.95, gt=0.5, lt=1, description="Confidence of the intervals.")
    lonely: Lonely = pydantic.Field(
        default="fail",
        description=(
            "What to do where only one unit of a stratum was drawn: an error, no variance, the mean variance of the "
            "other strata, or its squared distance from the mean of all units."
        ),
    )
    known: Known | None = pydantic.Field(
        default=None, description="Totals of the population, to which weights are calibrated. `{}`: only its rows."
    )
    round: int | None = pydantic.Field(default=None, ge=1, description="Of a sample in rounds, the one to use.")

    @pydantic.field_validator("by", mode="before", json_schema_input_type=str | Sequence[str])
    @classmethod
    def _one_name_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value
