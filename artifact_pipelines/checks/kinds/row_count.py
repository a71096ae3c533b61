"""The number of rows."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pydantic

from artifact_pipelines.checks.interfaces import CheckedTable, ICheckKind, check_range
from artifact_pipelines.core.wording import counted

_Count = Annotated[int, pydantic.Field(ge=0)] | None


class RowCount(ICheckKind):
    """Require a number of rows between two bounds, which are allowed."""

    kind: Literal["row_count"] = "row_count"
    min: _Count = pydantic.Field(default=None, description="Fewest rows.")
    max: _Count = pydantic.Field(default=None, description="Most rows.")

    @pydantic.model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        check_range(self.min, self.max)
        return self

    def promise(self) -> str:
        """See `ICheckKind`."""
        bounds = [f"at least {self.min:,}"] if self.min is not None else []
        bounds += [f"at most {self.max:,}"] if self.max is not None else []
        noun = "row" if (self.min if self.max is None else self.max) == 1 else "rows"
        return f"The table has {' and '.join(bounds)} {noun}."

    def query(self, table: CheckedTable) -> str:
        """See `ICheckKind`."""
        wrong = [f"count(*) < {self.min}"] if self.min is not None else []
        wrong += [f"count(*) > {self.max}"] if self.max is not None else []
        return f"SELECT count(*) AS row_count FROM {table.sql} HAVING {' OR '.join(wrong)}"  # noqa: S608

    def finding(self, count: int, first: Mapping[str, Any]) -> str:
        """See `ICheckKind`."""
        count = int(first["row_count"])
        return f"The table has {counted(count, 'row')}."
