"""Values of a list."""

import datetime
from collections.abc import Sequence
from typing import Annotated, Literal

import pydantic

from artifact_pipelines.checks.interfaces import ICheckKind
from artifact_pipelines.checks.sql_text import literal
from artifact_pipelines.declarations import check_words
from artifact_pipelines.tabular.locked_duckdb import quoted


class Allowed(ICheckKind):
    """Require one of some values; null is allowed."""

    kind: Literal["allowed"] = "allowed"
    column: str = pydantic.Field(min_length=1, description="Column of the values.")
    values: Annotated[
        Sequence[bool | int | float | datetime.datetime | datetime.date | str], pydantic.BeforeValidator(check_words)
    ] = pydantic.Field(min_length=1, description="All values that may occur.")

    def promise(self) -> str:
        """See `ICheckKind`."""
        return f"`{self.column}` is one of {', '.join(f'`{value}`' for value in self.values)}."

    def condition(self) -> str:
        """See `ICheckKind`."""
        return f"{quoted(self.column)} NOT IN ({', '.join(literal(value) for value in self.values)})"
