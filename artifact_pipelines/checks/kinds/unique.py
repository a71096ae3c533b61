"""No row stands twice."""

from collections.abc import Mapping
from typing import Any, Literal

import pydantic

from artifact_pipelines.checks.interfaces import CheckedTable, Columns, ICheckKind
from artifact_pipelines.checks.sql_text import quoted_all
from artifact_pipelines.core.wording import counted
from artifact_pipelines.tabular.locked_duckdb import quoted


class Unique(ICheckKind):
    """Require that no two rows have the same values in some columns; a row with a null there is like no other."""

    kind: Literal["unique"] = "unique"
    columns: Columns = pydantic.Field(description="Columns in which no two rows are the same.")

    def promise(self) -> str:
        """See `ICheckKind`."""
        return f"No two rows have the same {self._names()}."

    def finding(self, count: int, first: Mapping[str, Any]) -> str:
        """See `ICheckKind`."""
        return f"{counted(count, 'row has', 'rows have')} the same {self._names()} as another row."

    def _names(self) -> str:
        return " and ".join(f"`{name}`" for name in self.columns)

    def query(self, table: CheckedTable) -> str:
        """See `ICheckKind`."""
        names = quoted_all(self.columns)
        known = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in self.columns)
        repeated = f"SELECT {names} FROM {table.sql} WHERE {known} GROUP BY {names} HAVING count(*) > 1"  # noqa: S608
        return f"SELECT * FROM {table.sql} SEMI JOIN ({repeated}) USING ({names})"  # noqa: S608 - all names are quoted
