"""No nulls."""

from collections.abc import Mapping
from typing import Any, Literal

import pydantic

from artifact_pipelines.checks.interfaces import Columns, ICheckKind
from artifact_pipelines.core.wording import counted
from artifact_pipelines.tabular.locked_duckdb import quoted


class NotNull(ICheckKind):
    """Require a value in some columns."""

    kind: Literal["not_null"] = "not_null"
    columns: Columns = pydantic.Field(description="Columns in which no row is null.")

    def promise(self) -> str:
        """See `ICheckKind`."""
        return f"Every row has a value in {' and '.join(f'`{name}`' for name in self.columns)}."

    def finding(self, count: int, first: Mapping[str, Any]) -> str:
        """See `ICheckKind`."""
        where = " or ".join(f"`{name}`" for name in self.columns)
        return f"{counted(count, 'row has', 'rows have')} no value in {where}."

    def condition(self) -> str:
        """See `ICheckKind`."""
        return " OR ".join(f"{quoted(name)} IS NULL" for name in self.columns)
