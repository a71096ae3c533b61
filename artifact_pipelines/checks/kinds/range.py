"""Values between two bounds."""

import datetime
from typing import Literal, Self

import pydantic

from artifact_pipelines.checks.interfaces import ICheckKind, check_range
from artifact_pipelines.checks.sql_text import literal
from artifact_pipelines.tabular.locked_duckdb import quoted

_Bound = int | float | datetime.datetime | datetime.date | str | None


class Range(ICheckKind):
    """Require values between two bounds, which are allowed; NaN is above every number, and null is allowed."""

    kind: Literal["range"] = "range"
    column: str = pydantic.Field(min_length=1, description="Column of the values.")
    min: _Bound = pydantic.Field(default=None, description="Smallest value that may occur.")
    max: _Bound = pydantic.Field(default=None, description="Largest value that may occur.")

    @pydantic.model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        check_range(self.min, self.max)
        return self

    def promise(self) -> str:
        """See `ICheckKind`."""
        bounds = [f"at least {self.min}"] if self.min is not None else []
        bounds += [f"at most {self.max}"] if self.max is not None else []
        return f"`{self.column}` is {' and '.join(bounds)}."

    def condition(self) -> str:
        """See `ICheckKind`."""
        name = quoted(self.column)
        below = [f"{name} < {literal(self.min)}"] if self.min is not None else []
        above = [f"{name} > {literal(self.max)}", _is_nan(name)] if self.max is not None else []
        return " OR ".join([*below, *above])


def _is_nan(name: str) -> str:
    """Return a condition that is true for NaN, which the statistics of Parquet do not know: DuckDB would skip it."""
    return f"(typeof({name}) IN ('FLOAT', 'DOUBLE') AND isnan(TRY_CAST({name} AS DOUBLE)))"
