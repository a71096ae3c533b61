"""No nulls."""

from typing import Literal

import pydantic

from artifact_pipelines.checks.interfaces import Columns, ICheckKind
from artifact_pipelines.tabular.locked_duckdb import quoted


class NotNull(ICheckKind):
    """Require a value in some columns."""

    kind: Literal["not_null"] = "not_null"
    columns: Columns = pydantic.Field(description="Columns in which no row is null.")

    def promise(self) -> str:
        """See `ICheckKind`."""
        return f"No row is null in {' or '.join(f'`{name}`' for name in self.columns)}."

    def condition(self) -> str:
        """See `ICheckKind`."""
        return " OR ".join(f"{quoted(name)} IS NULL" for name in self.columns)
